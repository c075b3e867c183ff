"""A seed means the same run: steps, contents, faults and their places."""

from itertools import islice

from cybous3.lab.chaos import plan
from cybous3.lab.chaos.faults.registry import CATALOGUE
from cybous3.lab.chaos.scenario import Load, Scenario, read

TEXT = """
[load]
clients = 3
operations = 200
[[faults]]
name = "process.kill"
at = "20 operations"
times = 3
every = "15 operations"
[[faults]]
name = "process.pause"
at = "1s"
for = "1s"
times = 2
every = "500ms"
"""


def scenario(seed: int = 1, text: str = TEXT) -> Scenario:
    return read(text, CATALOGUE, seed=seed)


def test_the_same_seed_gives_the_same_steps_and_another_seed_others() -> None:
    first = plan.steps(scenario().load, 1)
    assert first == plan.steps(scenario().load, 1)
    assert first != plan.steps(scenario().load, 2)
    assert len(first) == 200
    assert {step.client for step in first} == {0, 1, 2}


def test_a_load_of_a_time_begins_like_one_of_a_count() -> None:
    counted = [step for step in plan.steps(Load(clients=2, operations=40), 5) if step.client == 1]
    assert list(islice(plan.client_steps(Load(clients=2), 5, 1), 20)) == counted


def test_steps_that_are_written_are_done_as_they_stand() -> None:
    read_back = scenario(text="[load]\nsteps = ['0 put 3 4096']").load
    assert plan.steps(read_back, 99) == list(read_back.steps)


def test_every_client_claims_the_same_keys_in_the_same_order() -> None:
    load = Load(clients=2, operations=400, mix={"claim": 1, "put": 1})
    claims = [[s.key for s in plan.steps(load, 3) if s.client == client and s.kind == "claim"] for client in (0, 1)]
    assert all(keys == list(range(len(keys))) for keys in claims)


def test_overwriting_means_a_key_that_was_written() -> None:
    written: set[int] = set()
    for step in islice(plan.client_steps(Load(mix={"put": 1, "overwrite": 1}, keys=1000), 1, 0), 300):
        assert step.kind != "overwrite" or not written or step.key in written
        written.add(step.key)


def test_no_two_writes_share_their_bytes() -> None:
    made = {plan.content(seed, key, number, 64) for seed in (1, 2) for key in "ab" for number in (1, 2)}
    assert len(made) == 8
    assert plan.content(1, "a", 1, 5) == plan.content(1, "a", 1, 64)[:5]


def test_repeated_faults_are_placed_one_after_the_other() -> None:
    assert [str(one.at) for one in plan.faults(scenario())] == [
        "20 operations",
        "35 operations",
        "50 operations",
        "1s",
        "1.5s",
    ]
    draws = [one.chance().random() for one in plan.faults(scenario())]
    assert len(set(draws)) == 5
    assert draws == [one.chance().random() for one in plan.faults(scenario())]


def test_the_fingerprint_tells_plans_apart() -> None:
    prints = {plan.fingerprint(scenario(seed)) for seed in (1, 1, 2)}
    timed = {plan.fingerprint(scenario(seed, "[load]\nfor = '1s'\n" + TEXT.partition("200")[2])) for seed in (1, 2)}
    assert len(prints) == 2
    assert len(timed | prints) == 4

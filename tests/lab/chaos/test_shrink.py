"""A failing scenario becomes small and still fails; what shrinking asks of a run is a list of failed checks."""

import tomllib

from cybous3.lab.chaos import plan
from cybous3.lab.chaos.faults.registry import CATALOGUE
from cybous3.lab.chaos.scenario import Scenario, from_document, read
from cybous3.lab.chaos.shrink import Shrinker

TEXT = """
title = "big"
[load]
clients = 3
operations = 60
rate = "100/s"
[during]
error_rate = "90%"
[[faults]]
name = "process.pause"
at = "10 operations"
for = "1s"
[[faults]]
name = "process.kill"
on = "server"
at = "20 operations"
times = 2
every = "10 operations"
[[faults]]
name = "process.terminate"
at = "50 operations"
"""


def fails_with_a_put_after_a_kill(scenario: Scenario) -> list[str]:
    """Stand for a server that forgets a put of more than 100 bytes once it has been killed."""
    steps = plan.steps(scenario.load, scenario.seed)
    kills = [f.at.operations or 0 for f in plan.faults(scenario) if f.injection.fault == "process.kill"]
    after = steps[min(kills) :] if kills else []
    return ["acknowledged-durable"] if any(s.kind == "put" and s.size > 100 for s in after) else ["p99"]


def shrinker(seconds_max: float = 60.0) -> Shrinker:
    scenario = read(TEXT, CATALOGUE, seed=4)
    assert fails_with_a_put_after_a_kill(scenario) == ["acknowledged-durable"]
    failed = frozenset({"acknowledged-durable"})
    return Shrinker(scenario, failed, fails_with_a_put_after_a_kill, CATALOGUE, seconds_max)


def test_one_fault_and_one_operation_are_left() -> None:
    made = shrinker()
    small = from_document(made.shrink(), CATALOGUE)
    assert [(one.fault, one.times) for one in small.faults] == [("process.kill", 1)]
    assert len(small.load.steps) == 1
    assert (small.load.steps[0].kind, small.load.steps[0].size, small.load.clients) == ("put", 20_000, 1)
    assert (small.load.rate, small.during.error_rate) == (None, None)
    assert fails_with_a_put_after_a_kill(small) == ["acknowledged-durable"]


def test_the_file_reads_back_and_says_where_it_comes_from() -> None:
    made = shrinker()
    made.shrink()
    text = made.text()
    assert text.startswith("# Shrunken from 'big', seed 4, in ")
    assert fails_with_a_put_after_a_kill(from_document(tomllib.loads(text), CATALOGUE)) == ["acknowledged-durable"]


def test_when_the_time_is_over_the_best_so_far_stands() -> None:
    made = shrinker()
    left = 12

    def clock() -> float:
        nonlocal left
        left -= 1
        return 0.0 if left > 0 else 1e9

    said: list[str] = []
    made.clock, made._end, made.say = clock, 60.0, said.append
    some = from_document(made.shrink(), CATALOGUE)
    assert fails_with_a_put_after_a_kill(some) == ["acknowledged-durable"]
    assert "the time for shrinking is over" in said[-1]


def test_a_load_of_a_time_keeps_its_time() -> None:
    timed = TEXT.replace("operations = 60", 'for = "1s"')
    scenario = read(timed, CATALOGUE, seed=4)
    made = Shrinker(scenario, frozenset({"p99"}), lambda _: ["p99"], CATALOGUE)
    small = made.shrink()
    assert small["load"]["for"] == "1s"
    assert small["faults"] == []

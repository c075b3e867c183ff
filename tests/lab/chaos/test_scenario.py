"""What cannot be meant is refused before anything starts, in one sentence that names the place."""

import pytest

from cybous3.lab.chaos import shipped
from cybous3.lab.chaos.errors import BadScenario
from cybous3.lab.chaos.faults.registry import CATALOGUE
from cybous3.lab.chaos.scenario import Disk, Step, check_owned, is_loopback, read
from cybous3.lab.chaos.units import Moment

WHOLE = """
title = "Everything that can be said"
seed = 7

[target]
workers = 3
durability = "relaxed"
disk = "tmpfs 64MiB"

[load]
clients = 2
keys = 5
operations = 100
rate = "50/s"
sizes = "1KiB:60,64KiB:40"
mix = { put = 1, get = 2 }
timeout = "2s"
tries = 3

[steady]
error_rate = "1%"
p99 = "500ms"
ready = "10s"
leaked = 0

[during]
error_rate = "90%"

[after]
damaged = 2

[blast]
longest_s = "5s"
operations = 50
free_disk = "1MiB"
processes = ["worker", "disk"]

[[faults]]
name = "process.kill"
on = "worker"
at = "20 operations"
times = 3
every = "10 operations"

[[faults]]
name = "disk.full"
at = "1s"
for = "2s"
leave = "4KiB"
"""


def test_everything_a_scenario_says_is_understood() -> None:
    scenario = read(WHOLE, CATALOGUE)
    assert (scenario.target.workers, scenario.target.durability, scenario.target.disk) == (3, "relaxed", Disk(64 << 20))
    assert (scenario.load.rate, scenario.load.timeout_s, scenario.load.tries) == (50.0, 2.0, 3)
    assert (scenario.steady.error_rate, scenario.steady.p99_s, scenario.steady.leaked) == (0.01, 0.5, 0)
    assert (scenario.after.ready_s, scenario.after.damaged, scenario.during.error_rate) == (10.0, 2, 0.9)
    kill, full = scenario.faults
    assert (kill.on, kill.at, kill.times, kill.every) == ("worker", Moment(operations=20), 3, Moment(operations=10))
    assert full.settings == {"leave": 4096}
    assert scenario.seed == 7
    assert read(WHOLE, CATALOGUE, seed=8).seed == 8


def test_a_scenario_that_says_nothing_is_a_load_without_faults() -> None:
    scenario = read("", CATALOGUE)
    assert (scenario.faults, scenario.target.own, scenario.load.kind) == ((), True, "mixed")


FAULT = '[[faults]]\nname = "process.kill"\nat = "1s"\n'
PAUSE = '[[faults]]\nname = "process.pause"\nat = "1s"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title = ", "not TOML"),
        ("colour = 'red'", "scenario knows no 'colour'"),
        ("seed = -1", "scenario.seed"),
        ("load = 5", "load is not a table"),
        ("[load]\nclients = 0", "load.clients"),
        ("[load]\nrate = 200", "load.rate"),
        ("[load]\nmix = { put = 0 }", "a mix of nothing"),
        ("[load]\nmix = { fly = 1 }", "mix knows no 'fly'"),
        ("[load]\nsizes = '1XiB'", "load.sizes"),
        ("[load]\nsteps = ['0 fly 1 2']", "not a step"),
        ("[load]\nsteps = ['put']", "not a step"),
        ("[load]\nclients = 1\nsteps = ['3 put 0 10']", "there is no client 3"),
        ("[target]\ndisk = 'floppy'", "target.disk"),
        ("[target]\nendpoint = 'somewhere'", "target.endpoint"),
        ("[target]\nendpoint = 'http://127.0.0.1:9'\nworkers = 2", "target.workers"),
        ("[target]\nendpoint = 'http://127.0.0.1:9'\n" + FAULT, "needs a server of our own"),
        ("[steady]\nerror_rate = 0.1", "steady.error_rate"),
        ("faults = 3", "scenario.faults"),
        ("[[faults]]\nat = '1s'", "there is no fault None"),
        ("[[faults]]\nname = 'process.explode'", "there is no fault 'process.explode'"),
        (FAULT + "colour = 'red'", "faults[0] knows no 'colour'"),
        (FAULT + "on = 'moon'", "not for 'moon'"),
        (FAULT + "which = 'some'", "faults[0].which"),
        (FAULT + "times = 2", "times and every"),
        (FAULT + "on = 'client'", "a client is a process of its own only"),
        (PAUSE, "needs an end"),
        (PAUSE + "for = '60s'", "blast.longest_s allows 30s"),
        (PAUSE + "for = '1s'\non='worker'\n[blast]\nprocesses = ['disk']", "outside the blast radius"),
        ("[[faults]]\nname = 'process.descriptors'\nfor='1s'", "needs 'limit'"),
        ("[[faults]]\nname = 'disk.full'\nfor = '1s'", "a disk that others use is not filled"),
        ("[load]\noperations = 10\n[[faults]]\nname='process.kill'\nat='11 operations'", "is after the load"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(BadScenario) as refused:
        read(text, CATALOGUE)
    assert said in refused.value.message
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("endpoint", "ours"),
    [
        ("http://127.0.0.1:9000", True),
        ("http://127.8.0.1", True),
        ("http://[::1]:9000", True),
        ("http://localhost:9000", True),
        ("http://192.0.2.1:9000", False),
        ("http://s3.example.org", False),
        ("http://localhost.example.org", False),
    ],
)
def test_only_this_machine_is_broken_without_being_asked(endpoint: str, ours: bool) -> None:
    assert is_loopback(endpoint) is ours
    scenario = read(f"[target]\nendpoint = '{endpoint}'", CATALOGUE)
    check_owned(scenario, i_own_this=True)
    if ours:
        check_owned(scenario, i_own_this=False)
    else:
        with pytest.raises(BadScenario, match="not on this machine"):
            check_owned(scenario, i_own_this=False)


def test_steps_are_read_as_they_are_written() -> None:
    scenario = read("[load]\nclients = 2\nsteps = ['0 put 3 4096', '1 get 3 0']", CATALOGUE)
    assert scenario.load.steps == (Step(0, "put", 3, 4096), Step(1, "get", 3, 0))
    assert [str(step) for step in scenario.load.steps] == ["0 put 3 4096", "1 get 3 0"]


@pytest.mark.parametrize("name", shipped.names())
def test_every_scenario_that_comes_with_the_program_can_be_read(name: str) -> None:
    scenario = shipped.load(name, CATALOGUE)
    assert scenario.title != "untitled"
    assert scenario.faults
    assert scenario.steady.error_rate is not None


def test_a_scenario_that_is_nowhere_is_named(tmp_path: object) -> None:
    with pytest.raises(BadScenario, match="neither a scenario that comes with the program nor a file"):
        shipped.text(f"{tmp_path}/nothing.toml")

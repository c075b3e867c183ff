"""Every fault is described, possible or not with a reason, and refused before anything starts where it is not."""

import pytest

from cybous3.lab.chaos.errors import CannotInject
from cybous3.lab.chaos.faults import disk, registry
from cybous3.lab.chaos.faults.registry import CATALOGUE, FAULTS, check_possible, preloads
from cybous3.lab.chaos.scenario import read


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_says_what_it_is_and_by_what_it_is_done(name: str) -> None:
    fault = FAULTS[name]
    assert fault.description.name == name
    assert fault.description.summary.endswith(".")
    assert fault.description.on
    assert fault.how
    assert all(one.summary for one in fault.description.parameters.values())


@pytest.mark.parametrize("name", FAULTS)
def test_the_default_of_every_parameter_can_be_read(name: str) -> None:
    for parameter in FAULTS[name].description.parameters.values():
        if parameter.default is not None:
            parameter.parse(parameter.default)


def test_a_machine_without_the_injector_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = read("[[faults]]\nname = 'disk.slow'\nfor = '1s'", CATALOGUE)
    monkeypatch.setattr(disk, "find_program", lambda _: None)
    with pytest.raises(CannotInject, match=r"disk\.slow is not possible here: strace is not here"):
        check_possible(slow)


def test_a_machine_that_may_not_mount_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    full = read("[target]\ndisk = 'tmpfs 8MiB'\n[[faults]]\nname = 'disk.full'\nfor = '1s'", CATALOGUE)
    monkeypatch.setattr(disk, "may_mount", lambda: False)
    with pytest.raises(CannotInject, match="not permitted"):
        check_possible(full)


def test_what_a_server_must_be_started_with_is_known_before() -> None:
    assert preloads(read("", CATALOGUE)) == set()
    clock = read("[[faults]]\nname = 'clock.frozen'\nfor = '1s'", CATALOGUE)
    assert preloads(clock) == {"clock"}
    assert set(registry.CATALOGUE) == set(FAULTS)

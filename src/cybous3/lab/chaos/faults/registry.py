"""Every fault there is, by name: one table for scenarios, the engine, `cybs3 chaos faults` and the docs."""

from collections.abc import Mapping
from typing import Final

from cybous3.lab.chaos.description import Catalogue
from cybous3.lab.chaos.errors import CannotInject
from cybous3.lab.chaos.faults import clock, disk, process, stored, wire
from cybous3.lab.chaos.faults.port import Fault
from cybous3.lab.chaos.scenario import Scenario

FAULTS: Final[Mapping[str, Fault]] = {
    fault.description.name: fault
    for fault in (*process.FAULTS, *disk.FAULTS, *stored.FAULTS, *clock.FAULTS, *wire.FAULTS)
}
CATALOGUE: Final[Catalogue] = {name: fault.description for name, fault in FAULTS.items()}


def check_possible(scenario: Scenario) -> None:
    """Raise CannotInject, naming the first fault that this machine lacks something for."""
    for injection in scenario.faults:
        lacking = FAULTS[injection.fault].lacks()
        if lacking:
            raise CannotInject(f"{injection.fault} is not possible here: {lacking}", hint="see cybs3 chaos faults")


def preloads(scenario: Scenario) -> set[str]:
    """Return what must be in place before the server starts: `clock`, `wire`."""
    return {word for one in scenario.faults if (word := CATALOGUE[one.fault].preloads)}

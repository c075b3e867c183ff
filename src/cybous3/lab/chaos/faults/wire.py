"""Faults of the wire and of what speaks over it: the proxy's own table, as faults of a scenario.

The load goes through the proxy; the run's own questions before and after go past it. Two of the table's parameters are
called otherwise in a scenario, where `at` and `times` say when a fault happens: `at_byte`, `at_most`.
"""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Final
from urllib.parse import urlsplit

from cybous3.lab.chaos.errors import CannotInject
from cybous3.lab.chaos.faults.port import Fault, Inject
from cybous3.lab.chaos.proxy import faults as table
from cybous3.lab.chaos.proxy.wire import Wire
from cybous3.lab.chaos.scenario import Injection, Scenario
from cybous3.lab.chaos.site import Site

RENAMED: Final[Mapping[str, str]] = {"at": "at_byte", "times": "at_most"}
_BACK: Final = {new: old for old, new in RENAMED.items()}
_LIES: Final = "liar."
_HTTP_PORT: Final = 80
_NUMBERS: Final = count(1)


def wire_of(scenario: Scenario, endpoint: str) -> Wire:
    """Return a proxy before `endpoint`, not yet entered. Raises CannotInject for one that speaks TLS."""
    parts = urlsplit(endpoint)
    if parts.scheme != "http":
        raise CannotInject(f"{endpoint} speaks TLS: a proxy cannot change what it cannot read")
    lies = any(one.fault.startswith(_LIES) for one in scenario.faults)
    return Wire((parts.hostname or "", parts.port or _HTTP_PORT), seed=scenario.seed, learn=lies)


def _inject(fault: table.WireFault) -> Inject:
    @contextmanager
    def inject(site: Site, injection: Injection, chance: random.Random) -> Iterator[str]:
        del chance  # the proxy draws from the scenario's seed
        if site.wire is None:
            raise CannotInject("no proxy stands before the server")
        settings = {_BACK.get(name, name): value for name, value in injection.settings.items()}
        harming = fault.on(site.wire, settings, name=f"{injection.fault} {next(_NUMBERS)}")
        harming.start()
        try:
            yield harming.describe()
        finally:
            harming.stop()

    return inject


def _as_fault(fault: table.WireFault) -> Fault:
    described = fault.description
    parameters = {RENAMED.get(name, name): one for name, one in described.parameters.items()}
    return Fault(replace(described, parameters=parameters), _inject(fault), how="our own proxy")


FAULTS: Final = tuple(_as_fault(fault) for fault in table.FAULTS.values())

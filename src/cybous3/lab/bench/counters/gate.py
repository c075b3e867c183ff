"""The gate: fill a server, count everything that can be counted here, and hold it against what is stored."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cybous3.lab.bench.counters import kernel
from cybous3.lab.bench.counters.compare import CALLS, Difference, Stored, differences
from cybous3.lab.bench.counters.measure import Cost, filled, measure_client, measure_server
from cybous3.lab.bench.counters.scenarios import SERVER, ServerScenario

STORED: Final = Path(__file__).with_name("stored.json")
"""Renewed by `make bench UPDATE=1`."""

PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted, by section, and what could not be, with the reason."""

    sections: Mapping[str, Mapping[str, Cost]]
    skipped: Mapping[str, str] = field(default_factory=dict)

    def gated(self) -> dict[str, dict[str, dict[str, int]]]:
        """Return what gates, as it is stored."""
        return {name: {one: steady(cost) for one, cost in costs.items()} for name, costs in self.sections.items()}

    def against(self, stored: Stored) -> list[Difference]:
        """Return what differs. Interpreters differ in the calls they make: those gate under the stored one only."""
        also = () if stored.python == PYTHON else (CALLS,)
        return [
            one
            for name, costs in self.sections.items()
            for one in differences(
                stored.sections.get(name, {}),
                {scenario: cost.counts for scenario, cost in costs.items()},
                {scenario: (*cost.loose, *also) for scenario, cost in costs.items()},
            )
        ]


def steady(cost: Cost) -> dict[str, int]:
    """Return the counters of a scenario that do not depend on timing."""
    return {name: value for name, value in cost.counts.items() if not name.startswith(cost.loose or (" ",))}


def count(folder: Path, say: Say, *, with_kernel: bool = True, client_repeats: int = 1) -> Counted:
    """Count everything, in programs of our own that work in `folder`."""
    skipped: dict[str, str] = {}
    scenarios = possible(folder, skipped)
    server = folder / "server"
    say("filling a server")
    root = filled(server)
    say("operations of the server")
    work = measure_server(server, root, scenarios)
    say("commands of the client")
    work |= measure_client(server, folder / "home", root, repeats=client_repeats)
    sections = {"work": work}
    missing = kernel.unavailable() if with_kernel else "not asked for"
    if missing:
        skipped["system calls"] = missing
    else:
        say("system calls")
        sections["kernel"] = kernel.measure_kernel(server, root, scenarios)
    return Counted(sections, skipped)


def possible(folder: Path, skipped: dict[str, str]) -> list[ServerScenario]:
    """Return the scenarios that go the usual way on this file system; note the others in `skipped`."""
    if tells_what_is_cached(folder):
        return list(SERVER)
    reason = "the file system of the scratch folder cannot tell what is cached (RWF_NOWAIT)"
    skipped.update({one.name: reason for one in SERVER if one.cached_reads})
    return [one for one in SERVER if not one.cached_reads]


def tells_what_is_cached(folder: Path) -> bool:
    """Tell whether a read that must not wait for the disk is possible in `folder`."""
    flag: int | None = getattr(os, "RWF_NOWAIT", None)
    if flag is None:
        return False
    probe = folder / "probe"
    probe.write_bytes(b"x")
    with probe.open("rb", buffering=0) as file:
        try:
            return os.preadv(file.fileno(), [bytearray(1)], 0, flag) == 1
        except OSError:
            return False
        finally:
            probe.unlink()


def stored_counters() -> Stored:
    """Return what is stored; nothing when nothing is. StaleFormat."""
    return Stored.load(STORED.read_text(encoding="utf-8")) if STORED.exists() else Stored()


def renewed(before: Stored, counted: Counted) -> Stored:
    """Return `before` with what was counted; what could not be counted here stays as it was."""
    merged = {name: {**before.sections.get(name, {}), **table} for name, table in counted.gated().items()}
    return Stored(PYTHON, {**before.sections, **merged})

"""Runs the scenarios and returns what each of them cost: the median over a few repetitions, counter by counter.

Repetitions of one operation cost the same; what now and then comes on top (a timer that publishes metrics, garbage of
an earlier operation that is reaped) is outvoted. Of function calls and system calls the least is taken, because timers
only ever add.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median_low
from typing import Final

from cybous3.core.sigv4.credentials import Credentials
from cybous3.lab.bench.counters.compare import CALLS
from cybous3.lab.bench.counters.scenarios import (
    CLIENT,
    LISTED,
    SERVER,
    ClientScenario,
    ServerScenario,
    prepare,
)
from cybous3.lab.bench.counters.subject import LAUNCHER, Client, CountedServer, PlainServer, Server
from cybous3.lab.bench.counters.tally import Counts, growth

REPEATS: Final = 3
_LEAST: Final = (CALLS, "kernel.")
_FILLING: Final = 16  # connections
WARM: Final = 1


@dataclass(frozen=True, slots=True)
class Cost:
    """What one scenario costs. `seen` holds every counter's values where they were not all the same."""

    counts: Mapping[str, int]
    loose: tuple[str, ...] = ()
    seen: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


Costs = Mapping[str, Cost]


def condense(samples: Sequence[Counts], loose: tuple[str, ...] = ()) -> Cost:
    """Return what the samples agree on; a counter that is missing from a sample was 0 there."""
    names = sorted({name for sample in samples for name in sample})
    columns = {name: tuple(sample.get(name, 0) for sample in samples) for name in names}
    medians = {name: (min if name.startswith(_LEAST) else median_low)(values) for name, values in columns.items()}
    seen = {name: values for name, values in columns.items() if len(set(values)) > 1}
    return Cost({name: value for name, value in medians.items() if value}, loose, seen)


def measure_server(
    folder: Path,
    root: Credentials,
    scenarios: Sequence[ServerScenario] = SERVER,
    *,
    repeats: int = REPEATS,
    launcher: Sequence[str] = LAUNCHER,
) -> dict[str, Cost]:
    """Count operations of a server over `folder`, which was `filled` under `root`."""
    with CountedServer(folder, root, launcher) as subject:
        return {one.name: server_cost(subject, one, repeats) for one in scenarios}


def measure_client(
    folder: Path,
    home: Path,
    root: Credentials,
    scenarios: Sequence[ClientScenario] = CLIENT,
    *,
    repeats: int = 1,
    launcher: Sequence[str] = LAUNCHER,
) -> dict[str, Cost]:
    """Count commands of the client, which lives in `home`, against a server over `folder`."""
    with PlainServer(folder, root) as subject:
        person = Client(home, subject, launcher)
        return {one.name: client_cost(subject, person, one, repeats) for one in scenarios}


def filled(folder: Path, keys: int = LISTED + 1) -> Credentials:
    """Fill a server's folder with what scenarios share; return its root key. Only listing needs the `keys`."""
    with PlainServer(folder) as plain, ExitStack() as stack:
        prepare([stack.enter_context(plain.caller()) for _ in range(_FILLING)], keys)
        return plain.root


def server_cost(subject: CountedServer, scenario: ServerScenario, repeats: int) -> Cost:
    """Count one operation of the server."""
    with subject.caller() as caller:
        for number in range(WARM):
            scenario.before(caller, number)
            scenario.act(caller, number)
        samples = []
        for number in range(WARM, WARM + repeats):
            scenario.before(caller, number)
            before, sent = subject.counts(), caller.counts()
            scenario.act(caller, number)
            samples.append(growth(before, subject.counts()) | growth(sent, caller.counts()))
    return condense([_summed(sample) for sample in samples], scenario.loose)


def client_cost(subject: Server, person: Client, scenario: ClientScenario, repeats: int) -> Cost:
    """Count one command of the client, its requests as the server saw them."""
    samples = []
    for number in range(repeats):
        scenario.before(person, number)
        before = subject.traffic()
        counts = person.run(*scenario.act(person, number), "--quiet")
        samples.append(counts | growth(before, subject.traffic()))
    return condense([_summed(sample) for sample in samples], scenario.loose)


def _summed(counts: Counts) -> dict[str, int]:
    """Return the counts with all our own calls in one: the rooms are for the eye (`by_room`)."""
    ours = sum(value for name, value in counts.items() if name.startswith("calls.") and name != "calls.native")
    kept = {name: value for name, value in counts.items() if not name.startswith("calls.") or name == "calls.native"}
    return kept | ({"calls.ours": ours} if ours else {})


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a new folder that is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="cybous3-counters-")).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)

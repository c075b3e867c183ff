"""Our server beside the servers that package managers have: paired, interleaved, durability beside each figure.

All of them run at once, each over a folder of its own on the same disk. A round measures every row on every server, in
an order drawn anew, so that what disturbs the machine disturbs all of them alike; figures are medians over the rounds,
ratios are of pairs from the same round and carry a bootstrap interval. Nothing is left out: a server that is not there,
or a row that failed, is told with its reason.

What this does not do: it does not give each server the machine for itself, and loopback is no network. So ratios are
what to look at.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import exp, log
from pathlib import Path
from statistics import median, quantiles

from cybous3.core.errors import CybousError
from cybous3.lab.bench.rivals import syncs
from cybous3.lab.bench.rivals.lane import Contents, Lane, Row
from cybous3.lab.bench.rivals.port import Rival, Shelf
from cybous3.lab.bench.rivals.process import started
from cybous3.lab.bench.verdict.bootstrap import PAIRS_MIN, interval
from cybous3.lab.bench.workload import MIB


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is done. `small` and `large` are sizes in bytes, `seconds` a block's length, for small requests."""

    rounds: int = 7
    seconds: int = 1
    small: int = 4096
    large: int = 64 * MIB
    objects: int = 1000
    seed: int = 1


def rows(effort: Effort) -> tuple[Row, ...]:
    """Return the rows of the table."""
    small, large = (_size(size) for size in (effort.small, effort.large))
    return (
        Row(f"PUT {small} c=1", "PUT", large=False),
        Row(f"PUT {small} c=16", "PUT", large=False, clients=16),
        Row(f"GET {small} c=1", "GET", large=False),
        Row(f"GET {small} c=16", "GET", large=False, clients=16),
        Row(f"PUT {large}", "PUT", large=True),
        Row(f"GET {large}", "GET", large=True),
    )


def _size(size: int) -> str:
    return f"{size // MIB}M" if size >= MIB else f"{size // 1024}K" if size >= 1024 else str(size)  # noqa: PLR2004  # a KiB


@dataclass(frozen=True, slots=True)
class Figure:
    """One row on one server: a value for each round in which it could be taken, and what went wrong in the others."""

    values: Mapping[int, float] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def median(self) -> float | None:
        """The middle of the values; None without any."""
        return median(self.values.values()) if self.values else None

    @property
    def middle_half(self) -> tuple[float, float] | None:
        """The ends of the middle half of the values; None with too few to have one."""
        if len(self.values) < PAIRS_MIN:
            return None
        low, _, high = quantiles(self.values.values(), n=4)
        return low, high


@dataclass(frozen=True, slots=True)
class Syncs:
    """Syncs for each acknowledged write, with one client and with 16; without figures the reason."""

    per_write: tuple[float, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Contender:
    """One line of the table. `reason` says why there are no figures."""

    name: str
    how: str
    version: str
    durability: str
    reason: str = ""
    figures: Mapping[str, Figure] = field(default_factory=dict)
    syncs: Syncs = Syncs()  # frozen
    writes: bool = True
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """The whole table. `rounds` are those that were completed."""

    rows: tuple[Row, ...]
    contenders: tuple[Contender, ...]
    rounds: int
    interrupted: bool = False

    @property
    def ours(self) -> Contender:
        """The line that the others are compared with."""
        return next(item for item in self.contenders if item.strong)

    def ratio(self, row: Row, other: Contender) -> tuple[float, float, float] | None:
        """Return how many times as fast ours is (estimate, low, high); None without rounds that both have.

        With fewer pairs than an interval needs the ends are NaN: nothing is claimed about them.
        """
        mine, theirs = (item.figures.get(row.name, Figure()).values for item in (self.ours, other))
        both = sorted(mine.keys() & theirs.keys())
        logs = [log(mine[number] / theirs[number]) for number in both if mine[number] > 0 and theirs[number] > 0]
        return times(logs)


def times(logs: Sequence[float]) -> tuple[float, float, float] | None:
    """Return log-ratios as a factor and its interval; NaN ends below the number of pairs that an interval needs."""
    if not logs:
        return None
    if len(logs) < PAIRS_MIN:
        return exp(median(logs)), float("nan"), float("nan")
    estimate, low, high = (1 + percent / 100 for percent in interval(logs).percent)
    return estimate, low, high


@dataclass(frozen=True)
class Arena:
    """Where the comparison happens: scratch on the disk under test, installed programs, and somebody to tell."""

    scratch: Path
    shelf: Shelf
    say: Callable[[str], None]


class _Scores:
    """What the rounds gave so far, by server and row."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], dict[int, float]] = {}
        self.problems: dict[tuple[str, str], list[str]] = {}

    def figure(self, server: str, row: str) -> Figure:
        """Return what is there of one cell of the table."""
        return Figure(self.values.get((server, row), {}), tuple(self.problems.get((server, row), ())))

    def take(self, lane: Lane, row: Row, number: int, effort: Effort, scratch: Path) -> None:
        """Measure one cell once more; what goes wrong is noted, and the others go on."""
        at = (lane.rival.name, row.name)
        try:
            found = lane.measure(row, effort.seconds, number, scratch)
        except (CybousError, OSError) as error:
            self.problems.setdefault(at, []).append(str(error))
            return
        self.values.setdefault(at, {})[number] = found.rate
        if found.problem:
            self.problems.setdefault(at, []).append(found.problem)


def compare(rivals: Sequence[Rival], effort: Effort, arena: Arena) -> Comparison:
    """Bring the rivals up, measure, and take them down. Ctrl-C ends the rounds; what was measured is returned."""
    asked, scores = rows(effort), _Scores()
    absent: dict[str, str] = {}
    lanes: list[Lane] = []
    done, interrupted = 0, False
    counted: dict[str, Syncs] = {}
    with ExitStack() as stack:
        try:
            lanes.extend(_brought_up(rivals, effort, arena, stack, absent))
            for done in range(effort.rounds):
                _round(lanes, asked, effort, done + 1, scores, arena)
            done = effort.rounds
            counted = {lane.rival.name: _syncs(lane, arena) for lane in lanes if lane.rival.writes}
        except KeyboardInterrupt:
            interrupted = True
    running = {lane.rival.name: lane for lane in lanes}
    lines = tuple(
        _contender(rival, running.get(rival.name), absent, asked, scores, counted.get(rival.name, Syncs()))
        for rival in rivals
    )
    return Comparison(asked, lines, done, interrupted)


def _brought_up(
    rivals: Sequence[Rival], effort: Effort, arena: Arena, stack: ExitStack, absent: dict[str, str]
) -> Iterator[Lane]:
    rng = random.Random(effort.seed)  # noqa: S311  # contents, not secrets
    contents = Contents(rng.randbytes(effort.small), rng.randbytes(effort.large), effort.objects)
    for rival in rivals:
        try:
            program = rival.provide(arena.shelf)
            arena.say(f"{rival.name} {program.version}: starting")
            running = stack.enter_context(started(rival, program, arena.scratch / rival.name))
            lane = Lane(rival, program, running, contents)
            lane.fill()
            lane.check()
            yield lane
        except (CybousError, OSError) as error:
            absent[rival.name] = _reason(error)
            arena.say(f"{rival.name}: {absent[rival.name]}")


def _reason(error: CybousError | OSError) -> str:
    hint = getattr(error, "hint", None)
    return f"{error} ({hint})" if hint else str(error)


def _round(  # a round is what it is done on, and how
    lanes: Sequence[Lane], asked: Sequence[Row], effort: Effort, number: int, scores: _Scores, arena: Arena
) -> None:
    rng = random.Random(f"{effort.seed}/{number}")  # noqa: S311  # an order, not a secret
    for row in asked:
        arena.say(f"round {number} of {effort.rounds}: {row.name}")
        for lane in rng.sample(lanes, len(lanes)):
            if lane.takes(row):
                scores.take(lane, row, number, effort, arena.scratch)


def _syncs(lane: Lane, arena: Arena) -> Syncs:
    if syncs.tracer() is None:
        return Syncs(reason="strace is not installed")
    arena.say(f"{lane.rival.name}: counting syncs")
    folder = arena.scratch / f"syncs-{lane.rival.name}"
    try:
        return Syncs(tuple(syncs.per_write(lane.rival, lane.program, folder, (1, 16))))
    except (CybousError, OSError) as error:
        return Syncs(reason=_reason(error))


def _contender(  # everything that was found about one, put together once
    rival: Rival, lane: Lane | None, absent: Mapping[str, str], asked: Sequence[Row], scores: _Scores, synced: Syncs
) -> Contender:
    return Contender(
        name=rival.name,
        how=rival.how,
        version=lane.program.version if lane else "",
        durability=rival.durability,
        reason="" if lane else absent.get(rival.name, "interrupted before it was up"),
        figures={row.name: scores.figure(rival.name, row.name) for row in asked},
        syncs=synced,
        writes=rival.writes,
        strong=rival.strong,
    )

"""What encryption costs: the same files moved with it and without, in turns, and an interval around the difference.

A pair moves the same files up and down once in each mode, in an order drawn anew; the difference of the two is a
log-ratio, and the interval is made of these. So a disk that is slow for a minute is slow for both. A mode is a line in
a table: more of them (the server's encryption, both) need nothing else here.

What is compared is wall time on this machine, disk and network included, as a person waits for it; the processor time
of the client stands beside it.
"""

import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from math import log
from pathlib import Path
from typing import Final, Protocol, TypeVar

from cybous3.core.errors import CybousError
from cybous3.lab.bench.verdict.bootstrap import PAIRS_MIN, Interval, interval
from cybous3.lab.bench.workload import MIB

A = TypeVar("A")
B = TypeVar("B")

TARGET_PERCENT: Final = 5.0
BASE: Final = "plain"
BLOCK_BYTES: Final = 64 * MIB
"""A block moves so many files of one size that they come to about this."""

FILES_MAX: Final = 256
_PIECE_BYTES: Final = 4 * MIB
DIRECTIONS: Final = ("put", "get")


class WrongBytes(CybousError):
    """What came back is not what was sent."""

    exit_code = 5


class Mover(Protocol):
    """One way to move files. Both calls return when the bytes are safe where they were sent."""

    def put(self, local: Path, name: str) -> None:
        """Store a local file."""
        ...

    def get(self, name: str, local: Path) -> None:
        """Fetch it into a new local file."""
        ...

    def remove(self, name: str) -> None:
        """Remove it from the store."""
        ...


Modes = Mapping[str, Callable[[], AbstractContextManager[Mover]]]
"""By name, how to open a way to move files; BASE is what the others are compared with."""


class Word(StrEnum):
    """What an interval says about the target."""

    MET = "met"
    MISSED = "missed"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Spent:
    """What one block took, in seconds."""

    wall_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What a mode costs over plain, for one direction and size. Percentages: 5.0 is a twentieth more time."""

    mode: str
    direction: str
    size: int
    pairs: tuple[tuple[Spent, Spent], ...]  # plain, mode
    target: float = TARGET_PERCENT

    @property
    def wall(self) -> Interval | None:
        """The interval of the log-ratios of wall times; None with fewer pairs than one needs."""
        return _interval([log(mode.wall_s / plain.wall_s) for plain, mode in self.pairs])

    @property
    def cpu(self) -> Interval | None:
        """The same of the client's processor time."""
        return _interval([log(mode.cpu_s / plain.cpu_s) for plain, mode in self.pairs if plain.cpu_s and mode.cpu_s])

    @property
    def word(self) -> Word:
        """Whether the whole interval lies below the target, the whole above it, or neither."""
        return judge(self.wall, self.target)

    def sentence(self) -> str:
        """Return the line a person reads."""
        if self.wall is None:
            return f"{len(self.pairs)} pairs are too few for an interval (at least {PAIRS_MIN})"
        estimate, low, high = self.wall.percent
        return (
            f"encryption costs {estimate:.1f} % (95 % interval {low:.1f}..{high:.1f}), "
            f"target < {self.target:g} %: {self.word}"
        )


def _interval(logs: Sequence[float]) -> Interval | None:
    return interval(logs) if len(logs) >= PAIRS_MIN else None


def judge(found: Interval | None, target: float) -> Word:
    """Compare an interval with the target, in percent."""
    if found is None:
        return Word.INCONCLUSIVE
    _, low, high = found.percent
    if high < target:
        return Word.MET
    return Word.MISSED if low >= target else Word.INCONCLUSIVE


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is moved. `sizes` in bytes; `pairs` of blocks for each size."""

    sizes: tuple[int, ...] = (MIB, 64 * MIB)
    pairs: int = 20
    seed: int = 1
    block_bytes: int = BLOCK_BYTES

    def files(self, size: int) -> int:
        """Return how many files of a size make a block."""
        return max(1, min(FILES_MAX, self.block_bytes // size))


@dataclass
class Found:
    """What was found so far, by mode, direction and size; `interrupted` where Ctrl-C ended it early."""

    pairs: dict[tuple[str, str, int], list[tuple[Spent, Spent]]] = field(default_factory=dict)
    interrupted: bool = False

    def costs(self, target: float) -> tuple[Cost, ...]:
        """Return the costs, sizes and directions in the order they were measured."""
        return tuple(Cost(*at, tuple(pairs), target) for at, pairs in self.pairs.items())


def measure(modes: Modes, effort: Effort, scratch: Path, say: Callable[[str], None]) -> Found:
    """Move the files in turns. Ctrl-C ends it; whole pairs that were measured are returned. StoreError, OSError."""
    found, rng = Found(), random.Random(effort.seed)  # noqa: S311  # an order, not a secret
    with ExitStack() as stack:
        movers = {name: stack.enter_context(opened()) for name, opened in modes.items()}
        try:
            for size in effort.sizes:
                block = _Block(scratch / f"size-{size}", size, effort)
                # The first pass of each mode opens connections and fills caches; it is not counted.
                for name, mover in movers.items():
                    block.run(mover, f"{name}-warm")
                for number in range(1, effort.pairs + 1):
                    say(f"{size} bytes: pair {number} of {effort.pairs}")
                    _pair(movers, block, number, rng, found)
        except KeyboardInterrupt:
            found.interrupted = True
    return found


def _pair(movers: Mapping[str, Mover], block: "_Block", number: int, rng: random.Random, found: Found) -> None:
    taken: dict[str, dict[str, Spent]] = {}
    for name in rng.sample([*movers], len(movers)):
        taken[name] = block.run(movers[name], f"{name}-{number}")
    for name in movers:
        if name != BASE:
            for direction in DIRECTIONS:
                at = (name, direction, block.size)
                found.pairs.setdefault(at, []).append((taken[BASE][direction], taken[name][direction]))


class _Block:
    """The files of one size: local originals, and room for what comes back."""

    def __init__(self, folder: Path, size: int, effort: Effort) -> None:
        self.size = size
        self._back = folder / "back"
        self._back.mkdir(parents=True)
        rng = random.Random(f"{effort.seed}/{size}")  # noqa: S311  # contents, not secrets
        self._originals = [folder / f"{number:04}.bin" for number in range(effort.files(size))]
        for original in self._originals:
            _fill(original, size, rng)

    def run(self, mover: Mover, label: str) -> dict[str, Spent]:
        """Move everything up and down again, compare, and remove it. Only the moving is timed."""
        names = [f"{label}/{original.name}" for original in self._originals]
        copies = [self._back / original.name for original in self._originals]
        put = _timed(mover.put, self._originals, names)
        get = _timed(mover.get, names, copies)
        for original, copy, name in zip(self._originals, copies, names, strict=True):
            if not _same(original, copy):
                raise WrongBytes(f"{name} came back different")
            copy.unlink()
            mover.remove(name)
        return {"put": put, "get": get}


def _fill(path: Path, size: int, rng: random.Random) -> None:
    with path.open("wb") as file:
        for start in range(0, size, _PIECE_BYTES):
            file.write(rng.randbytes(min(_PIECE_BYTES, size - start)))


def _same(original: Path, copy: Path) -> bool:
    """Compare byte by byte, in pieces: `filecmp` remembers its answers by size and time, which a copy keeps."""
    with original.open("rb") as left, copy.open("rb") as right:
        while True:
            piece = left.read(_PIECE_BYTES)
            if piece != right.read(_PIECE_BYTES):
                return False
            if not piece:
                return True


def _timed(move: Callable[[A, B], None], come_from: Sequence[A], go_to: Sequence[B]) -> Spent:
    os.sync()  # what an earlier block left to be written is not this one's to wait for
    begun, before = time.perf_counter(), time.process_time()
    for start, end in zip(come_from, go_to, strict=True):
        move(start, end)
    return Spent(time.perf_counter() - begun, time.process_time() - before)

"""A whole run: record a server, choose cuts, make them in as many processes as there are cores, sum up."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from cybous3.lab.chaos.powercut import recording
from cybous3.lab.chaos.powercut.cuts import Cut
from cybous3.lab.chaos.powercut.recording import Recording
from cybous3.lab.chaos.powercut.replay import Outcome, make
from cybous3.lab.chaos.powercut.targets import Target

_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # a folder of our own is made in it; images need no disk
_PROCESSES_MAX: Final = 8
_FEW: Final = 40  # cuts that are not worth a second process


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a folder for images, in memory where the machine has such a place."""
    inside = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="cybs3-cuts-", dir=inside, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def make_all(
    made: Recording, kept: Path, cuts: Sequence[Cut], target: Target, folder: Path, processes: int | None = None
) -> list[Outcome]:
    """Make the cuts of the recording `made`, which lies in `kept`, and return what they came to, by place."""
    count = min(processes or os.cpu_count() or 1, _PROCESSES_MAX)
    if count == 1 or len(cuts) <= _FEW:
        return make(made, cuts, target, folder)
    shares = [list(cuts[number::count]) for number in range(count)]
    with ProcessPoolExecutor(count - 1, mp_context=get_context("spawn")) as pool:
        others = [pool.submit(share, kept, cuts, target, folder) for cuts in shares[1:]]
        outcomes = make(made, shares[0], target, folder)
        for other in others:
            outcomes += other.result()
    return sorted(outcomes, key=lambda outcome: (outcome.cut.before, outcome.cut.seed))


def share(kept: Path, cuts: Sequence[Cut], target: Target, folder: Path) -> list[Outcome]:
    """Make some cuts of a recording that lies in a folder: what one process of several does."""
    return make(recording.read(kept), cuts, target, folder)

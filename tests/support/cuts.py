"""Cutting the power at every call of a piece of work, and failing every call of it once."""

import errno
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from cybous3.lab.chaos.crashfs.files import CrashFiles, Fault, PowerCut

ROOT = Path("/data")
SEEDS = range(8)  # the four extremes, and four throws of the dice
FAULTS = (errno.ENOSPC, errno.EIO)  # EDQUOT is another name for the first
# What a fault may come from. The others read, or cannot fail for want of room or by a bad disk in a way that matters.
CHANGING = ("make_directory", "create", "append", "write", "sync", "link", "rename", "unlink", "sync_directory")
N = TypeVar("N")


class Cut(NamedTuple, Generic[N]):
    """One moment: the files of the process that died there, and what it had been told by then."""

    at: int
    files: CrashFiles
    notes: N

    def remains(self) -> Iterator[CrashFiles]:
        """Yield what the next process may find: after power cuts, and (last, it shares the files) after a kill."""
        for seed in SEEDS:
            yield self.files.after(seed)
        yield self.files.killed()


def every_cut(
    make: Callable[[], CrashFiles], note: Callable[[], N], work: Callable[[CrashFiles, N], None]
) -> Iterator[Cut[N]]:
    """Yield the moment of each call that `work` makes on fresh files of `make`."""
    whole = make()
    work(whole, note())
    for at in range(1, len(whole.log) + 1):
        files, notes = make(), note()
        files.crash(at=at)
        with suppress(PowerCut):
            work(files, notes)
        assert files.cut, f"call {at} was not reached again: the work is not the same twice"
        yield Cut(at, files, notes)


def every_fault(log: list[str]) -> Iterator[Fault]:
    """Yield a fault for each call in `log` that changes something, with each error; passing and lasting ones."""
    for call in CHANGING:
        for nth in range(1, log.count(call) + 1):
            for number in FAULTS:
                yield Fault(call, nth, number, lasting=number != errno.EIO)

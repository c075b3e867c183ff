"""The right to write the index, passed between processes fairly.

SQLite lets one connection write at a time, and a loser of that race sleeps and tries again; under load one process can
starve another. So every process of ours takes this lock first, and SQLite never finds the database busy.

Two locks make a turnstile. Whoever wants to write holds `turn` while it waits for `write`, and a writer that comes back
must pass `turn` first: it cannot overtake the one who waits. The kernel drops both when a process dies.

All checkpoints happen under this lock too, because they happen inside commits and closes. (A checkpoint that runs
beside a writer is the one thing that could corrupt a database in SQLite before 3.51.3, "the WAL-reset bug".)
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

POLL_S: Final = 0.0005  # where the system cannot wake a waiter; a commit takes about as long


def wait_by_polling(attempt: Callable[[], bool], sleep: Callable[[float], None] = time.sleep) -> None:
    """Call `attempt` until it succeeds."""
    while not attempt():
        sleep(POLL_S)


if sys.platform == "win32":  # pragma: no cover  # its own runner's job; wait_by_polling is tested everywhere
    import msvcrt

    def _try(fd: int) -> bool:
        os.lseek(fd, 0, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _wait(fd: int) -> None:
        wait_by_polling(lambda: _try(fd))

    def _drop(fd: int) -> None:
        os.lseek(fd, 0, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try(fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _wait(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX)

    def _drop(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)


class WriterLock:
    """The turnstile. Not reentrant; one object serves one event loop or thread at a time."""

    def __init__(self, database: Path) -> None:
        """Open the two lock files beside `database`; they stay when it is closed, empty, for everybody."""
        self._turn = _open(database.with_name(f"{database.name}-turn"))
        self._write = _open(database.with_name(f"{database.name}-write"))

    def try_acquire(self) -> bool:
        """Take the lock if that needs no waiting."""
        if not _try(self._turn):
            return False
        try:
            return _try(self._write)
        finally:
            _drop(self._turn)

    def acquire(self) -> None:
        """Wait for the lock; blocks the calling thread."""
        _wait(self._turn)
        try:
            _wait(self._write)
        finally:
            _drop(self._turn)

    def release(self) -> None:
        """Let the next one write."""
        _drop(self._write)

    def close(self) -> None:
        """Drop everything."""
        os.close(self._turn)
        os.close(self._write)


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
    return os.open(path, flags, 0o600)

"""Waiting for a lock that stands for a file: held by a process, gone with it, whatever way it ends."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cybous3.disk.files import Files

_POLL_S: Final = 0.05
_FIRST_POLL_S: Final = 0.001


@contextmanager
def locked(
    files: Files,
    path: Path,
    wait_s: float,
    *,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Hold the lock of `path` against other holders, threads of this process included.

    TimeoutError when it was not to be had in `wait_s` seconds (0 asks once); OSError. The empty file stays: removing
    it would let two processes lock two files of one name. Asks again every millisecond at first, later every 50.
    """
    until, pause = monotonic() + wait_s, _FIRST_POLL_S
    while (held := files.try_lock(path)) is None:
        if monotonic() >= until:
            raise TimeoutError(f"{path}: held by another")
        sleep(pause)
        pause = min(_POLL_S, 2 * pause)
    try:
        yield
    finally:
        files.close(held)

"""The event loop of a server process, and the two signals that end it."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from types import FrameType
from typing import Any, Final, TypeVar

T = TypeVar("T")

INTERRUPTED: Final = 130
# A thread that comes back from the disk or a hash waits up to this long for the interpreter; Python's 5 ms are too long
# beside a request of 0.1 ms.
_SWITCH_INTERVAL_S: Final = 0.0005
_OTHER_FILES: Final = 128  # index, log, blobs being written


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` on uvloop where there is one, on asyncio elsewhere."""
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    raise_file_limit()
    factory = None
    with suppress(ImportError):  # there is none on Windows
        import uvloop  # noqa: PLC0415 - costs 20 ms, wanted only by who serves

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


def raise_file_limit() -> int | None:
    """Allow as many open files as the system lets this user have, and return how many; None: there is no such limit."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):  # macOS says unlimited and means less
        return soft
    return None if hard == resource.RLIM_INFINITY else hard


def connections_that_fit(wanted: int, files: int | None) -> int:
    """Return how many connections may be open when `files` files may be: each may read a blob."""
    return wanted if files is None else max(1, min(wanted, (files - _OTHER_FILES) // 2))


class Stop:
    """The wish to end. The first signal expresses it; the second does not wait for anybody."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def wish(self) -> None:
        """Begin the end."""
        self._event.set()

    async def wished(self) -> None:
        """Wait until somebody wishes it."""
        await self._event.wait()

    def on_signals(self) -> None:
        """Let SIGTERM and SIGINT (on Windows also Ctrl-Break) express the wish."""
        for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
            number = getattr(signal, name, None)
            if number is None:
                continue
            try:
                self._loop.add_signal_handler(number, self._signal)
            except NotImplementedError:  # Windows' loops do not know signals
                signal.signal(number, self._from_outside)

    def _from_outside(self, _number: int, _frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._signal)

    def _signal(self) -> None:
        if self._event.is_set():
            os._exit(INTERRUPTED)
        self._event.set()

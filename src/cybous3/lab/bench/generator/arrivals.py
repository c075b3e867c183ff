"""When the operations of an open loop are meant to start, and a clock that wakes up when it is time.

The schedule is fixed before the first answer comes and knows nothing of the server: that is what makes the loop open.
The clock matters because an event loop's own timers round to milliseconds, which would be most of a fast answer's time.
"""

import asyncio
import ctypes
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final, Literal, Protocol

Arrivals = Literal["poisson", "constant"]

_CLOCK_MONOTONIC: Final = 1
_ABSOLUTE: Final = 1
_NANO: Final = 1_000_000_000


def schedule(rate: float, arrivals: Arrivals, seed: int) -> Iterator[float]:
    """Yield the intended starts in seconds from the beginning, for ever; `rate` is their mean number a second."""
    if arrivals == "constant":
        number = 0
        while True:
            yield number / rate
            number += 1
    rng, at = random.Random(seed), 0.0  # noqa: S311  # a schedule, not a secret
    while True:
        yield at
        at += rng.expovariate(rate)


class Alarm(Protocol):
    """Calls back once at a time of the monotonic clock."""

    def set(self, when_s: float) -> None:
        """Wake up at `when_s`, or at once where that is past; an earlier wish is replaced."""
        ...

    def close(self) -> None:
        """Never wake up again."""
        ...


def make_alarm(loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> Alarm:
    """Return the finest alarm this system has."""
    return KernelAlarm(loop, ring) if sys.platform == "linux" else LoopAlarm(loop, ring)


class LoopAlarm:
    """The event loop's timer: rounds to about a millisecond."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop, self._ring = loop, ring
        self._handle: asyncio.TimerHandle | None = None

    def set(self, when_s: float) -> None:
        """Wake up then."""
        self.close()
        delay = when_s - time.monotonic()
        self._handle = self._loop.call_later(max(delay, 0.0), self._ring)

    def close(self) -> None:
        """Never wake up again."""
        if self._handle is not None:
            self._handle.cancel()


class _Spec(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("interval_s", "interval_ns", "value_s", "value_ns")]


class KernelAlarm:
    """A timerfd of the kernel: exact to some tens of microseconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop, self._ring = loop, ring
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        loop.add_reader(self._fd, self._rang)

    def set(self, when_s: float) -> None:
        """Wake up then."""
        when_ns = max(int(when_s * _NANO), 1)  # zero would switch it off
        spec = _Spec(0, 0, *divmod(when_ns, _NANO))
        if self._libc.timerfd_settime(self._fd, _ABSOLUTE, ctypes.byref(spec), None):
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def _rang(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return  # set anew between the kernel's wake-up and ours
        self._ring()

    def close(self) -> None:
        """Never wake up again."""
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

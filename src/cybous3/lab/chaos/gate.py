"""Where load and faults meet: operations are counted here as they begin, and one that a fault was placed before waits.

So a fault "at 200 operations" happens when exactly 200 have begun, however fast they go, and one "for 50 operations"
ends when exactly 50 more have. A load of a given number of operations has its count and its end; one of a given time
ends with it.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Gate:
    """Counts operations; for many threads. `clock` is monotonic, in seconds."""

    clock: Callable[[], float] = time.monotonic
    rate: float | None = None
    begun: int = 0
    _marks: Counter[int] = field(default_factory=Counter)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _stopped: bool = False
    _start: float | None = None

    def place(self, number: int) -> None:
        """Let nobody begin operation `number` (counted from 0) until `lift` was called as often as `place` for it."""
        with self._changed:
            self._marks[number] += 1

    def place_ahead(self, count: int) -> int:
        """Place a mark so many operations from now, and return its number."""
        with self._changed:
            number = self.begun + count
            self._marks[number] += 1
        return number

    def lift(self, number: int) -> None:
        """Let operations go on beyond a mark, as far as this one holds them."""
        with self._changed:
            self._marks[number] -= 1
            if not self._marks[number]:
                del self._marks[number]
            self._changed.notify_all()

    def stop(self) -> None:
        """Let nobody begin anything any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than the load lasts."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped, seconds)

    @property
    def stopped(self) -> bool:
        """Whether the load was told to end."""
        return self._stopped

    def enter(self) -> int | None:
        """Begin an operation: wait for its turn and return its number, or None when the load is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or not self._held())
            if self._stopped:
                return None
            number, self.begun = self.begun, self.begun + 1
            self._changed.notify_all()
        self._pace(number)
        return number

    def wait_for(self, count: int, within_s: float) -> bool:
        """Wait until `count` operations have begun, or the load is over; tell whether they have."""
        with self._changed:
            self._changed.wait_for(lambda: self.begun >= count or self._stopped, within_s)
            return self.begun >= count

    def _held(self) -> bool:
        return any(self.begun >= mark for mark in self._marks)

    def _pace(self, number: int) -> None:
        """Wait until this operation is due; a load of a rate does not catch up in a burst."""
        if self.rate is None:
            return
        now = self.clock()
        if self._start is None:
            self._start = now
        early = self._start + number / self.rate - now
        if early > 0:
            time.sleep(early)

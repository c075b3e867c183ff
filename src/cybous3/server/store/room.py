"""Whether there is room for a write: refused while deletes, checkpoints and a restart still have what they need.

Measuring costs microseconds on a local disk and may cost more on others, so an answer is good for `FRESH_S` or
`FRESH_BYTES` of writes; a refusal is never given from an old one. Several processes over one disk may together pass
the line by what each wrote meanwhile: the reserve is large enough for that.
"""

import time
from collections.abc import Callable
from typing import Final

from cybous3.core.clock import Clock
from cybous3.server.meta.space import Space
from cybous3.server.wire.errors import S3Error

FRESH_S: Final = 1.0
FRESH_BYTES: Final = 1024 * 1024
RECORD_BYTES: Final = 8 * 1024  # what a record adds to the index, generously: its row, its name's index, split pages
SPARE_MIN: Final = 256 * 1024  # of the index's free pages, left to deletes

Measure = Callable[[], Space | None]


def _nothing_spare() -> int:
    return 0


class Room:
    """The room that is left on one disk for blobs and index."""

    def __init__(
        self, measure: Measure, spare: Callable[[], int] = _nothing_spare, clock: Clock = time.monotonic
    ) -> None:
        """`spare` tells how many bytes the index can take in without growing: deleted rows leave them."""
        self._measure = measure
        self._spare = spare
        self._clock = clock
        self._until = -1.0
        self._taken = 0  # since measured
        self._left: int | None = None  # for blobs and index, when measured; None: unknown, so nothing is refused
        self._indexable = 0  # for the index alone, when measured

    def check(self, count: int, *, indexed: bool = False) -> None:
        """Refuse `count` bytes more (`indexed`: of the index alone) if there is no room. InsufficientStorage."""
        if self._clock() >= self._until or self._taken >= FRESH_BYTES:
            self._look()
        if self._fits(count, indexed=indexed):
            return
        self._look()
        if not self._fits(count, indexed=indexed):
            raise S3Error("InsufficientStorage")

    def take(self, count: int, *, indexed: bool = False) -> None:
        """Check, and note that the bytes are about to be written. InsufficientStorage."""
        self.check(count, indexed=indexed)
        self._taken += count

    def _look(self) -> None:
        space = self._measure()
        self._until, self._taken = self._clock() + FRESH_S, 0
        self._left = None if space is None else space.free - space.reserve
        self._indexable = 0 if self._left is None else self._spare() - SPARE_MIN

    def _fits(self, count: int, *, indexed: bool) -> bool:
        if self._left is None:
            return True
        left = max(self._left, self._indexable) if indexed else self._left
        return self._taken + count <= left


def unbounded() -> Room:
    """Return a room that refuses nothing."""
    return Room(lambda: None)

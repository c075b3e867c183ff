"""What objects contain: bytes that cost nothing to make, nothing to send and next to nothing to check.

One block of random bytes, drawn from the seed, is repeated for ever; an object is a window of that repetition, and
where its window begins follows from its key and its size. So the expected bytes of every answer are known without
keeping any, a comparison is one memcmp against the block, and two objects that were swapped, or pieces of one object
that changed places, are noticed.
"""

import random
import zlib
from typing import Final

PERIOD: Final = 1_048_583
"""The block's length in bytes: a prime, so that no piece of an object of a usual size equals the one beside it."""


class Contents:
    """The contents of one seed. Windows begin anywhere; `piece` and `holds` take at most PERIOD bytes at once."""

    def __init__(self, seed: int) -> None:
        block = random.Random(seed).randbytes(PERIOD)  # noqa: S311  # contents, not secrets
        self._twice = block + block  # every window of up to PERIOD bytes lies in one piece
        self._view = memoryview(self._twice)
        self._seed = seed

    def start(self, key: str, size: int) -> int:
        """Return where the window of this object begins."""
        return zlib.crc32(f"{self._seed}/{size}/{key}".encode()) % PERIOD

    def piece(self, start: int, offset: int, length: int) -> memoryview:
        """Return `length` bytes at `offset` of the object whose window begins at `start`, without copying."""
        at = (start + offset) % PERIOD
        return self._view[at : at + length]

    def pieces(self, start: int, offset: int, length: int, step: int = PERIOD) -> list[memoryview]:
        """Return a longer stretch as pieces of at most `step` bytes."""
        return [self.piece(start, offset + done, min(step, length - done)) for done in range(0, length, step)]

    def holds(self, start: int, offset: int, data: bytes | bytearray | memoryview) -> bool:
        """Tell whether `data` are the object's bytes at `offset`: one comparison, no copy."""
        return self._twice.startswith(data, (start + offset) % PERIOD)

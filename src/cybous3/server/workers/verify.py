"""Reading one blob to see whether it is whole, at a pace: what scrubbing, checking and restoring have in common."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from cybous3.core.clock import Clock
from cybous3.server.blobs.port import DamagedBlobError, Labelled, ReadableBlobs

Sleep = Callable[[float], Awaitable[None]]

_SLACK_S: Final = 0.02  # shorter waits are gathered


class Pace:
    """Holds reading to so many bytes a second on average, so that requests keep the disk to themselves."""

    def __init__(
        self, bytes_per_s: float | None, *, clock: Clock = time.monotonic, sleep: Sleep = asyncio.sleep
    ) -> None:
        """None: as fast as it goes."""
        self._rate = bytes_per_s
        self._clock = clock
        self._sleep = sleep
        self._due = clock()

    async def took(self, count: int) -> None:
        """Wait until `count` bytes more are within the rate. Time not used is not saved up."""
        if self._rate is None:
            return
        now = self._clock()
        self._due = max(self._due, now) + count / self._rate
        if self._due - now > _SLACK_S:
            await self._sleep(self._due - now)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What reading a blob came to: what it says of itself, or why it is not whole."""

    labelled: Labelled | None
    reason: str = ""


async def verdict_on(blobs: ReadableBlobs, blob: str, pace: Pace, length: int | None = None) -> Verdict:
    """Read and verify all of a blob; `length` is what the index knows of it. OSError when it cannot be said."""
    try:
        labelled = await blobs.label(blob)
        if length is not None and labelled.length != length:
            return Verdict(None, f"{labelled.length} bytes instead of {length}")
        await _read(blobs, blob, pace)
    except FileNotFoundError:
        return Verdict(None, "missing")
    except DamagedBlobError as error:
        return Verdict(None, error.reason)
    return Verdict(labelled)


async def _read(blobs: ReadableBlobs, blob: str, pace: Pace) -> None:
    reader = await blobs.open(blob)
    try:
        async for piece in reader.read(0, reader.length):
            await pace.took(len(piece))
    finally:
        await reader.aclose()

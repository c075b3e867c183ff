"""Deletes the blobs that nothing refers to any more. Sleeps until it is woken: an idle server does nothing.

A blob entered the queue in the transaction that took its last reference away, and ids are never used again, so deleting
what is in the queue is always safe for the index. Readers that have it open keep their bytes. One that read the record
a moment ago and is about to open the blob is why a blob lies in the queue for `grace_s` before it is deleted.

Several processes may reap one queue: deleting twice is harmless.
"""

import asyncio
from typing import Final

from cybous3.server.blobs.port import Blobs
from cybous3.server.meta.port import Garbage

BATCH: Final = 256
GRACE_S: Final = 5.0
GATHER_S: Final = 0.25  # every write may wake the reaper; that many of them are worth one look at the queue


class Reaper:
    """Reaps one queue."""

    def __init__(self, garbage: Garbage, blobs: Blobs, *, grace_s: float = GRACE_S, gather_s: float = GATHER_S) -> None:
        self._garbage = garbage
        self._blobs = blobs
        self._grace_s = grace_s
        self._gather_s = gather_s

    async def run(self, wake: asyncio.Event) -> None:
        """Reap whenever `wake` is set (and once at the beginning), until cancelled. OSError when index or disk fail."""
        while True:
            wake.clear()
            while await self.run_once():
                pass
            await wake.wait()
            await asyncio.sleep(self._gather_s)

    async def run_once(self) -> int:
        """Delete one batch that lay in the queue for the grace period, and return how many went."""
        due = await self._garbage.due(BATCH)
        if not due:
            return 0
        await asyncio.sleep(self._grace_s)
        gone = await self._blobs.delete(due)
        if gone:
            await self._garbage.done(gone)
        return len(gone)

"""Makes durable what relaxed buckets acknowledged before it was: within a second of the acknowledgement.

Woken when something was committed without a sync, it gathers for half a second, so that many writes share the syncs:
first the bytes of the blobs that wait, then one synced commit of the index, which makes all earlier ones durable too.
Only then do the marks of these blobs go, so that a power cut at any point leaves what is in doubt to be found.

A sync that failed is never repeated: the kernel has dropped the dirty mark, so a later success would say nothing. Its
blobs stay listed as unsynced; the next start reads them from the medium and judges them.
"""

import asyncio
import errno
import time
from collections.abc import Sequence
from typing import Final

import structlog

from cybous3.server.blobs.port import Blobs
from cybous3.server.meta.port import Unsynced
from cybous3.server.store.commits import Commits

BATCH: Final = 256
GATHER_S: Final = 0.5

_log = structlog.get_logger("cybous3.workers")


class Syncer:
    """Syncs for one store. Several processes may do it for one index: syncing twice is harmless."""

    def __init__(self, unsynced: Unsynced, blobs: Blobs, commits: Commits, *, gather_s: float = GATHER_S) -> None:
        self._unsynced = unsynced
        self._blobs = blobs
        self._commits = commits
        self._gather_s = gather_s
        self._failed = commits.lost
        self._owing = False  # woken, and not done yet

    async def run(self, wake: asyncio.Event) -> None:
        """Sync whenever `wake` is set, until cancelled. OSError when the index cannot be written."""
        while True:
            await wake.wait()
            self._owing = True
            await asyncio.sleep(self._gather_s)
            wake.clear()
            await self.run_once()
            self._owing = False

    async def run_once(self) -> int:
        """Make durable what was acknowledged before this call, and return how many blobs that took."""
        settled = self._commits.taken_unsettled()
        total = 0
        while waiting := await self._waiting():
            synced = await self.sync(waiting)
            await self._unsynced.done(synced)
            total += len(synced)
        await self._unsynced.done([])
        await self._blobs.settle([blob for blob in settled if blob not in self._failed])
        self._commits.counts.relaxed_syncs += 1
        self._commits.counts.late_writes += total
        return total

    async def finish(self) -> None:
        """Make durable what still waits at an orderly end, if anything does. OSError."""
        if self._owing or self._commits.unsynced_made.is_set():
            await self.run_once()

    async def _waiting(self) -> list[str]:
        pending = await self._unsynced.pending(BATCH + len(self._failed))
        return [blob for blob in pending if blob not in self._failed]

    async def sync(self, blobs: Sequence[str]) -> Sequence[str]:
        """Make blobs durable and return those whose wait is over: synced, or deleted meanwhile."""
        began = time.perf_counter()
        try:
            await self._blobs.sync(blobs)
        except FileNotFoundError:
            return [blob for blob in blobs if await self._sync_one(blob)]
        except OSError as error:
            self._failing(blobs, error)
            return []
        if blobs:
            self._commits.on_sync("relaxed", time.perf_counter() - began)
        return blobs

    async def _sync_one(self, blob: str) -> bool:
        try:
            await self._blobs.sync([blob])
        except FileNotFoundError:
            return True  # its object was overwritten or deleted, and the reaper has been there
        except OSError as error:
            self._failing([blob], error)
            return False
        return True

    def _failing(self, blobs: Sequence[str], error: OSError) -> None:
        self._failed.update(blobs)
        self._commits.counts.sync_failures += 1
        name = errno.errorcode.get(error.errno or 0, "")
        _log.error("acknowledged bytes could not be made durable", blobs=list(blobs), error=str(error), errno=name)

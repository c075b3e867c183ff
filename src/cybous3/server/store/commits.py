"""The last stretch of a write: from bytes that were proven to a record in the index, carried through once begun.

What it keeps true: a blob is published, in the mode of its bucket, before the index refers to it, and what a synced
commit refers to was synced before, although it may have been written when the bucket promised less; a write whose bytes
or whose sync failed is never acknowledged and its blob is withdrawn; the mark of a blob goes only when a power cut
cannot take the record that refers to it any more, so a start finds whatever is in doubt.
"""

import asyncio
import errno
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from cybous3.server.blobs.port import Blobs, BlobWriter
from cybous3.server.meta.port import Index
from cybous3.server.model.buckets import Durability
from cybous3.server.store.ingest import REFUSALS, forget, in_s3_words
from cybous3.server.wire.errors import S3Error

_log = structlog.get_logger("cybous3.store")


@dataclass(slots=True)
class Counts:
    """What a store has met with since it was opened; for the metrics."""

    damage_found: int = 0  # objects whose stored bytes or index entry were found damaged by a request
    sync_failures: int = 0  # syncs of bytes that the medium refused
    relaxed_syncs: int = 0  # groups of relaxed writes that were made durable
    late_writes: int = 0  # relaxed writes made durable by them


def _untold(_mode: Durability, _seconds: float) -> None:
    """Tell nobody."""


class Commits:
    """The commits of one store."""

    def __init__(self, index: Index, blobs: Blobs) -> None:
        self._index = index
        self._blobs = blobs
        self._under_way: set[asyncio.Task[None]] = set()
        self._to_settle: list[str] = []  # published, referred to, and not yet durable
        self.lost: Final[set[str]] = set()  # blobs whose late sync failed: no later one says anything about them
        self.counts: Final = Counts()
        self.on_sync: Callable[[Durability, float], None] = _untold  # the mode it was for, and the seconds it took
        self.garbage_made: Final = asyncio.Event()  # set when blobs may have become garbage; wakes the reaper
        self.unsynced_made: Final = asyncio.Event()  # set when something is acknowledged and not durable

    async def refer(self, change: Awaitable[Any]) -> Any:  # noqa: ANN401  # what the change returns
        """Await a change of the index that has no blob: it carries it through itself, or never begins it."""
        with in_s3_words():
            result = await change
        self.made()
        return result

    async def with_blob(
        self,
        writer: BlobWriter,
        label: bytes,
        bucket: str,
        refer: Callable[[], Awaitable[None]],
        kept: Sequence[str] = (),
    ) -> None:
        """Publish the blob and let the index refer to it. The writer is ours from here on, also when this fails.

        `kept` are blobs published earlier that it refers to as well: the bucket may have promised less at that time.
        """
        await self._to_the_end(self._finish(writer, label, bucket, refer, kept))
        self.made()

    def made(self) -> None:
        """Wake who cleans up and who syncs, if there may be something for them."""
        self.garbage_made.set()
        if self._index.unsynced.waiting():
            self.unsynced_made.set()

    def later(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run work that nobody waits for; closing the store does."""
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._done)
        return task

    def taken_unsettled(self) -> list[str]:
        """Return the blobs whose marks may go once all that is unsynced now is durable, and forget them here."""
        taken, self._to_settle = self._to_settle, []
        return taken

    async def aclose(self) -> None:
        """Wait for what is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _finish(
        self,
        writer: BlobWriter,
        label: bytes,
        bucket: str,
        refer: Callable[[], Awaitable[None]],
        kept: Sequence[str],
    ) -> None:
        try:
            mode = (await self._index.buckets.get(bucket)).durability
            await self._publish(writer, label, mode)
            if mode == "strict":
                await self._sync_late(kept)
        except (OSError, S3Error, ValueError):
            await forget(writer)
            raise
        try:
            await refer()
        except S3Error:
            await forget(writer)
            raise
        # Any other failure of the index leaves open whether it refers to the blob after a crash: the blob and its
        # mark stay, and the next start asks.
        if mode == "strict":
            self.later(self._blobs.settle([writer.id]))
            return
        self._to_settle.append(writer.id)
        if (await self._index.buckets.get(bucket)).durability == "strict":
            # Made strict between our publishing and our commit: the answer now promises what the bucket does.
            await self._synced(self._blobs.sync([writer.id]))
            await self._sync_late(kept)

    async def _sync_late(self, blobs: Sequence[str]) -> None:
        """Make durable what of `blobs` nobody has synced yet. OSError: it cannot be."""
        waiting = await self._index.unsynced.among(blobs)
        if not waiting:
            return
        if not self.lost.isdisjoint(waiting):
            raise OSError(errno.EIO, "bytes that were written before could not be made durable")
        try:
            await self._synced(self._sync_present(waiting))
        except OSError as error:
            if error.errno not in REFUSALS:
                self.lost.update(waiting)
            raise

    async def _sync_present(self, blobs: Sequence[str]) -> None:
        """Sync those that are there. One that the reaper was quicker with is not referred to any more.

        So the commit will refuse, in S3's words.
        """
        try:
            await self._blobs.sync(blobs)
        except FileNotFoundError:
            if len(blobs) > 1:
                for blob in blobs:
                    await self._sync_present([blob])

    async def _publish(self, writer: BlobWriter, label: bytes, mode: Durability) -> None:
        if mode == "strict":
            began = time.perf_counter()
            await self._synced(writer.publish(label))
            self.on_sync(mode, time.perf_counter() - began)
        else:
            await writer.publish(label, sync=False)

    async def _synced(self, work: Awaitable[None]) -> None:
        """Await a sync. One that failed is counted and logged, and never repeated."""
        try:
            await work
        except OSError as error:
            if error.errno in REFUSALS:
                raise  # no room, no descriptors: nothing was lost on the way to the medium
            self.counts.sync_failures += 1
            _log.error("bytes could not be made durable; the write fails", error=str(error))
            raise

    async def _to_the_end(self, work: Coroutine[Any, Any, None]) -> None:
        """Await work that a cancelled request must not stop half way."""

        async def run() -> None:
            with in_s3_words():
                await work

        await asyncio.shield(self.later(run()))

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # seen: whoever waited has got it, and nobody else needs a warning

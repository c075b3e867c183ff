"""Blobs as local files of format 1: written aside, synced, then named by a second link.

Publishing: the bytes are synced, the file gets its name among the published, that directory is synced. The name it was
written under stays until `settle`, so after a crash `incoming` holds exactly what was under way; `recover` asks the
index about each and looks at nothing else. Where the file system has no hard links, a mark file stands for the second
name.

Each process writes in a slot of its own and holds its lock. Slots whose process is gone are recovered by whoever starts
next.
"""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from cybous3.core.clock import Entropy
from cybous3.core.ids import blob_id
from cybous3.disk.files import Files, SystemFiles
from cybous3.server.blobs.local.layout import FAN_OUT, LOCK, Layout
from cybous3.server.blobs.local.publish import Publisher
from cybous3.server.blobs.local.published import PublishedBlobs
from cybous3.server.blobs.local.recovery import recover_slot
from cybous3.server.blobs.local.writer import LocalWriter
from cybous3.server.blobs.port import Recovered


class SlotTakenError(OSError):
    """Another living process writes in this slot."""


class LocalBlobs(PublishedBlobs):
    """`Blobs` of the port, in the directory `root`: the reading half, and the writing one in a slot."""

    def __init__(self, root: Path, slot: str, entropy: Entropy, *, files: Files | None = None) -> None:
        """Make the directories that are missing and take the slot. SlotTakenError, OSError."""
        files = files or SystemFiles()
        super().__init__(root, slot, files=files)
        self._entropy = entropy
        _prepare(files, self._layout)
        lock = files.try_lock(self._layout.lock(slot))
        if lock is None:
            raise SlotTakenError(f"the slot {slot!r} of {root} is in use")
        self._lock: int | None = lock
        self._publisher = Publisher(files, self._layout)

    async def create(self, size_hint: int | None = None) -> LocalWriter:  # noqa: ARG002  # the port's; files grow as they come
        """See the port."""
        blob = blob_id(self._entropy)
        fd = await self._run(self._files.create, self._layout.writing(blob))
        return LocalWriter(blob, fd, self._files, self._publisher, self._threads)

    async def settle(self, blobs: Sequence[str]) -> None:
        """See the port."""
        await self._run(self._publisher.settle, blobs)

    async def sync(self, blobs: Sequence[str]) -> None:
        """See the port."""
        await self._run(self._publisher.sync, blobs)

    async def delete(self, blobs: Sequence[str]) -> Sequence[str]:
        """See the port. Windows keeps a file whose name goes away while it is open: it waits for the next time."""
        return await self._run(self._publisher.remove, blobs)

    async def recover(self, referenced: Callable[[Sequence[str]], Awaitable[frozenset[str]]]) -> Recovered:
        """See the port. Also cleans the slots of processes that are gone."""
        total = await recover_slot(self._files, self._layout, self._layout.slot, referenced)
        for name in self._files.names(self._layout.incoming):
            if name.endswith(LOCK) or name == self._layout.slot:
                continue
            lock = self._files.try_lock(self._layout.lock(name))
            if lock is None:
                continue
            try:
                found = await recover_slot(self._files, self._layout, name, referenced)
            finally:
                self._files.close(lock)
            total = Recovered(
                total.unfinished + found.unfinished, total.orphans + found.orphans, total.settled + found.settled
            )
        return total

    async def probe(self) -> None:
        """See the port."""
        writer = await self.create()
        try:
            await writer.write(self._entropy(16))
            await writer.publish()
            await self.check(writer.id)
        finally:
            await writer.discard()

    async def aclose(self) -> None:
        """Wait for what is under way and give the slot back. May be called twice."""
        await super().aclose()
        if self._lock is not None:
            self._files.close(self._lock)
            self._lock = None


def _prepare(files: Files, layout: Layout) -> None:
    """Make the directories, and their names durable before anything in them can be.

    Those that are there are synced too: whoever made them may have died before he did.
    """
    for directory in (layout.incoming, layout.incoming / layout.slot, layout.blobs):
        files.make_directory(directory)
    for name in sorted(set(FAN_OUT).difference(files.names(layout.blobs))):
        files.make_directory(layout.blobs / name)
    for directory in (layout.blobs, layout.incoming):
        files.sync_directory(directory)
    files.sync_directory(layout.blobs.parent)

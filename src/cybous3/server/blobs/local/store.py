"""Blobs as local files of format 1: written aside, synced, then named by a second link.

Publishing: the bytes are synced, the file gets its name among the published, that directory is synced. The name it was
written under stays until `settle`, so after a crash `incoming` holds exactly what was under way; `recover` asks the
index about each and looks at nothing else. Where the file system has no hard links, a mark file stands for the second
name.

Each process writes in a slot of its own and holds its lock. Slots whose process is gone are recovered by whoever starts
next.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from cybous3.core.clock import Entropy
from cybous3.core.ids import blob_id, is_hex_id
from cybous3.disk.files import Files, SystemFiles
from cybous3.server.blobs.local.layout import FAN_OUT, LOCK, Layout
from cybous3.server.blobs.local.publish import Publisher
from cybous3.server.blobs.local.reader import LocalReader
from cybous3.server.blobs.local.reading import reading_of
from cybous3.server.blobs.local.recovery import recover_slot
from cybous3.server.blobs.local.verified import VerifiedFile
from cybous3.server.blobs.local.writer import LocalWriter
from cybous3.server.blobs.port import Labelled, Recovered

A = ParamSpec("A")
T = TypeVar("T")

THREADS: Final = 8  # writes and syncs that wait for the disk at once


class SlotTakenError(OSError):
    """Another living process writes in this slot."""


class LocalBlobs:
    """`Blobs` of the port, in the directory `root`. Opening a blob happens on the calling thread.

    All else in threads.
    """

    def __init__(self, root: Path, slot: str, entropy: Entropy, *, files: Files | None = None) -> None:
        """Make the directories that are missing and take the slot. SlotTakenError, OSError."""
        self._files = files or SystemFiles()
        self._layout = Layout(root, slot)
        self._entropy = entropy
        _prepare(self._files, self._layout)
        lock = self._files.try_lock(self._layout.lock(slot))
        if lock is None:
            raise SlotTakenError(f"the slot {slot!r} of {root} is in use")
        self._lock: int | None = lock
        self._publisher = Publisher(self._files, self._layout)
        self._reading = reading_of(self._files)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="blobs")

    async def create(self, size_hint: int | None = None) -> LocalWriter:  # noqa: ARG002  # the port's; files grow as they come
        """See the port."""
        blob = blob_id(self._entropy)
        fd = await self._run(self._files.create, self._layout.writing(blob))
        return LocalWriter(blob, fd, self._files, self._publisher, self._threads)

    async def settle(self, blobs: Sequence[str]) -> None:
        """See the port."""
        await self._run(self._publisher.settle, blobs)

    async def open(self, blob: str) -> LocalReader:
        """See the port."""
        fd = self._files.open(self._layout.published(blob))
        try:
            file = VerifiedFile(blob, fd, self._files.size(fd), self._reading)
            reader = LocalReader(file, self._files, self._threads)
        except BaseException:
            self._files.close(fd)
            raise
        try:
            await reader.begin()
        except BaseException:
            await reader.aclose()
            raise
        return reader

    async def sync(self, blobs: Sequence[str]) -> None:
        """See the port."""
        await self._run(self._publisher.sync, blobs)

    async def check(self, blob: str) -> Labelled:
        """See the port. Other work gets its turn after each MiB."""
        async with self._opened(blob) as reader:
            await reader.check()
            return await reader.stated()

    async def label(self, blob: str) -> Labelled:
        """See the port."""
        async with self._opened(blob) as reader:
            return await reader.stated()

    async def walk(self, after: str = "") -> AsyncIterator[str]:
        """See the port. Holds the names of one of 256 directories at a time."""
        for name in FAN_OUT:
            if name < after[:2]:
                continue
            names = await self._run(self._files.names, self._layout.blobs / name)
            for blob in _ids(names, after):
                yield blob

    def path(self, blob: str) -> Path:
        """Return where a published blob's file is, for whoever takes a copy of it as it is."""
        return self._layout.published(blob)

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
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)
        if self._lock is not None:
            self._files.close(self._lock)
            self._lock = None

    @asynccontextmanager
    async def _opened(self, blob: str) -> AsyncIterator[LocalReader]:
        reader = await self.open(blob)
        try:
            yield reader
        finally:
            await reader.aclose()

    async def _run(self, work: Callable[A, T], *args: A.args, **kwargs: A.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: work(*args, **kwargs))


def _ids(names: Iterable[str], after: str) -> list[str]:
    """Return the blobs among the names of a directory, ascending. A name that is none of ours is passed over."""
    return sorted(name for name in names if is_hex_id(name) and name > after)


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

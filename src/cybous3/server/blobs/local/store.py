"""Blobs as local files: written aside, synced, then named by a second link.

Publishing: the bytes are synced, the file gets its name among the published, that directory is synced. The name it was
written under stays until `settle`, so after a crash `incoming` holds exactly what was under way; `recover` asks the
index about each and looks at nothing else. Where the file system has no hard links, a mark file stands for the second
name.

Each process writes in a slot of its own and holds its lock. Slots whose process is gone are recovered by whoever starts
next.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from cybous3.core.clock import Entropy
from cybous3.core.ids import blob_id
from cybous3.disk.files import Files, SystemFiles
from cybous3.server.blobs.local.layout import FAN_OUT, LOCK, Layout
from cybous3.server.blobs.local.publish import Publisher
from cybous3.server.blobs.local.recovery import recover_slot
from cybous3.server.blobs.port import Recovered
from cybous3.server.wire.message import FileSpan

A = ParamSpec("A")
T = TypeVar("T")

PIECE_MAX: Final = 256 * 1024  # bytes read at a time: each answer that cannot use sendfile holds a few of them
# Bytes that are written before the medium is asked to begin with them. Less keeps the disk's queue fuller than it need
# be, more leaves more to the end.
WRITE_BACK: Final = 4 * 1024 * 1024
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
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="blobs")

    async def create(self, size_hint: int | None = None) -> "LocalWriter":  # noqa: ARG002  # the port's; files grow as they come
        """See the port."""
        blob = blob_id(self._entropy)
        fd = await self._run(self._files.create, self._layout.writing(blob))
        return LocalWriter(blob, fd, self._files, self._publisher, self._threads)

    async def settle(self, blobs: Sequence[str]) -> None:
        """See the port."""
        await self._run(self._publisher.settle, blobs)

    async def open(self, blob: str) -> "LocalReader":
        """See the port."""
        fd = self._files.open(self._layout.published(blob))
        try:
            return LocalReader(fd, self._files.size(fd), self._files, self._threads)
        except BaseException:
            self._files.close(fd)
            raise

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
        token = self._entropy(16)
        writer = await self.create()
        try:
            await writer.write(token)
            await writer.publish()
            reader = await self.open(writer.id)
            try:
                read = b"".join([piece async for piece in reader.read(0, reader.length)])
            finally:
                await reader.aclose()
            if read != token:
                raise OSError(f"wrote {token.hex()}, read {read.hex()}")
        finally:
            await writer.discard()

    async def aclose(self) -> None:
        """Wait for what is under way and give the slot back. May be called twice."""
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)
        if self._lock is not None:
            self._files.close(self._lock)
            self._lock = None

    async def _run(self, work: Callable[A, T], *args: A.args, **kwargs: A.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: work(*args, **kwargs))


class LocalWriter:
    """`BlobWriter` of the port. At most one call at a time.

    `discard` waits for the one under way, even if its caller left.
    """

    def __init__(self, blob: str, fd: int, files: Files, publisher: Publisher, threads: ThreadPoolExecutor) -> None:
        self.id: Final = blob
        self._fd: int | None = fd
        self._files = files
        self._publisher = publisher
        self._threads = threads
        self._busy: asyncio.Future[None] | None = None
        self._written = 0  # bytes
        self._begun = 0  # bytes that the medium was asked to begin with
        self._discarded = False

    async def write(self, *pieces: bytes) -> None:
        """See the port."""
        fd = self._open_fd()
        await self._alone(lambda: self._append(fd, pieces))

    async def publish(self) -> None:
        """See the port."""
        fd = self._open_fd()
        self._fd = None

        def work() -> None:
            try:
                self._files.sync(fd)
            finally:
                self._files.close(fd)
            self._publisher.publish(self.id)

        await self._alone(work)

    async def discard(self) -> None:
        """See the port."""
        if self._busy is not None:
            await asyncio.wait([self._busy])
        if self._discarded:
            return
        self._discarded = True
        fd, self._fd = self._fd, None

        def work() -> None:
            if fd is not None:
                self._files.close(fd)
            self._publisher.withdraw(self.id)

        await self._alone(work)

    def _append(self, fd: int, pieces: Sequence[bytes]) -> None:
        """Write, and let the medium begin with what came together, so that the sync at the end has little to wait for.

        Runs in a thread.
        """
        for piece in pieces:
            self._files.write(fd, piece)
            self._written += len(piece)
        if self._written - self._begun >= WRITE_BACK:
            self._files.begin_sync(fd, self._begun, self._written - self._begun)
            self._begun = self._written

    async def _alone(self, work: Callable[[], None]) -> None:
        """Run in a thread, to the end.

        A caller that is cancelled must not close a file under a thread that writes it.
        """
        self._busy = asyncio.get_running_loop().run_in_executor(self._threads, work)
        await asyncio.shield(self._busy)

    def _open_fd(self) -> int:
        if self._fd is None:
            raise ValueError(f"the blob {self.id} is no longer being written")
        return self._fd


class LocalReader:
    """`BlobReader` of the port."""

    def __init__(self, fd: int, length: int, files: Files, threads: ThreadPoolExecutor) -> None:
        self.length: Final = length
        self._fd: int | None = fd
        self._files = files
        self._threads = threads
        self._reads: set[asyncio.Future[bytes]] = set()

    def span(self, offset: int, length: int) -> FileSpan | None:
        """See the port."""
        fd = self._open_fd()
        if offset + length > self.length:
            raise _short(self.length, offset, length)
        return FileSpan(fd, offset, length)

    async def read(self, offset: int, length: int) -> AsyncIterator[bytes]:
        """See the port."""
        end = offset + length
        while offset < end:
            piece = await self._piece(min(PIECE_MAX, end - offset), offset)
            if not piece:
                raise _short(self.length, offset, length)
            offset += len(piece)
            yield piece

    async def aclose(self) -> None:
        """Close the file; a read under way ends first."""
        fd, self._fd = self._fd, None
        if fd is None:
            return
        if self._reads:
            await asyncio.wait(self._reads)
        self._files.close(fd)

    async def _piece(self, length: int, offset: int) -> bytes:
        fd = self._open_fd()
        future = asyncio.get_running_loop().run_in_executor(self._threads, self._files.read, fd, length, offset)
        self._reads.add(future)
        future.add_done_callback(self._reads.discard)
        return await asyncio.shield(future)

    def _open_fd(self) -> int:
        if self._fd is None:
            raise ValueError("the blob was closed")
        return self._fd


def _short(size: int, offset: int, length: int) -> OSError:
    return OSError(f"a blob of {size} bytes was asked for {length} from {offset}")


def _prepare(files: Files, layout: Layout) -> None:
    """Make the directories, and their names durable before anything in them can be."""
    for directory in (layout.incoming, layout.incoming / layout.slot, layout.blobs):
        files.make_directory(directory)
    if not files.exists(layout.blobs / FAN_OUT[-1]):
        for name in FAN_OUT:
            files.make_directory(layout.blobs / name)
        files.sync_directory(layout.blobs)
    files.sync_directory(layout.incoming)
    files.sync_directory(layout.blobs.parent)

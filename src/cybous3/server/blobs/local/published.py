"""Published blobs, to be read and nothing else: no slot is taken and nothing is made, so a read-only medium will do."""

import asyncio
import errno
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from cybous3.core.ids import is_hex_id
from cybous3.disk.files import Files, SystemFiles
from cybous3.server.blobs.local.layout import FAN_OUT, Layout
from cybous3.server.blobs.local.reader import LocalReader
from cybous3.server.blobs.local.reading import reading_of
from cybous3.server.blobs.local.verified import VerifiedFile
from cybous3.server.blobs.port import DamagedBlobError, Labelled

A = ParamSpec("A")
T = TypeVar("T")

# What a link, a socket or a device without a driver answers to being opened as the file it is not.
_NO_FILE: Final = frozenset({errno.ELOOP, errno.ENXIO, errno.ENODEV, errno.EMLINK})

THREADS: Final = 8  # calls that wait for the disk at once


class PublishedBlobs:
    """The reading half of `Blobs` of the port, in the directory `root`. Opening a blob happens on the calling thread.

    All else in threads.
    """

    def __init__(self, root: Path, slot: str = "", *, files: Files | None = None) -> None:
        """`slot` is for who writes."""
        self._files = files or SystemFiles()
        self._layout = Layout(root, slot)
        self._reading = reading_of(self._files)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="blobs")

    async def open(self, blob: str) -> LocalReader:
        """See the port."""
        try:
            fd = self._files.open(self._layout.published(blob))
        except OSError as error:
            if error.errno not in _NO_FILE:
                raise
            raise DamagedBlobError(blob, "something else stands in its place") from error
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

    async def aclose(self) -> None:
        """Wait for what is under way. May be called twice."""
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)

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

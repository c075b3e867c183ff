"""A blob in the making: bytes appended and checked in threads, then its end, its sync and its name."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from cybous3.disk.files import Files
from cybous3.server.blobs.local.format import Checks
from cybous3.server.blobs.local.publish import SYNC_LATER, Publisher

# Bytes that are written before the medium is asked to begin with them. Less keeps the disk's queue fuller than it need
# be, more leaves more to the end.
WRITE_BACK: Final = 4 * 1024 * 1024


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
        self._checks = Checks(blob)
        self._busy: asyncio.Future[None] | None = None
        self._begun = 0  # bytes that the medium was asked to begin with
        self._discarded = False

    async def write(self, *pieces: bytes) -> None:
        """See the port."""
        fd = self._open_fd()
        await self._alone(lambda: self._append(fd, pieces))

    async def publish(self, label: bytes = b"", *, sync: bool = True) -> None:
        """See the port. The sync that failed is not repeated: the descriptor is closed whatever it said."""
        fd = self._open_fd()
        self._fd = None
        durably = sync or not SYNC_LATER

        def work() -> None:
            try:
                self._files.write(fd, self._checks.end(label))
                if durably:
                    self._files.sync(fd)
            finally:
                self._files.close(fd)
            self._publisher.publish(self.id, durably=durably)

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
            self._checks.add(piece)
            self._files.write(fd, piece)
        written = self._checks.length
        if written - self._begun >= WRITE_BACK:
            self._files.begin_sync(fd, self._begun, written - self._begun)
            self._begun = written

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

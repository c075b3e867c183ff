"""An open blob for the event loop: threads wait for the disk, and what lies in memory is taken at once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec

from cybous3.disk.files import Files
from cybous3.server.blobs.local.format import BLOCK
from cybous3.server.blobs.local.reading import WouldWaitError
from cybous3.server.blobs.local.verified import VerifiedFile
from cybous3.server.blobs.port import DamagedBlobError, Labelled

A = ParamSpec("A")

PIECE_MAX: Final = 256 * 1024  # bytes read at a time: each answer that goes by chunks holds a few of them
# Of a longer range only its first block is proved ahead: enough to refuse what is wrong from the first byte, and little
# enough to do on the event loop.
PROVED_WHOLE_MAX: Final = 256 * 1024


class LocalReader:
    """`BlobReader` of the port."""

    def __init__(self, file: VerifiedFile, files: Files, threads: ThreadPoolExecutor) -> None:
        """Take over a file that is not loaded; `begin` before anything else."""
        self._file = file
        self._files = files
        self._threads = threads
        self._reads: set[asyncio.Future[None]] = set()
        self._proved: tuple[int, memoryview] | None = None

    async def begin(self) -> None:
        """Read the file's end. DamagedBlobError, OSError."""
        await self._at_hand_or_in_thread(self._file.load)

    @property
    def length(self) -> int:
        """See the port."""
        return self._file.shape.data

    @property
    def damage(self) -> DamagedBlobError | None:
        """See the port."""
        return self._file.damage

    async def prove(self, offset: int, length: int) -> None:
        """See the port."""
        self._file.within(offset, length)
        if length:
            wanted = length if length <= PROVED_WHOLE_MAX else min(length, BLOCK - offset % BLOCK)
            self._proved = (offset, await self._fetch(offset, wanted))

    def span(self, offset: int, length: int) -> "LocalSpan | None":
        """See the port."""
        self._file.within(offset, length)
        return LocalSpan(self._file, offset, length, self._take_proved(offset, length))

    async def read(self, offset: int, length: int) -> AsyncIterator[bytes]:
        """See the port."""
        self._file.within(offset, length)
        end = offset + length
        piece = self._take_proved(offset, length)
        while offset < end:
            if piece is None:
                # Up to a block's end, so that no block is read twice.
                piece = await self._fetch(offset, min(PIECE_MAX - offset % BLOCK, end - offset))
            offset += len(piece)
            yield bytes(piece)
            piece = None

    async def stated(self) -> Labelled:
        """Return what the blob says of itself. DamagedBlobError, OSError."""
        found: list[Labelled] = []
        await self._run(lambda: found.append(self._file.stated()))
        return found[0]

    async def check(self) -> None:
        """Read and verify all data. DamagedBlobError, OSError."""
        buffer = memoryview(bytearray(PIECE_MAX * 4))
        for offset in range(0, self.length, len(buffer)):
            await self._run(self._verify, offset, min(len(buffer), self.length - offset), buffer)

    async def aclose(self) -> None:
        """Close the file; a read under way ends first."""
        while self._reads:
            await asyncio.wait(self._reads)
        self._file.close(self._files)

    def _take_proved(self, offset: int, length: int) -> memoryview | None:
        """Return what was proved of this range, once."""
        if self._proved is None or self._proved[0] != offset:
            return None
        (_, view), self._proved = self._proved, None
        return view[:length]

    async def _fetch(self, offset: int, length: int) -> memoryview:
        """Return a verified range in memory of its own."""
        buffer = memoryview(bytearray(-(-(offset % BLOCK + length) // BLOCK) * BLOCK))
        await self._at_hand_or_in_thread(self._verify, offset, length, buffer)
        return buffer[offset % BLOCK : offset % BLOCK + length]

    def _verify(self, offset: int, length: int, buffer: memoryview, *, wait: bool = True) -> None:
        self._file.fetch(offset, length, buffer, wait=wait)

    async def _at_hand_or_in_thread(self, work: Callable[..., None], *args: object) -> None:
        try:
            work(*args, wait=False)
        except WouldWaitError:
            await self._run(work, *args, wait=True)

    async def _run(self, work: Callable[A, None], *args: A.args, **kwargs: A.kwargs) -> None:
        """Run in a thread, to the end: a caller that is cancelled must not close the file under it."""
        future = asyncio.get_running_loop().run_in_executor(self._threads, lambda: work(*args, **kwargs))
        self._reads.add(future)
        future.add_done_callback(self._reads.discard)
        await asyncio.shield(future)


class LocalSpan:
    """`FileSpan` of a blob file."""

    def __init__(self, file: VerifiedFile, offset: int, length: int, proved: memoryview | None) -> None:
        self.length: Final = length
        self._file = file
        self._offset = offset
        self._proved = proved

    def at_hand(self) -> memoryview | None:
        """See FileSpan."""
        if self._proved is not None and len(self._proved) == self.length:
            return self._proved
        before = self._offset % BLOCK
        buffer = memoryview(bytearray(-(-(before + self.length) // BLOCK) * BLOCK))
        try:
            return self._file.fetch(self._offset, self.length, buffer, wait=False) if self.length else buffer[:0]
        except WouldWaitError:
            return None

    def take(self, position: int, buffer: memoryview, *, wait: bool) -> memoryview:
        """See FileSpan. What was proved ahead is given out and not kept."""
        proved, self._proved = self._proved, None
        if proved is not None and position < len(proved):
            return proved[position:]
        try:
            return self._file.fetch(self._offset + position, self.length - position, buffer, wait=wait)
        except WouldWaitError:
            return buffer[:0]

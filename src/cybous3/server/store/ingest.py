"""From a body to bytes that are stored, hashed and found true, before anything of them is visible.

A body of up to `inline_max` bytes is read and hashed on the event loop and touches neither thread nor file. A longer
one runs through a pipeline: receiving, MD5, further hashes and writing overlap. Whoever ingests either commits what
came out or leaves the `async with`, and then nothing of it remains.
"""

import asyncio
import errno
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

from cybous3.core.checksums import Hasher
from cybous3.server.blobs.port import Blobs, BlobWriter
from cybous3.server.model.objects import Extent
from cybous3.server.store.digests import Digests, Judged
from cybous3.server.store.pipeline import HELD_MAX, AwaitedChain, Pipeline, ThreadChain
from cybous3.server.store.room import RECORD_BYTES, Room
from cybous3.server.store.spec import Expected
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.message import Body

PORTION: Final = 256 * 1024  # smaller pieces are joined to this before they are handed to threads
# Joined to this while many bodies wait for their peers at once, so that those who stall hold little.
PORTION_SMALL: Final = 16 * 1024
ALLOWANCE: Final = 4 * 1024 * 1024  # bytes of room taken ahead for a body that announced at least as many
JOINING_MAX: Final = 16 * 1024 * 1024  # bytes of all bodies that wait to be joined; beyond, portions are small
# What all bodies may hold between their peers and the slowest of disk and hashes, beside one piece each. Up to 64
# bodies at once each may run ahead as far as one alone.
HELD_TOGETHER_MAX: Final = 64 * HELD_MAX
REFUSALS: Final = {
    errno.ENOSPC: "InsufficientStorage",
    errno.EDQUOT: "InsufficientStorage",
    errno.EMFILE: "SlowDown",
    errno.ENFILE: "SlowDown",
}


@contextmanager
def in_s3_words() -> Iterator[None]:
    """Turn what a full disk or a full table of files says into S3's words.

    Other OSErrors are nobody's fault and pass.
    """
    try:
        yield
    except OSError as error:
        code = REFUSALS.get(error.errno or 0)
        if code is None:
            raise
        raise S3Error(code) from error


@dataclass(slots=True)
class Received:
    """A body, judged good. Its bytes are `inline`, or in the blob that `writer` has not published yet."""

    judged: Judged
    inline: bytes | None
    writer: BlobWriter | None

    @property
    def extents(self) -> tuple[Extent, ...]:
        """Where the bytes will be."""
        return () if self.writer is None else (Extent(self.writer.id, self.judged.size),)


class Ingest:
    """Takes bodies in. One for each store."""

    def __init__(self, blobs: Blobs, threads: ThreadPoolExecutor, room: Room) -> None:
        self._blobs = blobs
        self._threads = threads
        self._room = room
        self._together = _Together()

    async def receive_small(self, body: Body, expected: Expected) -> Received:
        """Read a body that says to be small to its end; there is nothing to forget when it is not committed.

        InsufficientStorage, IncompleteBody, EntityTooLarge and what `Digests` refuses.
        """
        announced = expected.content_length or 0
        digests = Digests(expected)
        self._room.take(announced + RECORD_BYTES, indexed=True)
        limited = _Limited(body, expected)
        data = await limited.read()
        while piece := await limited.read():
            data += piece
            if limited.size > announced:
                raise S3Error("IncompleteBody")
        digests.update(data)
        return Received(digests.judge(len(data)), data, None)

    @asynccontextmanager
    async def receive(self, body: Body, expected: Expected, inline_max: int) -> AsyncIterator[Received]:
        """Read the body to its end and yield it. What is not `taken` by the end of the block is forgotten.

        Whoever commits sets `writer` to None. IncompleteBody, EntityTooLarge, InsufficientStorage, SlowDown and what
        `Digests` refuses.
        """
        if (expected.content_length or 0) > expected.max_size:
            raise _too_large(expected)
        digests = Digests(expected)
        announced = expected.content_length or 0
        # Said before the body is read: who waits for 100 Continue need not send it.
        self._room.check(announced + RECORD_BYTES, indexed=announced <= inline_max)
        limited = _Limited(body, expected)
        head, ended = await _read_head(limited, inline_max)
        if ended:
            data = b"".join(head)
            digests.update(data)
            self._room.take(len(data) + RECORD_BYTES, indexed=True)
            yield Received(digests.judge(len(data)), data, None)
            return
        with in_s3_words():
            writer = await self._blobs.create(expected.content_length)
        received: Received | None = None
        try:
            with in_s3_words():
                await self._stream(head, limited, digests, writer)
            received = Received(digests.judge(limited.size), None, writer)
            yield received
        finally:
            if received is None or received.writer is not None:
                await forget(writer)

    async def _stream(self, head: list[bytes], body: "_Limited", digests: Digests, writer: BlobWriter) -> None:
        allowance = _Allowance(self._room, body.announced)

        async def write(pieces: Sequence[bytes]) -> None:
            allowance.use(sum(map(len, pieces)))
            await writer.write(*pieces)

        hashing = [ThreadChain(_all_of(lane), self._threads) for lane in digests.lanes()]
        pipeline = Pipeline([AwaitedChain(write), *hashing])
        self._together.bodies += 1
        try:
            async for portion in _portions(head, body, self._together):
                pipeline.held_max = self._together.share
                await pipeline.feed(portion)
                del portion  # not to be held while the peer lets us wait
            await pipeline.finish()
        finally:
            self._together.bodies -= 1
            await pipeline.cancel()


class _Allowance:
    """Room for one body, taken ahead of its bytes: asking the disk and the index costs as much as writing 256 KiB."""

    def __init__(self, room: Room, announced: int | None) -> None:
        self._room = room
        self._announced = announced
        self._taken = 0
        self._used = 0

    def use(self, count: int) -> None:
        """Note that `count` bytes more are about to be written. InsufficientStorage."""
        self._used += count
        missing = self._used - self._taken
        if missing > 0:
            ahead = 0 if self._announced is None else min(ALLOWANCE, self._announced - self._used)
            step = missing + max(0, ahead)
            self._room.take(step)
            self._taken += step


def _all_of(hashers: Sequence[Hasher]) -> Callable[[bytes], None]:
    def update(piece: bytes) -> None:
        for hasher in hashers:
            hasher.update(piece)

    return update


class _Limited:
    """A body that may not be longer than announced or allowed. Counts."""

    def __init__(self, body: Body, expected: Expected) -> None:
        self._body = body
        self._expected = expected
        self.announced = expected.content_length
        self.size = 0

    async def read(self) -> bytes:
        try:
            piece = await self._body.read()
        except ConnectionError as error:
            raise S3Error("IncompleteBody") from error
        self.size += len(piece)
        if self.size > self._expected.max_size:
            raise _too_large(self._expected)
        return piece


def _too_large(expected: Expected) -> S3Error:
    proposed = {} if expected.content_length is None else {"ProposedSize": str(expected.content_length)}
    return S3Error("EntityTooLarge", MaxSizeAllowed=str(expected.max_size), **proposed)


async def _read_head(body: _Limited, inline_max: int) -> tuple[list[bytes], bool]:
    """Return the first pieces, and whether they are all: true if the body ended within `inline_max` bytes."""
    head: list[bytes] = []
    while body.size <= inline_max:
        piece = await body.read()
        if not piece:
            return head, True
        head.append(piece)
    return head, False


@dataclass(slots=True)
class _Together:
    """The bodies of a store that are being received, and their bytes that wait to be joined."""

    held: int = 0
    bodies: int = 0

    @property
    def share(self) -> int:
        """What one body may hold behind what was joined."""
        return max(PORTION_SMALL, min(HELD_MAX, HELD_TOGETHER_MAX // max(1, self.bodies)))

    @property
    def portion(self) -> int:
        return min(self.share, PORTION if self.held < JOINING_MAX else PORTION_SMALL)


async def _portions(head: list[bytes], body: _Limited, joining: _Together) -> AsyncIterator[bytes]:
    """Yield the bytes in portions worth a thread's while; takes `head` away from its owner."""
    held = sum(map(len, head))
    joining.held += held
    try:
        while True:
            if held >= joining.portion:
                yield head[0] if len(head) == 1 else b"".join(head)
                head.clear()
                joining.held -= held
                held = 0
            piece = await body.read()
            if not piece:
                break
            head.append(piece)
            held += len(piece)
            joining.held += len(piece)
            del piece
        if held:
            yield b"".join(head)
    finally:
        joining.held -= held


async def forget(writer: BlobWriter) -> None:
    """Discard, to the end, also when the request is being cancelled."""
    task = asyncio.ensure_future(_discard(writer))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


async def _discard(writer: BlobWriter) -> None:
    try:
        await writer.discard()
    except OSError:
        return  # what cannot be removed now is removed at the next start

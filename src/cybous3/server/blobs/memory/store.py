"""Blobs in memory, for tests: the same promises but one. Nothing outlives the process."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

from cybous3.core.clock import Entropy
from cybous3.core.ids import blob_id
from cybous3.server.blobs.port import Recovered
from cybous3.server.wire.message import FileSpan

PIECE_MAX: Final = 1024 * 1024


class MemoryBlobs:
    """`Blobs` of the port, for one event loop."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._published: dict[str, bytes] = {}
        self._unsettled: set[str] = set()
        self._writing: set[str] = set()

    async def create(self, size_hint: int | None = None) -> "MemoryWriter":  # noqa: ARG002  # the port's
        """See the port."""
        blob = blob_id(self._entropy)
        self._writing.add(blob)
        return MemoryWriter(blob, self._published, self._unsettled, self._writing)

    async def settle(self, blobs: Sequence[str]) -> None:
        """See the port."""
        self._unsettled.difference_update(blobs)

    async def open(self, blob: str) -> "MemoryReader":
        """See the port."""
        if blob not in self._published:
            raise FileNotFoundError(blob)
        return MemoryReader(self._published[blob])

    async def delete(self, blobs: Sequence[str]) -> Sequence[str]:
        """See the port."""
        for blob in blobs:
            self._published.pop(blob, None)
        return list(blobs)

    async def recover(self, referenced: Callable[[Sequence[str]], Awaitable[frozenset[str]]]) -> Recovered:
        """See the port. What a writer of this very object never finished is all there can be."""
        unfinished, published = len(self._writing), sorted(self._unsettled)
        known = await referenced(published) if published else frozenset()
        for blob in published:
            if blob not in known:
                del self._published[blob]
        self._writing.clear()
        self._unsettled.clear()
        return Recovered(unfinished, len(published) - len(known), len(known))

    async def probe(self) -> None:
        """See the port. There is no medium that could fail."""

    async def aclose(self) -> None:
        """See the port. There is nothing to close."""


class MemoryWriter:
    """`BlobWriter` of the port."""

    def __init__(self, blob: str, published: dict[str, bytes], unsettled: set[str], writing: set[str]) -> None:
        self.id: Final = blob
        self._data: bytearray | None = bytearray()
        self._published = published
        self._unsettled = unsettled
        self._writing = writing

    async def write(self, *pieces: bytes) -> None:
        """See the port."""
        for piece in pieces:
            self._open_data().extend(piece)

    async def publish(self) -> None:
        """See the port."""
        self._published[self.id] = bytes(self._open_data())
        self._data = None
        self._writing.discard(self.id)
        self._unsettled.add(self.id)

    async def discard(self) -> None:
        """See the port."""
        self._data = None
        self._writing.discard(self.id)
        self._unsettled.discard(self.id)
        self._published.pop(self.id, None)

    def _open_data(self) -> bytearray:
        if self._data is None:
            raise ValueError(f"the blob {self.id} is no longer being written")
        return self._data


class MemoryReader:
    """`BlobReader` of the port."""

    def __init__(self, data: bytes) -> None:
        self.length: Final = len(data)
        self._data = data

    def span(self, offset: int, length: int) -> FileSpan | None:  # noqa: ARG002  # there is no file
        """See the port."""
        return None

    async def read(self, offset: int, length: int) -> AsyncIterator[bytes]:
        """See the port."""
        if offset + length > self.length:
            raise OSError(f"a blob of {self.length} bytes was asked for {length} from {offset}")
        for at in range(offset, offset + length, PIECE_MAX):
            yield self._data[at : min(at + PIECE_MAX, offset + length)]

    async def aclose(self) -> None:
        """See the port."""

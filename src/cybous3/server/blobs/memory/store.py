"""Blobs in memory, for tests: the same promises but one. Nothing outlives the process.

They can be damaged as files can (`flip`, `cut`), and what is read is verified against checks taken when it was
published.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cybous3.core.checksums import compute
from cybous3.core.clock import Entropy
from cybous3.core.ids import blob_id
from cybous3.server.blobs.port import LABEL_BYTES_MAX, DamagedBlobError, Labelled, Recovered
from cybous3.server.wire.message import FileSpan

PIECE_MAX: Final = 1024 * 1024
BLOCK: Final = 64 * 1024  # bytes under one check
PROVED_MAX: Final = 256 * 1024


@dataclass(slots=True)
class _Kept:
    """A published blob: what is there, and what was written as far as the checks know it."""

    blob: str
    data: bytearray
    label: bytearray
    length: int
    checks: tuple[bytes, ...]
    label_check: bytes

    def blocks(self, offset: int, length: int) -> bytes:
        """Return a range, or DamagedBlobError if a block it touches is not what was written."""
        for number in range(offset // BLOCK, -(-(offset + length) // BLOCK)):
            if _check(self.data[number * BLOCK : (number + 1) * BLOCK]) != self.checks[number]:
                raise DamagedBlobError(self.blob, f"block {number} differs")
        return bytes(self.data[offset : offset + length])

    def stated(self) -> Labelled:
        """Return what the blob says of itself, or DamagedBlobError."""
        if len(self.data) != self.length:
            raise DamagedBlobError(self.blob, f"{len(self.data)} bytes instead of {self.length}")
        if _check(self.label) != self.label_check:
            raise DamagedBlobError(self.blob, "the label differs")
        return Labelled(self.length, bytes(self.label))


class MemoryBlobs:
    """`Blobs` of the port, for one event loop."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._published: dict[str, _Kept] = {}
        self._unsettled: set[str] = set()
        self._writing: set[str] = set()
        self.unsynced: set[str] = set()
        """What a power cut would take."""

    async def create(self, size_hint: int | None = None) -> "MemoryWriter":  # noqa: ARG002  # the port's
        """See the port."""
        blob = blob_id(self._entropy)
        self._writing.add(blob)
        return MemoryWriter(blob, self)

    async def settle(self, blobs: Sequence[str]) -> None:
        """See the port."""
        self._unsettled.difference_update(blobs)

    async def open(self, blob: str) -> "MemoryReader":
        """See the port."""
        kept = self._kept(blob)
        if len(kept.data) != kept.length:
            raise DamagedBlobError(blob, f"{len(kept.data)} bytes instead of {kept.length}")
        return MemoryReader(kept)

    async def sync(self, blobs: Sequence[str]) -> None:
        """See the port."""
        for blob in blobs:
            self._kept(blob)
        self.unsynced.difference_update(blobs)

    async def check(self, blob: str) -> Labelled:
        """See the port."""
        kept = self._kept(blob)
        stated = kept.stated()
        kept.blocks(0, kept.length)
        return stated

    async def label(self, blob: str) -> Labelled:
        """See the port."""
        return self._kept(blob).stated()

    async def walk(self, after: str = "") -> AsyncIterator[str]:
        """See the port."""
        for blob in sorted(blob for blob in self._published if blob > after):
            yield blob

    async def delete(self, blobs: Sequence[str]) -> Sequence[str]:
        """See the port."""
        for blob in blobs:
            self._published.pop(blob, None)
        self.unsynced.difference_update(blobs)
        return list(blobs)

    async def recover(self, referenced: Callable[[Sequence[str]], Awaitable[frozenset[str]]]) -> Recovered:
        """See the port. What a writer of this very object never finished is all there can be."""
        unfinished, published = len(self._writing), sorted(self._unsettled)
        known = await referenced(published) if published else frozenset()
        await self.delete([blob for blob in published if blob not in known])
        self._writing.clear()
        self._unsettled.clear()
        return Recovered(unfinished, len(published) - len(known), len(known))

    async def probe(self) -> None:
        """See the port. There is no medium that could fail."""

    async def aclose(self) -> None:
        """See the port. There is nothing to close."""

    # -- what happens to a medium

    def flip(self, blob: str, at: int, mask: int = 1) -> None:
        """Change bits of the byte `at` of the data, or of the label behind it. FileNotFoundError."""
        kept = self._kept(blob)
        target, index = (kept.data, at) if at < len(kept.data) else (kept.label, at - len(kept.data))
        target[index] ^= mask

    def cut(self, blob: str, length: int) -> None:
        """Leave only the first `length` bytes of the data. FileNotFoundError."""
        del self._kept(blob).data[length:]

    # -- for writers

    def put(self, blob: str, data: bytes, label: bytes, *, synced: bool) -> None:
        """Publish. For `MemoryWriter`."""
        checks = tuple(_check(data[at : at + BLOCK]) for at in range(0, len(data), BLOCK))
        self._published[blob] = _Kept(blob, bytearray(data), bytearray(label), len(data), checks, _check(label))
        self._writing.discard(blob)
        self._unsettled.add(blob)
        if not synced:
            self.unsynced.add(blob)

    def forget(self, blob: str) -> None:
        """Remove every trace. For `MemoryWriter`."""
        for names in (self._writing, self._unsettled, self.unsynced):
            names.discard(blob)
        self._published.pop(blob, None)

    def _kept(self, blob: str) -> _Kept:
        if blob not in self._published:
            raise FileNotFoundError(blob)
        return self._published[blob]


class MemoryWriter:
    """`BlobWriter` of the port."""

    def __init__(self, blob: str, blobs: MemoryBlobs) -> None:
        self.id: Final = blob
        self._data: bytearray | None = bytearray()
        self._blobs = blobs

    async def write(self, *pieces: bytes) -> None:
        """See the port."""
        for piece in pieces:
            self._open_data().extend(piece)

    async def publish(self, label: bytes = b"", *, sync: bool = True) -> None:
        """See the port."""
        if len(label) > LABEL_BYTES_MAX:
            raise ValueError(f"a label of {len(label)} bytes")
        data, self._data = bytes(self._open_data()), None
        self._blobs.put(self.id, data, label, synced=sync)

    async def discard(self) -> None:
        """See the port."""
        self._data = None
        self._blobs.forget(self.id)

    def _open_data(self) -> bytearray:
        if self._data is None:
            raise ValueError(f"the blob {self.id} is no longer being written")
        return self._data


class MemoryReader:
    """`BlobReader` of the port."""

    def __init__(self, kept: _Kept) -> None:
        self._kept = kept
        self.length: Final = kept.length
        self.damage: DamagedBlobError | None = None

    async def prove(self, offset: int, length: int) -> None:
        """See the port."""
        self._verified(offset, min(length, PROVED_MAX))

    def span(self, offset: int, length: int) -> FileSpan | None:
        """See the port. There is no file."""
        self._within(offset, length)
        return None

    async def read(self, offset: int, length: int) -> AsyncIterator[bytes]:
        """See the port."""
        self._within(offset, length)
        for at in range(offset, offset + length, PIECE_MAX):
            yield self._verified(at, min(PIECE_MAX, offset + length - at))

    async def aclose(self) -> None:
        """See the port."""

    def _verified(self, offset: int, length: int) -> bytes:
        self._within(offset, length)
        try:
            return self._kept.blocks(offset, length)
        except DamagedBlobError as damage:
            self.damage = damage
            raise

    def _within(self, offset: int, length: int) -> None:
        if offset + length > self.length:
            raise OSError(f"a blob of {self.length} bytes was asked for {length} from {offset}")


def _check(data: bytes | bytearray) -> bytes:
    return compute("CRC64NVME", data)

"""The bytes of an object as an answer: pinned while they are sent, whatever happens to the object meanwhile."""

import errno
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cybous3.server.blobs.port import BlobReader, Blobs, DamagedBlobError
from cybous3.server.model.objects import Extent
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.message import FileSpan

PINS_MAX: Final = 512  # open files for one answer
PIECE_MAX: Final = 1024 * 1024
_TOO_MANY: Final = frozenset({errno.EMFILE, errno.ENFILE})

OnDamage = Callable[[DamagedBlobError], None]


@dataclass(frozen=True, slots=True)
class Piece:
    """A range within one blob."""

    blob: str
    offset: int
    length: int
    whole: int  # the blob's length, as the index knows it


def pieces_of(extents: Sequence[Extent], offset: int, length: int) -> list[Piece]:
    """Return which ranges of which blobs are the bytes [offset, offset + length) of an object."""
    pieces: list[Piece] = []
    end, position = offset + length, 0
    for extent in extents:
        begin, stop = max(offset, position), min(end, position + extent.length)
        if begin < stop:
            pieces.append(Piece(extent.blob, begin - position, stop - begin, extent.length))
        position += extent.length
        if position >= end:
            break
    return pieces


class InlinePayload:
    """Bytes that are at hand."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def length(self) -> int:
        """See Payload."""
        return len(self._data)

    def spans(self) -> Sequence[FileSpan] | None:
        """See Payload."""
        return None

    async def chunks(self) -> AsyncIterator[bytes]:
        """See Payload."""
        for at in range(0, len(self._data), PIECE_MAX):
            yield self._data[at : at + PIECE_MAX]

    async def aclose(self) -> None:
        """See Payload."""


class BlobPayload:
    """Ranges of open blobs.

    Up to PINS_MAX blobs are opened before the first byte and stay readable whatever happens to the object. Of a
    longer chain the rest is opened when it is reached: if the object is replaced meanwhile, the answer may break off
    (an OSError, a closed connection), and never holds wrong bytes.
    """

    def __init__(self, blobs: Blobs, pieces: Sequence[Piece], on_damage: OnDamage | None = None) -> None:
        """`on_damage` is told, when the payload is closed, of damage that was met after `pin`."""
        self._blobs = blobs
        self._on_damage = on_damage
        self._pieces = pieces
        self._pinned: list[BlobReader] = []
        self._late: BlobReader | None = None
        self._damage: DamagedBlobError | None = None

    async def pin(self) -> None:
        """Open the blobs and prove the first bytes. FileNotFoundError; SlowDown when no descriptors are left.

        DamagedBlobError: nothing of the answer is out yet, so the refusal can still be said. Of up to 256 KiB in one
        blob everything is proved.
        """
        try:
            for piece in self._pieces[:PINS_MAX]:
                self._pinned.append(await self._open(piece))
            if self._pieces:
                await self._pinned[0].prove(self._pieces[0].offset, self._pieces[0].length)
        except BaseException as error:
            self._on_damage = None  # whoever pins hears of it now
            await self.aclose()
            if isinstance(error, OSError) and error.errno in _TOO_MANY:
                raise S3Error("SlowDown") from error
            raise

    @property
    def length(self) -> int:
        """See Payload."""
        return sum(piece.length for piece in self._pieces)

    @property
    def damage(self) -> DamagedBlobError | None:
        """What was found wrong so far, by whichever way the bytes were asked for; after `aclose` too."""
        readers = [*self._pinned, *([self._late] if self._late else [])]
        return next((reader.damage for reader in readers if reader.damage is not None), self._damage)

    def spans(self) -> Sequence[FileSpan] | None:
        """See Payload."""
        if len(self._pinned) < len(self._pieces):
            return None
        spans = [
            reader.span(piece.offset, piece.length) for reader, piece in zip(self._pinned, self._pieces, strict=True)
        ]
        files = [span for span in spans if span is not None]
        return files if len(files) == len(spans) else None

    async def chunks(self) -> AsyncIterator[bytes]:
        """See Payload."""
        for number, piece in enumerate(self._pieces):
            reader = self._pinned[number] if number < len(self._pinned) else await self._open_late(piece)
            async for chunk in reader.read(piece.offset, piece.length):
                yield chunk

    async def aclose(self) -> None:
        """See Payload."""
        self._damage = self.damage
        pinned, self._pinned = self._pinned, []
        for reader in pinned:
            await reader.aclose()
        await self._close_late()
        told, self._on_damage = self._on_damage, None
        if told is not None and self._damage is not None:
            told(self._damage)

    async def _open(self, piece: Piece) -> BlobReader:
        reader = await self._blobs.open(piece.blob)
        if reader.length != piece.whole:
            await reader.aclose()
            raise DamagedBlobError(piece.blob, f"{reader.length} bytes instead of {piece.whole}")
        return reader

    async def _open_late(self, piece: Piece) -> BlobReader:
        await self._close_late()
        try:
            self._late = await self._open(piece)
        except DamagedBlobError as damage:
            self._damage = damage
            raise
        return self._late

    async def _close_late(self) -> None:
        late, self._late = self._late, None
        if late is not None:
            await late.aclose()

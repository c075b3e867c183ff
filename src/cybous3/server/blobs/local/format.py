"""Blob file format 1: data, a check for every block, a label, a tail. Pure; docs/design/blob-format.md is its law.

    file  = data || checks || label || tail
    check = CRC-64/NVME(blob id, 16 bytes || place, 8 bytes || what is checked)

All numbers are big-endian. The place of a block is its number; label and tail have places of their own, so nothing that
is checked can stand for anything else, in this file or another. The data comes first and as it is: `head -c LENGTH`
gets it out without this module.

Nothing here proves who wrote a file: whoever can write to the medium can write good checks. That is not what they are
for.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

from cybous3.server.blobs.port import LABEL_BYTES_MAX, DamagedBlobError

Buffer = bytes | bytearray | memoryview

VERSION: Final = 1
BLOCK: Final = 64 * 1024  # bytes under one check; the last block of a blob may be shorter
CHECK: Final = 8  # bytes
MAGIC: Final = b"CYB3BLOB"

_TAIL: Final = struct.Struct(">8sHHIQQ8s8s")  # magic, version, zero, block, data length, label length, two checks
TAIL: Final = _TAIL.size  # bytes: 48
_LABEL_PLACE: Final = 2**64 - 1
_TAIL_PLACE: Final = 2**64 - 2


@dataclass(frozen=True, slots=True)
class Shape:
    """Where in a file its parts are, as a verified tail says."""

    data: int  # bytes
    label: int  # bytes
    label_check: bytes

    @property
    def blocks(self) -> int:
        """Number of blocks, and so of checks."""
        return -(-self.data // BLOCK)

    @property
    def label_at(self) -> int:
        """Where the label begins."""
        return self.data + CHECK * self.blocks

    @property
    def file(self) -> int:
        """Length of the whole file."""
        return self.label_at + self.label + TAIL


class Checks:
    """The checks of data that comes in pieces of any size."""

    def __init__(self, blob: str) -> None:
        self._id = bytes.fromhex(blob)
        self._done = bytearray()
        self._value = 0
        self._left = 0  # bytes that the block begun still takes
        self.length = 0  # bytes of data so far

    def add(self, piece: Buffer) -> None:
        """Take in what follows."""
        view = memoryview(piece)
        while view:
            if not self._left:
                self._begin()
            part = view[: self._left]
            self._value = _crc64()(part, self._value)
            self._left -= len(part)
            self.length += len(part)
            if not self._left:
                self._done += self._value.to_bytes(CHECK)
            view = view[len(part) :]

    def end(self, label: bytes) -> bytes:
        """Return what follows the data: checks, label and tail. ValueError for a label that is too long."""
        if len(label) > LABEL_BYTES_MAX:
            raise ValueError(f"a label of {len(label)} bytes, above {LABEL_BYTES_MAX}")
        last = self._value.to_bytes(CHECK) if self._left else b""
        stated = _TAIL.pack(
            MAGIC, VERSION, 0, BLOCK, self.length, len(label), _check(self._id, _LABEL_PLACE, label), bytes(CHECK)
        )[:-CHECK]
        return b"".join((self._done, last, label, stated, _check(self._id, _TAIL_PLACE, stated)))

    def _begin(self) -> None:
        self._value = _seed(self._id, self.length // BLOCK)
        self._left = BLOCK


def read_tail(blob: str, tail: bytes, size: int) -> Shape:
    """Return what the last TAIL bytes of a file of `size` bytes say. DamagedBlobError when they cannot be believed."""
    if len(tail) != TAIL or not tail.startswith(MAGIC):
        raise DamagedBlobError(blob, "missing tail")
    _, version, zero, block, data, label, label_check, check = _TAIL.unpack(tail)
    if check != _check(bytes.fromhex(blob), _TAIL_PLACE, tail[:-CHECK]):
        raise DamagedBlobError(blob, "the tail differs")
    if (version, zero, block) != (VERSION, 0, BLOCK):
        raise DamagedBlobError(blob, f"of format {version}, blocks of {block} bytes: not known here")
    shape = Shape(data, label, label_check)
    if shape.file != size:
        raise DamagedBlobError(blob, f"a file of {size} bytes instead of {shape.file}")
    return shape


def verify_blocks(blob: str, first: int, data: memoryview, checks: bytes) -> None:
    """Compare consecutive blocks from number `first` on with as many checks. DamagedBlobError names the first wrong."""
    name = bytes.fromhex(blob)
    for number, at in enumerate(range(0, len(data), BLOCK)):
        expected = int.from_bytes(checks[number * CHECK : (number + 1) * CHECK])
        if _crc64()(data[at : at + BLOCK], _seed(name, first + number)) != expected:
            raise DamagedBlobError(blob, f"block {first + number} differs")


def verify_label(blob: str, label: bytes, shape: Shape) -> None:
    """Compare a label with its check. DamagedBlobError."""
    if _check(bytes.fromhex(blob), _LABEL_PLACE, label) != shape.label_check:
        raise DamagedBlobError(blob, "the label differs")


def _check(name: bytes, place: int, data: Buffer) -> bytes:
    return _crc64()(data, _seed(name, place)).to_bytes(CHECK)


def _seed(name: bytes, place: int) -> int:
    return _crc64()(name + place.to_bytes(8), 0)


@cache
def _crc64() -> Callable[[Buffer, int], int]:
    """Return `crc(data, previous)`. On first use, as everywhere: who serves small objects alone never needs it."""
    from awscrt.checksums import crc64nvme  # noqa: PLC0415  # on first use

    crc: Callable[[Buffer, int], int] = crc64nvme
    return crc

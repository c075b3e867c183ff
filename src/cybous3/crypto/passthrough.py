"""The object format with its segments in clear: for benchmarks alone, to tell what sealing costs.

What it keeps true: everything but the segments is the format's (layout, headers, footer, sizes), so that the same
transfer moves the same number of bytes in the same requests; nothing is copied in the place of what is not encrypted,
and no digest is made, so that the comparison does not flatter the encryption. Its objects begin with a mark of their
own: `objects` refuses them by name, and this refuses every other.

It protects nothing. No part of the product but the benchmark may choose it.
"""

from collections.abc import Iterable
from typing import Self

from cybous3.crypto.errors import Malformed
from cybous3.crypto.floe import FRONT_LEN, OVERHEAD, FloeKeys, FloeReader, FloeWriter
from cybous3.crypto.objects import (
    DIGEST_LEN,
    MAGIC,
    PLAIN_MAGIC,
    Footer,
    Front,
    KeyedHasher,
    ObjectReader,
    ObjectWriter,
    OpenObject,
)
from cybous3.crypto.primitives import TAG_LEN, Bytes, Entropy


class NoHasher(KeyedHasher):
    """Counts, and makes no digest."""

    reads = False

    def __init__(self) -> None:
        self.length = 0

    def update(self, data: Bytes) -> None:
        """Count the next bytes."""
        self.length += len(data)

    def digest(self) -> bytes:
        """Return zeros, which is what the footer of such an object holds."""
        return bytes(DIGEST_LEN)


class _PlainFloeWriter(FloeWriter):
    """Frames segments as FLOE does and leaves them as they are."""

    def _seal(self, index: int, nonce: bytes, plaintext: Bytes, aad: bytes, out: memoryview) -> None:
        del index, nonce, aad
        if not isinstance(plaintext, memoryview) or plaintext.obj is not out.obj:
            out[: len(plaintext)] = plaintext
        out[len(plaintext) :] = bytes(TAG_LEN)


class PlainWriter(ObjectWriter):
    """An `ObjectWriter` that encrypts nothing."""

    def __init__(
        self, front: Front, floe: FloeKeys, entropy: Entropy, done: Iterable[range], total: int | None
    ) -> None:
        super().__init__(front, floe, entropy, done, total)
        self._floe = _PlainFloeWriter(floe, entropy, done, total)
        self.prologue = PLAIN_MAGIC + self.prologue[len(MAGIC) :]

    @classmethod
    def resume(
        cls,
        prologue: bytes,
        *,
        vault_id: bytes,
        dek: bytes,
        entropy: Entropy,
        done: Iterable[range] = (),
        total: int | None = None,
    ) -> Self:
        """Continue an object of this kind; Malformed for another."""
        prologue = unmarked(prologue)
        return super().resume(prologue, vault_id=vault_id, dek=dek, entropy=entropy, done=done, total=total)

    def hasher(self) -> NoHasher:
        """Return what hashes nothing."""
        return NoHasher()

    def room(self, out: memoryview, size: int) -> memoryview | None:
        """Return where the plaintext stands in the stored segment, so that it is read to its place at once."""
        return out[FRONT_LEN : FRONT_LEN + size]


class PlainReader(ObjectReader):
    """An `ObjectReader` of what `PlainWriter` wrote."""

    def hasher(self) -> NoHasher:
        """Return what hashes nothing."""
        return NoHasher()

    def _opened(self, footer: Footer, floe: FloeReader) -> OpenObject:
        return PlainOpenObject(self, footer, floe)


class PlainOpenObject(OpenObject):
    """An `OpenObject` whose segments are in clear."""

    def plaintext_of(self, index: int, segment: memoryview, scratch: bytearray) -> memoryview:
        """Return the part of the stored segment that is plaintext: nothing is copied, nothing verified."""
        del scratch
        if len(segment) != self.segment_stored_len(index):
            raise Malformed(f"segment {index} has {len(segment)} bytes")
        return segment[FRONT_LEN : len(segment) - TAG_LEN]

    def decrypt_segment_into(self, index: int, segment: Bytes, out: bytearray | memoryview) -> int:
        """Copy the plaintext of segment `index` into the front of `out`; return its length."""
        plain = self.plaintext_of(index, memoryview(segment), bytearray())
        memoryview(out)[: len(plain)] = plain
        return len(plain)

    def decrypt_segment(self, index: int, segment: Bytes) -> bytes:
        """Return the plaintext of segment `index`."""
        out = bytearray(max(0, len(segment) - OVERHEAD))
        self.decrypt_segment_into(index, segment, out)
        return bytes(out)


def unmarked(front: Bytes) -> bytes:
    """Return the front of an object of this kind as the format has it, for its headers to be opened. Malformed else."""
    if bytes(front[: len(PLAIN_MAGIC)]) != PLAIN_MAGIC:
        raise Malformed("this is no object of the plaintext benchmark")
    return MAGIC + bytes(front[len(MAGIC) :])

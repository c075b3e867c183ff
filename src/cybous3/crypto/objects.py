"""One sealed object: header, body, footer (format-v1 §3-§6), written and read in parts, in parallel, by range.

What this keeps true:
- an object's keys come from its own random data key and its vault and object ids; each key has one use;
- the header's tag commits to the data key, the body's associated data to the whole header, the footer to the length;
- a ranged reader takes the end of the object from the authenticated footer, never from what a server claims;
- checks run in the order of format-v1 §9.

It does not wrap the data key (wrap), does not know names beyond the informational path, and does no I/O.
"""

import struct
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple, Self

from blake3 import blake3

from cybous3.crypto.errors import CannotOpen, Damaged, Malformed, Misuse, Truncated, UnsupportedFormat
from cybous3.crypto.floe import FLOE_HEADER_LEN, IV_LEN, OVERHEAD, FloeKeys, FloeReader, FloeStream, FloeWriter
from cybous3.crypto.layout import FOOTER_LEN, HEADER_TAG_LEN, IMMUTABLE_LEN, SEG_LOG2_DEFAULT, Layout, RangePlan
from cybous3.crypto.metadata import PAD_MULTIPLE, ObjectMetadata
from cybous3.crypto.primitives import (
    NONCE_LEN,
    TAG_LEN,
    Bytes,
    Entropy,
    Prf,
    equal,
    gcm_open,
    gcm_seal,
    hmac_sha384,
    sha384_256,
)

MAGIC = b"CYBS3\0"
PLAIN_MAGIC = b"CYBS3P"
"""What objects of `passthrough` begin with: a benchmark's, in clear, and never opened here."""
VERSION, SUITE = 1, 1
FLAG_PADDED, FLAG_ZSTD, FLAG_ALIGNED = 1, 2, 4
PLAIN_REFUSED = "this object was written without encryption, by a benchmark: it is not opened"
ID_LEN = 16
DEK_LEN = 32
DIGEST_LEN = 32
_IMMUTABLE = struct.Struct(">6sBBBBH16s16s")
_FOOTER = struct.Struct(">QQQQ32s")
_AROUND_METADATA = IMMUTABLE_LEN + NONCE_LEN + TAG_LEN + HEADER_TAG_LEN
_HEADER_LEN_MAX = 0xFFFF


class ObjectKeys(NamedTuple):
    """The five keys of one object, 32 bytes each (format-v1 §3). Their representation shows none."""

    header: bytes
    metadata: bytes
    data: bytes
    footer: bytes
    hash: bytes

    def __repr__(self) -> str:
        return "ObjectKeys()"

    @staticmethod
    def derive(dek: bytes, vault_id: bytes, object_id: bytes) -> "ObjectKeys":
        """HKDF-Expand-SHA-384 of the data key under five labels; the data key is random, so Expand alone is sound."""
        if len(dek) != DEK_LEN or len(vault_id) != ID_LEN or len(object_id) != ID_LEN:
            raise Misuse("a data key has 32 bytes, an id 16")
        # format-v1 §3: label ‖ vault_id ‖ object_id
        ids = vault_id + object_id
        expand = Prf(dek).expand
        return ObjectKeys(*[expand(label + ids, 32) for label in _LABELS])


_LABELS = tuple(b"cybs3/1/" + label for label in (b"hdr", b"meta", b"data", b"foot", b"hash"))


class Immutable(NamedTuple):
    """Bytes 0..43 of an object: what never changes, not even by rename, move or re-wrap (format-v1 §4.1)."""

    seg_log2: int
    flags: int
    header_len: int
    vault_id: bytes
    object_id: bytes

    def encode(self) -> bytes:
        """Return the 44 bytes."""
        return _IMMUTABLE.pack(
            MAGIC, VERSION, SUITE, self.seg_log2, self.flags, self.header_len, self.vault_id, self.object_id
        )

    @staticmethod
    def parse(front: Bytes) -> "Immutable":
        """Check magic, version, suite and bounds, in that order, before any key is used (format-v1 §9, step 1)."""
        if len(front) < IMMUTABLE_LEN:
            raise (Truncated if MAGIC.startswith(bytes(front[:6])) else Malformed)("the header is cut short")
        magic, version, suite, seg_log2, flags, header_len, vault_id, object_id = _IMMUTABLE.unpack_from(front)
        if magic == PLAIN_MAGIC:
            raise UnsupportedFormat(PLAIN_REFUSED)
        if magic != MAGIC:
            raise Malformed("this is not a CybS3 object")
        if version != VERSION:
            raise UnsupportedFormat(f"object format version {version} is unknown")
        if suite != SUITE:
            raise UnsupportedFormat(f"object suite {suite} is unknown")
        # format-v1 §4.1: flags 1 (padded) and 2 (zstd) are defined, but a reader without them must refuse
        if flags & ~FLAG_ALIGNED:
            raise UnsupportedFormat(f"object flags {flags:#04x} are not supported")
        if header_len < _AROUND_METADATA + PAD_MULTIPLE or (header_len - _AROUND_METADATA) % PAD_MULTIPLE:
            raise Malformed(f"a header of {header_len} bytes is impossible")
        immutable = Immutable(seg_log2, flags, header_len, vault_id, object_id)
        _ = immutable.layout
        return immutable

    @property
    def layout(self) -> Layout:
        """The geometry these fields fix."""
        return _layout(self.seg_log2, self.header_len, bool(self.flags & FLAG_ALIGNED))


@lru_cache(maxsize=256)
def _layout(seg_log2: int, header_len: int, aligned: bool) -> Layout:  # noqa: FBT001  # a cache finds by place
    """Return the geometry; a handful of them serves every object of a tree."""
    return Layout(seg_log2, header_len, aligned=aligned)


class Footer(NamedTuple):
    """The authenticated end of an object. `digest` is the keyed BLAKE3 of the plaintext."""

    plaintext_len: int
    segments: int
    generation: int
    digest: bytes

    def verify_digest(self, digest: bytes) -> None:
        """`Damaged` unless `digest` (of `hasher`) is that of the plaintext the writer read."""
        if not equal(digest, self.digest):
            raise Damaged("the content does not have the digest its footer names")


class KeyedHasher:
    """Keyed BLAKE3 of an object's plaintext, fed front to back; a plain hash would confirm guesses at the content."""

    reads = True  # whether the digest depends on what is fed

    def __init__(self, key: bytes) -> None:
        self._hasher = blake3(key=key)
        self.length = 0

    def update(self, data: Bytes) -> None:
        """Hash the next bytes. Releases the GIL for large ones."""
        self._hasher.update(data)
        self.length += len(data)

    def digest(self) -> bytes:
        """Return the 32 bytes so far."""
        return self._hasher.digest()


class ObjectWriter:
    """Seals one object. Segments may be encrypted in any order and from any thread; each exactly once.

    Stored object = `prologue` ‖ segments 0..k-1 ‖ `footer(...)`. Nothing in the prologue depends on the length.
    """

    def __init__(
        self, front: "Front", floe: FloeKeys, entropy: Entropy, done: Iterable[range], total: int | None
    ) -> None:
        """Use `create` or `resume`."""
        self._front = front
        self._entropy = entropy
        self._floe = FloeWriter(floe, entropy, done, total)
        self.metadata = front.metadata
        self.layout = front.immutable.layout
        self.object_id = front.immutable.object_id
        self.immutable = front.header[:IMMUTABLE_LEN]
        gap = self.layout.prologue_len - len(front.header) - FLOE_HEADER_LEN
        self.prologue = front.header + bytes(gap) + floe.header

    @classmethod
    def create(
        cls,
        *,
        vault_id: bytes,
        dek: bytes,
        metadata: ObjectMetadata,
        entropy: Entropy,
        object_id: bytes | None = None,
        seg_log2: int = SEG_LOG2_DEFAULT,
        aligned: bool = False,
    ) -> Self:
        """Begin a new object under a data key that no other object has; a changed file is a new object.

        `Malformed` if the metadata do not fit into a header of 65,535 bytes.
        """
        object_id = entropy(ID_LEN) if object_id is None else object_id
        keys = ObjectKeys.derive(dek, vault_id, object_id)
        padded = metadata.encode()
        header_len = _AROUND_METADATA + len(padded)
        if header_len > _HEADER_LEN_MAX:
            raise Malformed("the metadata are too large")
        flags = FLAG_ALIGNED if aligned else 0
        immutable = Immutable(seg_log2, flags, header_len, vault_id, object_id)
        layout = immutable.layout
        front = Front.seal(immutable, keys, metadata, padded, entropy)
        floe = FloeKeys(keys.data, entropy(IV_LEN), front.body_aad, layout.segment_len)
        return cls(front, floe, entropy, (), None)

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
        """Continue an object from its stored prologue, under the same keys; only for a source that did not change.

        `done`: the segments that were delivered; `total`: how many there are, if known. Raises as `ObjectReader`.
        """
        front, floe = _open_prologue(prologue, vault_id, dek)
        return cls(front, floe, entropy, done, total)

    def hasher(self) -> KeyedHasher:
        """Return a fresh hasher for the plaintext; feed it in order, from whatever thread reads the source."""
        return KeyedHasher(self._front.keys.hash)

    def room(self, out: memoryview, size: int) -> memoryview | None:
        """Return where in `out` the plaintext of the next segment may be put; None: anywhere but there."""
        del out, size
        return None

    def encrypt_segment_into(self, index: int, plaintext: Bytes, out: bytearray | memoryview, *, final: bool) -> int:
        """Seal segment `index` into the front of `out`; returns its length, len(plaintext) + 32.

        All segments but the final one hold exactly `layout.capacity` bytes; only an empty object has an empty one.
        """
        if not len(plaintext) and index:  # format-v1 §5.4: k = max(1, ceil(n / P)), never a trailing empty segment
            raise Misuse("only the first segment may be empty")
        return self._floe.encrypt_segment_into(index, plaintext, out, final=final)

    def encrypt_segment(self, index: int, plaintext: Bytes, *, final: bool) -> bytes:
        """As `encrypt_segment_into`, into fresh bytes."""
        out = bytearray(len(plaintext) + OVERHEAD)
        self.encrypt_segment_into(index, plaintext, out, final=final)
        return bytes(out)

    def footer(self, *, plaintext_len: int, digest: bytes) -> bytes:
        """Return the last 92 bytes; `Misuse` unless every segment was encrypted and their number fits the length."""
        segments = self._floe.finish()
        if segments != self.layout.segments(plaintext_len) or len(digest) != DIGEST_LEN:
            raise Misuse("the footer does not fit what was encrypted")
        values = _FOOTER.pack(plaintext_len, plaintext_len, segments, self.metadata.generation, digest)
        return gcm_seal(self._front.keys.footer, self._front.footer_aad, values, self._entropy)


class ObjectReader:
    """Opens one object. First `open` with its front, then `open_footer`, then segments, in any order, any thread."""

    def __init__(self, front: "Front", floe: FloeKeys) -> None:
        """Use `open`."""
        self._front = front
        self._floe = floe
        self.metadata = front.metadata
        self.layout = front.immutable.layout
        self.object_id = front.immutable.object_id
        self.immutable = front.header[:IMMUTABLE_LEN]

    @classmethod
    def open(cls, front: Bytes, *, vault_id: bytes, dek: bytes) -> Self:
        """Open the prologue, given bytes of the object from offset 0 (`prologue_len(front)` of them or more).

        `Truncated` when the bytes given do not hold the prologue, `CannotOpen` for a wrong key or vault, `Damaged` for
        altered metadata or body header, `UnsupportedFormat`, `Malformed`.
        """
        return cls(*_open_prologue(front, vault_id, dek))

    def hasher(self) -> KeyedHasher:
        """Return a hasher for the plaintext, to compare with `Footer.digest`."""
        return KeyedHasher(self._front.keys.hash)

    def open_footer(self, footer: Bytes, object_len: int | None = None) -> "OpenObject":
        """Verify the last 92 bytes; with `object_len`, what the server says, also that nothing is missing or added.

        `Truncated` if the object is shorter than its footer says, `Damaged` if longer or altered.
        """
        values = gcm_open(self._front.keys.footer, self._front.footer_aad, bytes(footer))
        if values is None or len(values) != _FOOTER.size:
            raise Damaged("the end of the object does not verify: it was cut off or altered")
        plaintext_len, stored_len, segments, generation, digest = _FOOTER.unpack(values)
        # format-v1 §6: without padding and compression both lengths agree, and k follows from them
        if plaintext_len != stored_len or segments != self.layout.segments(stored_len):
            raise Damaged("the footer contradicts itself")
        if generation != self.metadata.generation:
            raise Damaged("the footer belongs to another generation than the header")
        expected = self.layout.object_len(stored_len)
        if object_len is not None and object_len != expected:
            kind = Truncated if object_len < expected else Damaged
            raise kind(f"the object has {object_len} bytes instead of {expected}")
        return self._opened(Footer(plaintext_len, segments, generation, digest), FloeReader(self._floe, stored_len))

    def _opened(self, footer: Footer, floe: FloeReader) -> "OpenObject":
        return OpenObject(self, footer, floe)

    def stream(self) -> "ObjectStream":
        """Return a reader for one pass over what follows the prologue, front to back, without a known length."""
        return ObjectStream(self, FloeStream(self._floe, FOOTER_LEN))


class OpenObject:
    """An object whose header and footer both verified: its length is known, its segments can be opened."""

    def __init__(self, reader: ObjectReader, footer: Footer, floe: FloeReader) -> None:
        """Use `ObjectReader.open_footer`."""
        self.metadata = reader.metadata
        self.layout = reader.layout
        self.object_id = reader.object_id
        self.footer = footer
        self.plaintext_len = footer.plaintext_len
        self.segments = footer.segments
        self.hasher = reader.hasher
        self._floe = floe

    def plan_range(self, start: int, stop: int) -> RangePlan:
        """Tell what to fetch for the plaintext bytes [start, stop); see `Layout.plan_range`."""
        return self.layout.plan_range(self.plaintext_len, start, stop)

    def segment_stored_len(self, index: int) -> int:
        """Return the length of segment `index` in the stored object."""
        return self._floe.stored_len(index)

    def plaintext_of(self, index: int, segment: memoryview, scratch: bytearray) -> memoryview:
        """Open segment `index` and return its plaintext, which stands in `scratch` until that is used again."""
        return memoryview(scratch)[: self.decrypt_segment_into(index, segment, scratch)]

    def decrypt_segment_into(self, index: int, segment: Bytes, out: bytearray | memoryview) -> int:
        """Open segment `index`, whole, into the front of `out`; returns the plaintext length. `out` is the caller's.

        `out` needs len(segment) - 32 bytes and may not overlap `segment`; zeroed when this raises.
        """
        return self._floe.decrypt_segment_into(index, segment, out)

    def decrypt_segment(self, index: int, segment: Bytes) -> bytes:
        """As `decrypt_segment_into`, into fresh bytes."""
        return self._floe.decrypt_segment(index, segment)

    def decrypt_range(self, plan: RangePlan, stored: Bytes) -> bytes:
        """Return the plaintext of `plan`, given exactly the stored bytes it names."""
        if len(stored) != plan.stored_stop - plan.stored_start:
            raise Truncated(f"the range has {len(stored)} bytes instead of {plan.stored_stop - plan.stored_start}")
        view, size, plain = memoryview(stored), self.layout.segment_len, bytearray()
        for position, index in enumerate(range(plan.first_segment, plan.stop_segment)):
            plain += self.decrypt_segment(index, view[position * size : (position + 1) * size])
        return bytes(plain[plan.skip : plan.skip + plan.length])


class ObjectStream:
    """Front to back in one pass: every segment is released once authenticated; only `finish` says it was all.

    Whoever releases before `finish` returned (a pipe) must report a bad end; a file is renamed into place only after.
    """

    def __init__(self, reader: ObjectReader, floe: FloeStream) -> None:
        """Use `ObjectReader.stream`."""
        self._reader = reader
        self._floe = floe
        self._hasher = reader.hasher()

    def feed(self, data: Bytes, release: Callable[[bytes], object]) -> None:
        """Take the next stored bytes (those behind the prologue); plaintext goes to `release`, piece by piece."""
        self._floe.feed(data, lambda plaintext: self._pass(plaintext, release))

    def finish(self, release: Callable[[bytes], object]) -> Footer:
        """Return the input has ended: open the final segment and the footer, and compare length, count and digest."""
        tail = self._floe.finish(lambda plaintext: self._pass(plaintext, release))
        footer = self._reader.open_footer(tail).footer
        # format-v1 §5.4: the count too, else a full segment with an empty final one behind it would pass
        if (footer.plaintext_len, footer.segments) != (self._hasher.length, self._floe.segments):
            raise Damaged("the object holds another number of bytes or segments than its footer says")
        footer.verify_digest(self._hasher.digest())
        return footer

    def _pass(self, plaintext: bytes, release: Callable[[bytes], object]) -> None:
        self._hasher.update(plaintext)
        release(plaintext)


def refuse_plain(front: memoryview) -> memoryview:
    """Return the front of an object, unless `passthrough` wrote it: UnsupportedFormat, before any key is used."""
    if bytes(front[: len(PLAIN_MAGIC)]) == PLAIN_MAGIC:
        raise UnsupportedFormat(PLAIN_REFUSED)
    return front


def prologue_len(front: Bytes) -> int:
    """How many bytes from offset 0 `ObjectReader.open` needs; from the first 44, which are not yet authenticated."""
    return Immutable.parse(front).layout.prologue_len


def seal_object(
    plaintext: bytes,
    *,
    vault_id: bytes,
    dek: bytes,
    metadata: ObjectMetadata,
    entropy: Entropy,
    seg_log2: int = SEG_LOG2_DEFAULT,
    aligned: bool = False,
) -> bytes:
    """Return a whole object in memory: for small ones."""
    writer = ObjectWriter.create(
        vault_id=vault_id, dek=dek, metadata=metadata, entropy=entropy, seg_log2=seg_log2, aligned=aligned
    )
    size, last = writer.layout.capacity, writer.layout.segments(len(plaintext)) - 1
    view = memoryview(plaintext)
    body = [writer.encrypt_segment(i, view[i * size : (i + 1) * size], final=i == last) for i in range(last + 1)]
    hasher = writer.hasher()
    hasher.update(plaintext)
    footer = writer.footer(plaintext_len=len(plaintext), digest=hasher.digest())
    return writer.prologue + b"".join(body) + footer


def open_object(stored: bytes, *, vault_id: bytes, dek: bytes) -> tuple[ObjectMetadata, bytes]:
    """Return a whole object in memory, everything verified, the digest included."""
    reader = ObjectReader.open(stored, vault_id=vault_id, dek=dek)
    if len(stored) < reader.layout.object_len(0):
        raise Truncated("the object ends before its footer")
    opened = reader.open_footer(stored[-FOOTER_LEN:], len(stored))
    plaintext = b""
    if opened.plaintext_len:
        plan = opened.plan_range(0, opened.plaintext_len)
        plaintext = opened.decrypt_range(plan, stored[plan.stored_start : plan.stored_stop])
    else:
        opened.decrypt_segment(0, stored[reader.layout.prologue_len : -FOOTER_LEN])
    hasher = opened.hasher()
    hasher.update(plaintext)
    opened.footer.verify_digest(hasher.digest())
    return opened.metadata, plaintext


class Front(NamedTuple):
    """A header with the keys that made or opened it."""

    immutable: Immutable
    keys: ObjectKeys
    metadata: ObjectMetadata
    header: bytes

    def __repr__(self) -> str:
        return "Front()"

    @staticmethod
    def seal(
        immutable: Immutable, keys: ObjectKeys, metadata: ObjectMetadata, padded: bytes, entropy: Entropy
    ) -> "Front":
        """Make the header of a new object."""
        start = immutable.encode()
        # format-v1 §4.2, §4.3
        signed = start + gcm_seal(keys.metadata, b"cybs3/1/meta\0" + start, padded, entropy)
        return Front(immutable, keys, metadata, signed + hmac_sha384(keys.header, signed)[:HEADER_TAG_LEN])

    @staticmethod
    def open(front: Bytes, vault_id: bytes, dek: bytes) -> "Front":
        """Verify and open a header. Raises as `ObjectReader.open`."""
        immutable = Immutable.parse(front)
        if len(front) < immutable.header_len:
            raise Truncated("the header is cut short")
        header = bytes(front[: immutable.header_len])
        start, signed = header[:IMMUTABLE_LEN], header[:-HEADER_TAG_LEN]
        if not equal(immutable.vault_id, vault_id):
            raise CannotOpen
        keys = ObjectKeys.derive(dek, vault_id, immutable.object_id)
        # format-v1 §9: the tag before the metadata; it commits to the data key
        if not equal(hmac_sha384(keys.header, signed)[:HEADER_TAG_LEN], header[-HEADER_TAG_LEN:]):
            raise Damaged("the header does not verify")
        padded = gcm_open(keys.metadata, b"cybs3/1/meta\0" + start, signed[IMMUTABLE_LEN:])
        if padded is None:
            raise Damaged("the metadata do not verify")
        return Front(immutable, keys, ObjectMetadata.decode(padded), header)

    @property
    def body_aad(self) -> bytes:
        """format-v1 §5: label ‖ D."""
        return b"cybs3/1/data\0" + self._digest

    @property
    def footer_aad(self) -> bytes:
        """format-v1 §6: label ‖ D."""
        return b"cybs3/1/foot\0" + self._digest

    @property
    def _digest(self) -> bytes:
        """D, which ties body and footer to this header."""
        return sha384_256(self.header[:-HEADER_TAG_LEN])


def _open_prologue(front: Bytes, vault_id: bytes, dek: bytes) -> tuple[Front, FloeKeys]:
    opened = Front.open(front, vault_id, dek)
    layout = opened.immutable.layout
    floe_start = layout.prologue_len - FLOE_HEADER_LEN
    if len(front) < layout.prologue_len:
        raise Truncated("the body's header is cut short")
    gap = bytes(front[layout.header_len : floe_start])
    if gap.count(0) != len(gap):  # format-v1 §8.2
        raise Damaged("the bytes between the headers are not zero")
    floe_header = bytes(front[floe_start : layout.prologue_len])
    return opened, FloeKeys.from_header(floe_header, opened.keys.data, opened.body_aad, layout.segment_len)

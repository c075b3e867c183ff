"""FLOE-256 (c2sp.org/FLOE), as format-v1 §5 restates it: one message in segments that can be read in any order.

What this keeps true:
- the position of a segment and whether it is the last are computed here, never tried out: FLOE commits to its key only
  as long as no valid segment is opened at a wrong place (format-v1 §5.5);
- a writer encrypts every index once, nothing behind the final one, and every call draws a fresh nonce;
- nothing is taken from the input but bytes: the segment length is the caller's, and the header must repeat it;
- one native call per segment, into buffers the caller owns. Segments share only key state: any thread may run any.

It does not hide lengths and does not know objects, paths or vaults.
"""

import struct
import threading
from collections.abc import Callable, Iterable
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cybous3.crypto.errors import Damaged, Misuse, Truncated
from cybous3.crypto.primitives import NONCE_LEN, TAG_LEN, Bytes, Entropy, Prf, equal

KEY_LEN = 32
IV_LEN = 32
HEADER_TAG_LEN = 32
FLOE_HEADER_LEN = 10 + IV_LEN + HEADER_TAG_LEN
OVERHEAD = 4 + NONCE_LEN + TAG_LEN
"""Bytes a segment adds to its plaintext."""
ROTATION_SHIFT = 20
SEGMENTS_MAX = 2**40
FRONT_LEN = 4 + NONCE_LEN
"""Bytes of a segment before its ciphertext."""
_NOT_FINAL = b"\xff\xff\xff\xff"
_MESSAGE_KEY_LEN = 48


def segment_count(plaintext_len: int, segment_len: int) -> int:
    """How many segments our writer makes of n bytes: max(1, ceil(n / P)), so the final one is empty only for n = 0."""
    return max(1, -(-plaintext_len // (segment_len - OVERHEAD)))


class FloeKeys:
    """The key state of one message, shared by all its segments and safe to share between threads.

    `rotation_shift` exists for the published vectors, which rotate every 4 segments instead of every 2**20; nothing
    serialises it.
    """

    def __init__(
        self, key: bytes, iv: bytes, aad: bytes, segment_len: int, rotation_shift: int = ROTATION_SHIFT
    ) -> None:
        if len(key) != KEY_LEN:  # format-v1 §5.1: exactly 32 bytes, or a short key would pass as HMAC's zero padding
            raise Misuse(f"a FLOE key has {KEY_LEN} bytes, not {len(key)}")
        if len(iv) != IV_LEN or segment_len <= OVERHEAD:
            raise Misuse("the FLOE parameters do not fit")
        self.segment_len = segment_len
        self.capacity = segment_len - OVERHEAD
        self._params = struct.pack(">BBII", 0, 0, segment_len, IV_LEN)
        self._iv = iv
        self._aad = aad
        self._shift = rotation_shift
        own = Prf(key)
        self._message_key = self._derive(own, b"MESSAGE_KEY:", _MESSAGE_KEY_LEN)
        self.header = self._params + iv + self._derive(own, b"HEADER_TAG:", HEADER_TAG_LEN)
        self._ciphers: dict[int, AESGCM] = {}

    @classmethod
    def from_header(
        cls, header: bytes, key: bytes, aad: bytes, segment_len: int, rotation_shift: int = ROTATION_SHIFT
    ) -> Self:
        """Check a header and take up its keys; a wrong key, IV, aad or parameter is `Damaged`, never more precise."""
        if len(header) < FLOE_HEADER_LEN:
            raise Truncated("the body's header is cut short")
        iv = bytes(header[10 : 10 + IV_LEN])
        keys = cls(key, iv, aad, segment_len, rotation_shift)
        # format-v1 §5.2: parameters byte by byte and the tag, compared in constant time, in one go
        if not equal(keys.header, bytes(header)):
            raise Damaged("the body's header does not verify")
        return keys

    def cipher(self, index: int) -> AESGCM:
        """Return the AES-256-GCM key of segment `index`: a new one every 2**20 segments (format-v1 §5.3)."""
        group = index >> self._shift
        cipher = self._ciphers.get(group)
        if cipher is None:
            # Two threads may derive the same key at once; both get the same one, and one of the two objects stays.
            purpose = b"DEK:" + struct.pack(">Q", group << self._shift)
            cipher = self._ciphers[group] = AESGCM(self._derive(Prf(self._message_key), purpose, KEY_LEN))
        return cipher

    def _derive(self, prf: Prf, purpose: bytes, length: int) -> bytes:
        return prf.expand(self._params + self._iv + purpose + self._aad, length)


class FloeWriter:
    """Encrypts one message, segment by segment, in any order and from any thread."""

    def __init__(self, keys: FloeKeys, entropy: Entropy, done: Iterable[range] = (), total: int | None = None) -> None:
        """`done` names the segments that an earlier writer of the same message delivered, `total` their full number.

        `total` may stay None while the length is unknown, as long as the final segment is not among `done`.
        """
        self._keys = keys
        self._entropy = entropy
        self._ledger = _Ledger(done, total)

    def encrypt_segment_into(self, index: int, plaintext: Bytes, out: bytearray | memoryview, *, final: bool) -> int:
        """Seal segment `index` into the front of `out` and return its length, len(plaintext) + 32.

        Every segment but the final one holds exactly P bytes. `plaintext` and `out` must not overlap.
        """
        size = len(plaintext)
        if size > self._keys.capacity or (size < self._keys.capacity and not final):
            raise Misuse(f"segment {index} cannot hold {size} bytes")
        self._ledger.claim(index, final=final)
        stored = size + OVERHEAD
        nonce = self._entropy(NONCE_LEN)
        view = memoryview(out)
        view[:4] = struct.pack(">I", stored) if final else _NOT_FINAL
        view[4:FRONT_LEN] = nonce
        aad = struct.pack(">QB", index, final)
        self._seal(index, nonce, plaintext, aad, view[FRONT_LEN:stored])
        return stored

    def _seal(self, index: int, nonce: bytes, plaintext: Bytes, aad: bytes, out: memoryview) -> None:
        self._keys.cipher(index).encrypt_into(nonce, plaintext, aad, out)

    def encrypt_segment(self, index: int, plaintext: Bytes, *, final: bool) -> bytes:
        """As `encrypt_segment_into`, into fresh bytes."""
        out = bytearray(len(plaintext) + OVERHEAD)
        self.encrypt_segment_into(index, plaintext, out, final=final)
        return bytes(out)

    def finish(self) -> int:
        """Return the number of segments, once every one from 0 to the final one was encrypted; else `Misuse`."""
        return self._ledger.complete()


class FloeReader:
    """Opens segments of a message whose plaintext length is known and authenticated; any order, any thread.

    `segments` is given only by tests of the standard, which also allows a full segment followed by an empty final one.
    """

    def __init__(self, keys: FloeKeys, plaintext_len: int, segments: int | None = None) -> None:
        self._keys = keys
        self.segments = segment_count(plaintext_len, keys.segment_len) if segments is None else segments
        self._last_len = plaintext_len - (self.segments - 1) * keys.capacity + OVERHEAD

    def stored_len(self, index: int) -> int:
        """Return the length of segment `index` on the wire."""
        if not 0 <= index < self.segments:
            raise Misuse(f"there is no segment {index}")
        return self._last_len if index == self.segments - 1 else self._keys.segment_len

    def decrypt_segment_into(self, index: int, segment: Bytes, out: bytearray | memoryview) -> int:
        """Open segment `index` into the front of `out` and return the plaintext length; `Damaged` or `Truncated`.

        Nothing in `out` may be used when this raises.
        """
        expected = self.stored_len(index)
        if len(segment) != expected:
            kind = Truncated if len(segment) < expected else Damaged
            raise kind(f"segment {index} has {len(segment)} bytes instead of {expected}")
        return _open_segment(self._keys, index, segment, out, final=index == self.segments - 1)

    def decrypt_segment(self, index: int, segment: Bytes) -> bytes:
        """As `decrypt_segment_into`, into fresh bytes."""
        out = bytearray(max(0, len(segment) - OVERHEAD))
        self.decrypt_segment_into(index, segment, out)
        return bytes(out)


class FloeStream:
    """Opens a message front to back when its end is known only once it comes (format-v1 §5.6).

    `tail_len` bytes of something else follow the message; they are held back and returned by `finish`. A segment is
    opened as non-final once so much lies behind it that another segment must follow; what is left at the end is the
    final one. Nothing is ever tried both ways. At most S + 32 + tail bytes are held between calls.
    """

    def __init__(self, keys: FloeKeys, tail_len: int = 0) -> None:
        self._keys = keys
        self._tail_len = tail_len
        self._buffer = bytearray()
        self.segments = 0

    def feed(self, data: Bytes, release: Callable[[bytes], object]) -> None:
        """Take the next bytes; `release` gets the plaintext of each segment as soon as it is authenticated."""
        self._buffer += data
        enough = self._keys.segment_len + OVERHEAD + self._tail_len
        start = 0
        try:
            while len(self._buffer) - start >= enough:
                with memoryview(self._buffer)[start : start + self._keys.segment_len] as segment:
                    plaintext = self._open(segment, final=False)
                start += self._keys.segment_len
                release(plaintext)
        finally:
            del self._buffer[:start]

    def finish(self, release: Callable[[bytes], object]) -> bytes:
        """Return the input has ended: open the final segment and return the tail."""
        size = len(self._buffer) - self._tail_len
        if size < OVERHEAD:
            raise Truncated("the last segment is missing")
        if size > self._keys.segment_len:
            raise Truncated("the last segment is cut short")
        segment = bytes(self._buffer[:size])
        if segment[:4] == _NOT_FINAL:
            raise Truncated("the input ends before the final segment")
        release(self._open(segment, final=True))
        tail = bytes(self._buffer[size:])
        self._buffer.clear()
        return tail

    def _open(self, segment: Bytes, *, final: bool) -> bytes:
        out = bytearray(len(segment) - OVERHEAD)
        _open_segment(self._keys, self.segments, segment, out, final=final)
        self.segments += 1
        return bytes(out)


def encrypt_message(keys: FloeKeys, plaintext: bytes, entropy: Entropy) -> bytes:
    """Return the whole message: header and segments."""
    writer = FloeWriter(keys, entropy)
    last = segment_count(len(plaintext), keys.segment_len) - 1
    pieces = (plaintext[i * keys.capacity : (i + 1) * keys.capacity] for i in range(last + 1))
    return keys.header + b"".join(writer.encrypt_segment(i, piece, final=i == last) for i, piece in enumerate(pieces))


def decrypt_message(
    message: bytes, key: bytes, aad: bytes, segment_len: int, rotation_shift: int = ROTATION_SHIFT
) -> bytes:
    """Open a whole message; accepts all that the standard allows, an empty final segment behind a full one included."""
    keys = FloeKeys.from_header(message[:FLOE_HEADER_LEN], key, aad, segment_len, rotation_shift)
    body = memoryview(message)[FLOE_HEADER_LEN:]
    count = -(-len(body) // segment_len)
    if len(body) < OVERHEAD or len(body) - (count - 1) * segment_len < OVERHEAD:
        raise Truncated("the message ends inside a segment")
    reader = FloeReader(keys, len(body) - count * OVERHEAD, count)
    pieces = (body[i * segment_len : (i + 1) * segment_len] for i in range(count))
    return b"".join(reader.decrypt_segment(i, piece) for i, piece in enumerate(pieces))


def _open_segment(keys: FloeKeys, index: int, segment: Bytes, out: bytearray | memoryview, *, final: bool) -> int:
    """Open one segment at the place the caller computed. Private: see format-v1 §5.5 on trying places out."""
    size = len(segment)
    plain_len = size - OVERHEAD
    field = struct.pack(">I", size) if final else _NOT_FINAL
    aad = struct.pack(">QB", index, final)
    # The views end with the block: one that lived on in a traceback would keep the caller from resizing his buffer.
    with memoryview(segment) as view, view[FRONT_LEN:] as sealed, memoryview(out)[:plain_len] as target:
        # format-v1 §5.5: the length field is outside the GCM tag, so this check is not optional
        if bytes(view[:4]) != field:
            raise Damaged(f"segment {index} does not say its own length")
        try:
            keys.cipher(index).decrypt_into(bytes(view[4:FRONT_LEN]), sealed, aad, target)
        except InvalidTag as error:
            target[:] = bytes(plain_len)  # the caller's buffer keeps no byte that was not authenticated
            raise Damaged(f"segment {index} does not verify") from error
    return plain_len


class _Ledger:
    """Which segments were encrypted: each index at most once, none behind the final one (format-v1 §5.4)."""

    def __init__(self, done: Iterable[range], total: int | None) -> None:
        self._lock = threading.Lock()
        self._below = 0  # every index below this was encrypted; workers run nearly in order, so the set stays small
        self._above: set[int] = set()
        self._highest = -1
        self._final: int | None = None
        for span in sorted(done, key=lambda item: item.start):
            for index in span:
                self._mark(index)
        if total is not None and self._highest >= total - 1:
            self._final = self._highest
            if self._highest >= total:
                raise Misuse("more segments were delivered than there are")

    def claim(self, index: int, *, final: bool) -> None:
        with self._lock:
            if not 0 <= index < SEGMENTS_MAX:
                raise Misuse(f"segment {index} is out of range")
            if index < self._below or index in self._above:
                raise Misuse(f"segment {index} was encrypted already")
            if self._final is not None and (final or index > self._final):
                raise Misuse(f"segment {index} comes after the final one")
            if final and index < self._highest:
                raise Misuse(f"segment {index} cannot be the final one")
            if final:
                self._final = index
            self._mark(index)

    def complete(self) -> int:
        with self._lock:
            if self._final is None or self._above or self._below != self._final + 1:
                raise Misuse("not every segment was encrypted")
            return self._below

    def _mark(self, index: int) -> None:
        self._highest = max(self._highest, index)
        self._above.add(index)
        while self._below in self._above:
            self._above.discard(self._below)
            self._below += 1

"""The few primitives everything else is made of: HKDF over SHA-384, AES-256-SIV, AES-256-GCM, 0x80 padding.

One hash family, one key per use, no option anywhere. A failed authentication is `None` here; the caller, who knows
what was being opened, turns it into the one error that belongs there. Randomness arrives as an argument.
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV

from cybous3.core import clock

Entropy: TypeAlias = clock.Entropy
"""`entropy(n)` gives n fresh random bytes; the program passes `os.urandom`, tests pass something repeatable."""

Bytes: TypeAlias = bytes | bytearray | memoryview

NONCE_LEN = 12
TAG_LEN = 16
SIV_LEN = 16
SIV_KEY_LEN = 64
_HASH_LEN = 48
_BLOCK_LEN = 128
_INNER = bytes(value ^ 0x36 for value in range(256))
_OUTER = bytes(value ^ 0x5C for value in range(256))


class Prf:
    """HMAC-SHA-384 under one key, for several messages: the padded key is hashed once (RFC 2104 §4).

    For one message as well: `hmac.digest` looks its hash up by name and sets a context up, every time.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        padded = (key if len(key) <= _BLOCK_LEN else hashlib.sha384(key).digest()).ljust(_BLOCK_LEN, b"\0")
        self._inner = hashlib.sha384(padded.translate(_INNER))
        self._outer = hashlib.sha384(padded.translate(_OUTER))

    def __call__(self, message: bytes) -> bytes:
        """Return the 48 bytes for `message`."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()

    def expand(self, info: bytes, length: int) -> bytes:
        """HKDF-Expand with this key as the pseudorandom key (RFC 5869 §2.3); `length` at most 255 * 48 bytes."""
        if 0 < length <= _HASH_LEN:
            return self(info + b"\1")[:length]
        if not 0 < length <= 255 * _HASH_LEN:
            msg = f"HKDF cannot give {length} bytes"
            raise ValueError(msg)
        output, block = b"", b""
        for counter in range(1, -(-length // _HASH_LEN) + 1):
            block = self(block + info + bytes((counter,)))
            output += block
        return output[:length]


def hmac_sha384(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA-384, 48 bytes."""
    return Prf(key)(message)


def sha384_256(data: bytes) -> bytes:
    """Return the first 32 bytes of SHA-384."""
    return hashlib.sha384(data).digest()[:32]


def hkdf_expand(prk: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand with SHA-384 (RFC 5869 §2.3); `length` at most 255 * 48 bytes."""
    return Prf(prk).expand(info, length)


def hkdf(ikm: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    """HKDF with SHA-384, extract then expand (RFC 5869); an empty salt means 48 zero bytes."""
    return hkdf_expand(hmac_sha384(salt or bytes(_HASH_LEN), ikm), info, length)


class Siv:
    """AES-256-SIV (RFC 5297) with a 64-byte key: 16 bytes SIV in front, then the ciphertext.

    The associated data are separate S2V components, in order. None may be empty: some libraries skip empty ones
    (CVE-2023-2975), so the format never has any. Kept by who uses a key often: setting it up costs twice a name.
    """

    def __init__(self, key: bytes) -> None:
        # The library would take 32 and 48 bytes as AES-128 and AES-192; this format has one size.
        if len(key) != SIV_KEY_LEN:
            msg = f"an AES-256-SIV key has {SIV_KEY_LEN} bytes"
            raise ValueError(msg)
        self._cipher = AESSIV(key)

    def seal(self, components: Sequence[bytes], plaintext: bytes) -> bytes:
        """Return SIV and ciphertext, 16 bytes longer than the plaintext, which may not be empty."""
        return self._cipher.encrypt(plaintext, _no_empty(components))

    def open(self, components: Sequence[bytes], sealed: bytes) -> bytes | None:
        """Return the plaintext, or None when anything differs."""
        if len(sealed) < SIV_LEN:
            return None
        try:
            return self._cipher.decrypt(sealed, _no_empty(components))
        except InvalidTag:
            return None


def siv_seal(key: bytes, components: Sequence[bytes], plaintext: bytes) -> bytes:
    """Seal one message; see `Siv`."""
    return Siv(key).seal(components, plaintext)


def siv_open(key: bytes, components: Sequence[bytes], sealed: bytes) -> bytes | None:
    """Return the plaintext of `siv_seal`, or None when anything differs."""
    return Siv(key).open(components, sealed)


def gcm_seal(key: bytes, aad: bytes, plaintext: bytes, entropy: Entropy) -> bytes:
    """AES-256-GCM under a fresh nonce: nonce 12, ciphertext, tag 16. For a key that seals few messages."""
    nonce = entropy(NONCE_LEN)
    return nonce + AESGCM(_key32(key)).encrypt(nonce, plaintext, aad)


def gcm_open(key: bytes, aad: bytes, sealed: bytes) -> bytes | None:
    """Return the plaintext of `gcm_seal`, or None when anything differs."""
    if len(sealed) < NONCE_LEN + TAG_LEN:
        return None
    try:
        return AESGCM(_key32(key)).decrypt(sealed[:NONCE_LEN], sealed[NONCE_LEN:], aad)
    except InvalidTag:
        return None


def equal(left: bytes, right: bytes) -> bool:
    """Comparison in constant time."""
    return hmac.compare_digest(left, right)


def pad(data: bytes, multiple: int) -> bytes:
    """0x80, then zeros up to the next multiple: one to `multiple` bytes are added, so padding is injective."""
    return data + b"\x80" + bytes(-(len(data) + 1) % multiple)


def unpad(data: bytes, multiple: int) -> bytes | None:
    """Return the inverse of `pad`, or None unless `data` is exactly what `pad` would have made."""
    body = data.rstrip(b"\0")
    if len(data) % multiple or not body.endswith(b"\x80") or len(data) - len(body) >= multiple:
        return None
    return body[:-1]


def _key32(key: bytes) -> bytes:
    if len(key) != 32:  # noqa: PLR2004 - the size of the key, said in the message
        msg = "an AES-256-GCM key has 32 bytes"
        raise ValueError(msg)
    return key


def _no_empty(components: Sequence[bytes]) -> list[bytes]:
    if not all(components):
        msg = "an associated data component is empty"
        raise ValueError(msg)
    return list(components)

"""The envelope of everything this client keeps on this machine, local format 1.

```
0   8  magic "CYBS3LOC"        9  1  kind           12  p   parameters of the kind (a passphrase's KDF)
8   1  version = 1            10  2  p, big-endian  ..  16  key id: which key opens it
..  12  nonce   ..  AES-256-GCM ciphertext and tag   ..  32  SHA-256 of everything before it
```
Everything before the nonce is authenticated with the content, so kinds and versions cannot trade places. The checksum
comes first when opening: it tells a damaged file from a wrong key, which a tag alone cannot. It is no protection
against a person; the tag is.
"""

import hashlib
import hmac
from enum import IntEnum
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from cybous3.client.keys.errors import CannotUnlock, DamagedFile, ForeignFile
from cybous3.core.clock import Entropy

_MAGIC = b"CYBS3LOC"
_VERSION = 1
_FIXED = len(_MAGIC) + 4
_KEY_ID, _NONCE, _TAG, _CHECKSUM = 16, 12, 16, 32
SEALED_BYTES_MAX = 4 * 1024 * 1024


class Kind(IntEnum):
    """What an envelope holds. Numbers are for ever."""

    CONFIG = 1
    IDENTITY = 2
    DEVICE_BY_WORDS = 3
    DEVICE_BY_PASSPHRASE = 4


class Envelope(NamedTuple):
    """An envelope taken apart, its checksum verified, nothing opened yet."""

    where: str  # for messages
    kind: Kind
    parameters: bytes
    header: bytes  # everything authenticated beside the content
    key_id: bytes
    nonce: bytes
    ciphertext: bytes


def seal(kind: Kind, secret: bytes, content: bytes, entropy: Entropy, parameters: bytes = b"") -> bytes:
    """Seal `content` for whoever has `secret`, which must carry at least 256 bits of entropy or come from a KDF."""
    key, key_id = _derive(kind, secret)
    header = _MAGIC + bytes([_VERSION, kind]) + len(parameters).to_bytes(2, "big") + parameters + key_id
    nonce = entropy(_NONCE)
    sealed = header + nonce + AESGCM(key).encrypt(nonce, content, header)
    return sealed + hashlib.sha256(sealed).digest()


def unwrap(where: str, kind: Kind, data: bytes) -> Envelope:
    """Take an envelope apart. Raises ForeignFile when it is not ours or too new, DamagedFile when it was changed."""
    if not data.startswith(_MAGIC):
        raise ForeignFile(f"{where}: not a sealed file of cybs3", hint="it is left untouched; move it away to start anew")
    body, checksum = data[:-_CHECKSUM], data[-_CHECKSUM:]
    if len(body) < _FIXED + _KEY_ID + _NONCE + _TAG or not hmac.compare_digest(hashlib.sha256(body).digest(), checksum):
        raise _damaged(where)
    version, found = body[len(_MAGIC)], body[len(_MAGIC) + 1]
    if version != _VERSION:
        raise ForeignFile(f"{where}: sealed by another version of cybs3 (format {version})", hint="use a newer cybs3")
    if found != kind:
        raise ForeignFile(f"{where}: a sealed file of another kind ({found}, expected {int(kind)})")
    end = _FIXED + int.from_bytes(body[_FIXED - 2 : _FIXED], "big")
    if len(body) < end + _KEY_ID + _NONCE + _TAG:
        raise _damaged(where)
    header, rest = body[: end + _KEY_ID], body[end + _KEY_ID :]
    return Envelope(where, kind, body[_FIXED:end], header, header[end:], rest[:_NONCE], rest[_NONCE:])


def unseal(envelope: Envelope, secret: bytes) -> bytes:
    """Return the content. Raises CannotUnlock when another secret sealed it, DamagedFile when it was forged."""
    key, key_id = _derive(envelope.kind, secret)
    if not hmac.compare_digest(key_id, envelope.key_id):
        raise CannotUnlock(f"{envelope.where}: sealed with another key")
    try:
        return AESGCM(key).decrypt(envelope.nonce, envelope.ciphertext, envelope.header)
    except InvalidTag as error:
        raise _damaged(envelope.where) from error


def _derive(kind: Kind, secret: bytes) -> tuple[bytes, bytes]:
    info = f"cybs3/local/1/{kind.name.lower()}".encode()
    out = HKDFExpand(SHA384(), 32 + _KEY_ID, info).derive(secret)
    return out[:32], out[32:]


def _damaged(where: str) -> DamagedFile:
    return DamagedFile(f"{where}: damaged", hint="it is left untouched; restore it from a copy, or move it away to start anew")

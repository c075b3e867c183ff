"""The wrapped data key of an object: the one metadata entry that ties its bytes to a vault, an epoch and a path.

format-v1 §7: "1." ‖ epoch ‖ "." ‖ base64url(AES-256-SIV(KEK_epoch; "cybs3/1/wrap", immutable header, path; DEK)).
It lies in the store's user metadata and nowhere in the body, so that rename, move and re-wrap by server-side copy
really replace it. Everything that can go wrong under a key is the one `CannotOpen`.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from cybous3.crypto.canonical import decode_b64, encode_b64
from cybous3.crypto.errors import CannotOpen, Malformed, Misuse, UnsupportedFormat
from cybous3.crypto.keyset import EPOCH_MAX, Keyset
from cybous3.crypto.layout import IMMUTABLE_LEN
from cybous3.crypto.names import check_path
from cybous3.crypto.primitives import SIV_LEN, Siv

METADATA_ENTRY = "cybs3"
"""The user metadata entry, `x-amz-meta-cybs3` on S3."""
DEK_LEN = 32
_LABEL = b"cybs3/1/wrap"
# Setting a cipher up costs twice its use, and a vault has one primary key. It holds what the keyset holds anyway.
_cipher = lru_cache(maxsize=8)(Siv)
_ENTRY = re.compile(r"1\.([1-9][0-9]{0,9})\.([A-Za-z0-9_-]{64})", re.ASCII)


class WrapEntry(NamedTuple):
    """A parsed metadata entry, nothing in it verified yet."""

    epoch: int
    wrap: bytes

    @staticmethod
    def parse(text: str) -> "WrapEntry":
        """Read the entry's text; `UnsupportedFormat` for another version, `Malformed` for anything else but ours."""
        if not text.startswith("1."):
            if re.fullmatch(r"[0-9]{1,3}\..*", text, re.ASCII | re.DOTALL):
                raise UnsupportedFormat("the wrapped key is of an unknown version")
            raise Malformed("the wrapped key is not a CybS3 entry")
        match = _ENTRY.fullmatch(text)
        if match is None or int(match[1]) > EPOCH_MAX:
            raise Malformed("the wrapped key is not well formed")
        return WrapEntry(int(match[1]), decode_b64(match[2], "the wrapped key", DEK_LEN + SIV_LEN))

    def __str__(self) -> str:
        return f"1.{self.epoch}.{encode_b64(self.wrap)}"


def wrap_dek(keyset: Keyset, immutable: bytes, path: str, dek: bytes) -> str:
    """Wrap an object's data key for its path under the primary epoch; the text of the metadata entry.

    `immutable`: the first 44 bytes of the object. `InvalidName` for a path that has no spelling.
    """
    if len(dek) != DEK_LEN or len(immutable) != IMMUTABLE_LEN:
        raise Misuse("a data key has 32 bytes, an immutable header 44")
    epoch, kek = keyset.primary
    wrap = _cipher(kek).seal([_LABEL, immutable, check_path(path).encode()], dek)
    return str(WrapEntry(epoch, wrap))


def unwrap_dek(keyset: Keyset, entry: str, immutable: bytes, path: str) -> bytes:
    """Return the data key, if `entry` was made for this path, header and vault; else `CannotOpen`, for any reason."""
    parsed = WrapEntry.parse(entry)
    kek = keyset.kek(parsed.epoch)
    if kek is None or len(immutable) != IMMUTABLE_LEN:
        raise CannotOpen
    dek = _cipher(kek).open([_LABEL, bytes(immutable), check_path(path).encode()], parsed.wrap)
    if dek is None:
        raise CannotOpen
    return dek


def rewrap(keyset: Keyset, entry: str, immutable: bytes, old_path: str, new_path: str) -> str:
    """Return the entry for the object's new name, or for the same name under the primary epoch.

    The body does not change: store the result with a server-side copy that replaces the metadata.
    """
    return wrap_dek(keyset, immutable, new_path, unwrap_dek(keyset, entry, immutable, old_path))

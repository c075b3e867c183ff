"""Bodies that say which value they are, so that a read which mixes two of them cannot pass for either."""

import hashlib
from functools import lru_cache
from typing import Final

SIZES: Final = (64, 4096, 48 * 1024)
"""Bytes of the bodies in turn: below and above what servers keep beside their metadata."""


@lru_cache(maxsize=512)
def body_of(value: str) -> bytes:
    """Return the body of a value: its name, and bytes that belong to this name alone, from beginning to end."""
    digest = hashlib.sha256(value.encode()).hexdigest()
    size = SIZES[int(digest[:2], 16) % len(SIZES)]
    line = f"{value} {digest}\n"
    return (line * (size // len(line) + 1)).encode()[:size]


def value_of(body: bytes) -> str:
    """Return the value whose body this is; for anything else a name that no value has, with what is wrong."""
    value = body.partition(b" ")[0].decode("utf-8", "replace")
    if body_of(value) == body:
        return value
    return f"<{len(body)} bytes that nobody wrote, beginning as {value[:20]!r}>"


def etag_of(value: str) -> str:
    """Return the ETag that S3 has for the body of a value, if it was put at once: its MD5."""
    return hashlib.md5(body_of(value), usedforsecurity=False).hexdigest()

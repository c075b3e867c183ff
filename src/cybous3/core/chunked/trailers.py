"""Trailers of an aws-chunked body: which may be announced, and how a block of them is read."""

import re
from collections.abc import Sequence
from typing import Final

from cybous3.core.checksums import HEADERS
from cybous3.core.chunked.errors import ChunkError
from cybous3.core.sigv4.chunks import TRAILER_SIGNATURE

BLOCK_BYTES_MAX: Final = 4096
"""All trailers of one body together; a handful of checksums needs a tenth of that."""

_LINE: Final = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([\x21-\x7e\x80-\xff](?:[\x20-\x7e\x80-\xff]*))")


def announced(field: str | None) -> tuple[str, ...]:
    """Return the names in an `x-amz-trailer` field, lower case. ChunkError for any we could not act upon.

    A trailer that is accepted and not understood would be a promise nobody keeps, so only checksums pass.
    """
    names = tuple(name.strip().lower() for name in (field or "").split(",") if name.strip())
    for name in names:
        if name not in HEADERS:
            raise ChunkError("InvalidRequest", "The value specified in the x-amz-trailer header is not supported")
    if len(set(names)) != len(names):
        raise ChunkError("InvalidRequest", "The x-amz-trailer header names a trailer twice")
    return names


def malformed(reason: str) -> ChunkError:
    """Return the one error S3 has for trailers, with our reason."""
    return ChunkError(
        "MalformedTrailerError",
        "The request contained trailing data that was not well-formed or did not conform to our published schema. "
        f"({reason})",
    )


def parse_line(line: bytes) -> tuple[str, str]:
    """Return a trailer's lower-case name and its trimmed value."""
    match = _LINE.fullmatch(line.decode("latin-1").rstrip(" \t"))
    if match is None:
        raise malformed("a trailer is not a name, a colon and a value")
    return match[1].lower(), match[2]


def check_complete(found: Sequence[tuple[str, str]], names: Sequence[str], *, signed: bool) -> None:
    """Refuse a block that is not exactly the announced trailers, each once, the signature last where there is one."""
    expected = sorted([*names, TRAILER_SIGNATURE]) if signed else sorted(names)
    if sorted(name for name, _ in found) != expected:
        raise malformed("the trailers are not those that x-amz-trailer announced, each once")
    if signed and found[-1][0] != TRAILER_SIGNATURE:
        raise malformed(f"{TRAILER_SIGNATURE} must come last")

"""Values of HTTP fields that client and server both write: ranges, entity tags, content codings."""

import re
from dataclasses import dataclass
from typing import Final

_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)", re.IGNORECASE)
_AWS_CHUNKED: Final = "aws-chunked"


def format_range(offset: int, length: int | None = None) -> str:
    """Return the Range value for `length` bytes (at least 1) from `offset`; without a length, to the end."""
    if offset < 0 or (length is not None and length < 1):
        msg = f"no range of bytes: offset {offset}, length {length}"
        raise ValueError(msg)
    return f"bytes={offset}-" if length is None else f"bytes={offset}-{offset + length - 1}"


def format_suffix_range(length: int) -> str:
    """Return the Range value for the last `length` bytes (at least 1)."""
    if length < 1:
        msg = f"no range of bytes: the last {length}"
        raise ValueError(msg)
    return f"bytes=-{length}"


@dataclass(frozen=True, slots=True)
class ContentRange:
    """The bytes from `first` to `last`, both included, of `size` (None where the sender does not say)."""

    first: int
    last: int
    size: int | None

    def __str__(self) -> str:
        return f"bytes {self.first}-{self.last}/{'*' if self.size is None else self.size}"


def parse_content_range(text: str) -> ContentRange | None:
    """Return what a Content-Range says, or None if it cannot be: malformed, backwards, or past the size."""
    match = _CONTENT_RANGE.fullmatch(text)
    if match is None:
        return None
    first, last = int(match[1]), int(match[2])
    size = None if match[3] == "*" else int(match[3])
    if last < first or (size is not None and last >= size):
        return None
    return ContentRange(first, last, size)


def quote_etag(etag: str) -> str:
    """Return the entity tag as the ETag field carries it."""
    return f'"{etag}"'


def unquote_etag(field: str) -> str:
    """Return the tag without its quotes; a bare tag, as some clients send it, stays as it is."""
    return field[1:-1] if len(field) > 1 and field[0] == field[-1] == '"' else field


def without_aws_chunked(content_encoding: str) -> str | None:
    """Return the content coding to store: `aws-chunked` is the wire's, never the object's. None if nothing is left."""
    codings = [coding.strip() for coding in content_encoding.split(",")]
    kept = [coding for coding in codings if coding and coding.lower() != _AWS_CHUNKED]
    return ",".join(kept) or None

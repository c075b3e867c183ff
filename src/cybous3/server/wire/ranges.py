"""Byte ranges: one at a time, as S3 serves them.

S3 answers a request for several ranges with the whole object, and so do we: RFC 9110 §14.2 lets a server ignore
Range, and a multipart/byteranges answer is one no S3 client asks for. A Range that is malformed, reversed or in
another unit is ignored for the same reason (§14.1.1, §14.2). Only a well-formed range outside the object is refused.
"""

import re
from dataclasses import dataclass
from typing import Final

from cybous3.server.wire.errors import S3Error, invalid_argument

# RFC 9110 §14.1.2, one range. ASCII digits, and no more than an int64 could mean: a longer number is malformed.
_RANGE: Final = re.compile(r"bytes[ \t]*=[ \t]*([0-9]{0,19})[ \t]*-[ \t]*([0-9]{0,19})[ \t]*", re.IGNORECASE)
_COPY_RANGE: Final = re.compile(r"bytes=([0-9]{1,19})-([0-9]{1,19})")
_COPY_SOURCE_RANGE: Final = "x-amz-copy-source-range"


@dataclass(frozen=True, slots=True)
class ByteRange:
    """`length` (at least 1) bytes from `offset`; lies inside the object it was made for."""

    offset: int
    length: int

    def content_range(self, size: int) -> str:
        """Return the Content-Range field of an answer that holds these bytes of `size`."""
        return f"bytes {self.offset}-{self.offset + self.length - 1}/{size}"


def parse_range(value: str | None, size: int) -> ByteRange | None:
    """Return the one range that `value` asks for, cut at the object's end; None: send the whole object.

    InvalidRange when it asks for bytes that do not exist, which for an empty object is any range.
    """
    match = _RANGE.fullmatch(value) if value else None
    if value is None or match is None:
        return None
    first, last = match.groups()
    if not first:
        return _suffix(last, value, size)
    start = int(first)
    end = min(int(last), size - 1) if last else size - 1
    if last and int(last) < start:
        return None
    if start >= size:
        raise _unsatisfiable(value, size)
    return ByteRange(start, end - start + 1)


def _suffix(last: str, value: str, size: int) -> ByteRange | None:
    if not last:
        return None
    length = min(int(last), size)
    if length == 0:
        raise _unsatisfiable(value, size)
    return ByteRange(size - length, length)


def _unsatisfiable(value: str, size: int) -> S3Error:
    return S3Error("InvalidRange", RangeRequested=value, ActualObjectSize=str(size))


def parse_copy_range(value: str | None, size: int) -> ByteRange:
    """Return the bytes of the copy's source, all of them when there is no header.

    Stricter than Range, because a copy cannot say afterwards what it took: only `bytes=first-last`, both inside the
    source, else InvalidArgument.
    """
    if value is None:
        return ByteRange(0, size)
    match = _COPY_RANGE.fullmatch(value)
    if match is None or int(match[1]) > int(match[2]):
        raise invalid_argument(
            _COPY_SOURCE_RANGE,
            value,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
            "zero-based offsets of the first and last bytes to copy",
        )
    first, last = int(match[1]), int(match[2])
    if last >= size:
        raise invalid_argument(
            _COPY_SOURCE_RANGE, value, f"Range specified is not valid for source object of size: {size}"
        )
    return ByteRange(first, last - first + 1)

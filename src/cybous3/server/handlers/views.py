"""Which bytes of an object a read wants, and what it says about them. Pure: decide first, open afterwards."""

from dataclasses import dataclass

from cybous3.server.model.objects import Checksum, ObjectRecord
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.ranges import parse_range


@dataclass(frozen=True, slots=True)
class View:
    """`length` bytes from `offset`; `partial` makes it a 206 with Content-Range."""

    offset: int
    length: int
    partial: bool = False
    checksum: Checksum | None = None  # of exactly these bytes, if one is known


def view_of(record: ObjectRecord, range_header: str | None, part_number: int | None) -> View:
    """Return the view that a request asks for.

    InvalidRequest for a range and a part at once; InvalidRange and InvalidPartNumber when the object has no such bytes.
    """
    if part_number is not None:
        if range_header is not None:
            raise S3Error("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
        return _part(record, part_number)
    span = parse_range(range_header, record.size) if range_header is not None else None
    if span is None:
        return View(0, record.size, checksum=record.checksum)
    # A checksum covers the object, not the range: sending it would make a client refuse good bytes.
    return View(span.offset, span.length, partial=True)


def _part(record: ObjectRecord, number: int) -> View:
    if not record.parts:
        # An object that was put in one piece is its own first part.
        if number != 1:
            raise S3Error("InvalidPartNumber", None, ActualPartCount="1", PartNumberRequested=str(number))
        return View(0, record.size, partial=record.size > 0, checksum=record.checksum)
    offset = 0
    for part in record.parts:
        if part.number == number:
            checksum = _part_checksum(record, part.checksum)
            return View(offset, part.size, partial=part.size > 0, checksum=checksum)
        offset += part.size
    raise S3Error("InvalidPartNumber", None, ActualPartCount=str(len(record.parts)), PartNumberRequested=str(number))


def _part_checksum(record: ObjectRecord, value: str | None) -> Checksum | None:
    if value is None or record.checksum is None:
        return None
    return Checksum(record.checksum.algorithm, value, record.checksum.type)

"""The parts that answers are made of."""

from typing import Final

from cybous3.core.clock import http_date
from cybous3.core.http_values import quote_etag
from cybous3.server.model.objects import Checksum, ObjectRecord
from cybous3.server.wire.message import Response

Fields = list[tuple[str, str]]

_XML: Final = ("content-type", "application/xml")


def xml(document: bytes, fields: Fields | None = None) -> Response:
    """Return a 200 with an XML body."""
    return Response(200, [_XML, *(fields or ())], document)


def checksum_fields(checksum: Checksum | None) -> Fields:
    """Return the checksum and its type; nothing when there is none."""
    if checksum is None:
        return []
    return [
        (f"x-amz-checksum-{checksum.algorithm.lower()}", checksum.value),
        ("x-amz-checksum-type", checksum.type),
    ]


def identity_fields(record: ObjectRecord) -> Fields:
    """Return what tells one state of an object from another."""
    return [("etag", quote_etag(record.etag)), ("last-modified", http_date(record.modified_ms))]

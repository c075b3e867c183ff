"""Which bytes a read gets: decided before anything is opened."""

import pytest

from cybous3.server.handlers.views import View, view_of
from cybous3.server.model.objects import Checksum, ObjectPart, ObjectRecord
from cybous3.server.wire.errors import S3Error

WHOLE = Checksum("SHA256", "whole-2", "COMPOSITE")
PIECE = ObjectRecord("b", "k", 10, "e", 0, "o", checksum=WHOLE)
PARTS = (ObjectPart(2, 6, "e", "first"), ObjectPart(5, 4, "e"))
JOINED = ObjectRecord("b", "k", 10, "e", 0, "o", checksum=WHOLE, parts=PARTS)


@pytest.mark.parametrize(
    ("record", "span", "part", "view"),
    [
        (PIECE, None, None, View(0, 10, checksum=WHOLE)),
        (PIECE, "bytes=2-4", None, View(2, 3, partial=True)),
        (PIECE, "nonsense", None, View(0, 10, checksum=WHOLE)),
        (PIECE, None, 1, View(0, 10, partial=True, checksum=WHOLE)),
        (JOINED, None, None, View(0, 10, checksum=WHOLE)),
        (JOINED, None, 2, View(0, 6, partial=True, checksum=Checksum("SHA256", "first", "COMPOSITE"))),
        (JOINED, None, 5, View(6, 4, partial=True)),
        (ObjectRecord("b", "k", 0, "e", 0, "o", parts=(ObjectPart(1, 0, "e"),)), None, 1, View(0, 0)),
        (ObjectRecord("b", "k", 0, "e", 0, "o"), None, 1, View(0, 0)),
    ],
)
def test_a_view_is_what_was_asked_for(record: ObjectRecord, span: str | None, part: int | None, view: View) -> None:
    assert view_of(record, span, part) == view


@pytest.mark.parametrize(
    ("record", "span", "part", "code"),
    [
        (PIECE, "bytes=10-", None, "InvalidRange"),
        (PIECE, "bytes=0-1", 1, "InvalidRequest"),
        (PIECE, None, 2, "InvalidPartNumber"),
        (JOINED, None, 1, "InvalidPartNumber"),
    ],
)
def test_bytes_that_are_not_there_are_refused(
    record: ObjectRecord, span: str | None, part: int | None, code: str
) -> None:
    with pytest.raises(S3Error) as error:
        view_of(record, span, part)
    assert error.value.code == code

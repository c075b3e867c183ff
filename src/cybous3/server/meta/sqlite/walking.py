"""Whole records, read one by one: a row that cannot be read spoils no other."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from cybous3.server.meta.port import DamagedRecord, DamagedRecordError, UploadedPart
from cybous3.server.meta.sqlite import rows
from cybous3.server.meta.sqlite.errors import DamagedIndexError
from cybous3.server.meta.sqlite.reading import Reader
from cybous3.server.meta.sqlite.sums import COVERED, row_sum
from cybous3.server.model.objects import ObjectRecord
from cybous3.server.model.uploads import Part
from cybous3.server.wire.errors import S3Error

_GET: Final = rows.SELECT_RECORD + "WHERE b.name = ? AND o.key = ?"
_BUCKETS: Final = "SELECT id, name FROM buckets WHERE name >= ? ORDER BY name LIMIT 100"
_KEYS: Final = "SELECT key FROM objects WHERE bucket = ? AND key > ? ORDER BY key LIMIT ?"
_PART: Final = (
    "SELECT p.upload, p.number, p.size, p.etag, p.modified_ms, p.checksum_algorithm, p.checksum_type, p.checksum, "
    "p.extents, p.sealed, p.sum FROM parts p "
)
_PART_WIDTH: Final = COVERED["parts"]
_GET_PART: Final = _PART + "WHERE p.upload = ? AND p.number = ?"
PARTS: Final = _PART + "WHERE p.upload = ? AND p.number > ? ORDER BY p.number LIMIT ?"
_NUMBERS: Final = (
    "SELECT b.name, u.key, u.token, p.upload, p.number FROM uploads u JOIN buckets b ON b.id = u.bucket "
    "JOIN parts p ON p.upload = u.id WHERE (u.token, p.number) > (?, ?) ORDER BY u.token, p.number LIMIT ?"
)

T = TypeVar("T")


def read_record(reader: Reader, bucket: str, key: str) -> ObjectRecord:
    """Return the current object. NoSuchBucket, NoSuchKey, DamagedRecordError."""
    return _judged(bucket, key, lambda: _read_record(reader, bucket, key))


def _read_record(reader: Reader, bucket: str, key: str) -> ObjectRecord:
    row = reader.one(_GET, (bucket, key.encode()))
    if row is None:
        reader.bucket(bucket)
        raise S3Error("NoSuchKey", Key=key)
    return rows.record_of(bucket, key, row)


def checked_part(bucket: str, key: str, row: tuple[Any, ...]) -> Part:
    """Return the part of a row of PARTS. DamagedRecordError."""
    if row_sum("parts", row[:_PART_WIDTH]) != row[_PART_WIDTH]:
        raise DamagedRecordError(bucket, key, f"part {row[1]} differs from its checksum")
    return rows.part_of(row[1 : _PART_WIDTH - 1])


def walk_objects(reader: Reader, after: tuple[str, str] | None, limit: int) -> Sequence[ObjectRecord | DamagedRecord]:
    """Return the next objects of one state of the index."""
    bucket, key = after or ("", "")
    with reader.snapshot():
        return [
            _object_or_damage(reader, name, encoded)
            for name, encoded in _judged(bucket, key, lambda: _keys_behind(reader, bucket, key, limit))
        ]


def _keys_behind(reader: Reader, bucket: str, key: str, limit: int) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    begin, position = bucket, key.encode()
    while len(found) < limit and (page := reader.all(_BUCKETS, (begin,))):
        for place, name in page:
            behind = position if name == bucket else b""
            keys = reader.all(_KEYS, (place, behind, limit - len(found)))
            found += [(name, encoded) for (encoded,) in keys]
            if len(found) >= limit:
                break
        begin = page[-1][1] + "\0"
    return found


def _object_or_damage(reader: Reader, bucket: str, encoded: bytes) -> ObjectRecord | DamagedRecord:
    try:
        return read_record(reader, bucket, encoded.decode())
    except UnicodeDecodeError:
        return DamagedRecord(bucket, encoded.decode(errors="replace"), "the key is not UTF-8")
    except DamagedRecordError as error:
        return DamagedRecord(bucket, error.key, error.reason)


def walk_parts(reader: Reader, after: tuple[str, int] | None, limit: int) -> Sequence[UploadedPart | DamagedRecord]:
    """Return the next parts of one state of the index."""
    token, number = after or ("", 0)
    with reader.snapshot():
        found = _judged("", token, lambda: reader.all(_NUMBERS, (token, number, limit)))
        return [_part_or_damage(reader, row) for row in found]


def _part_or_damage(reader: Reader, place: tuple[Any, ...]) -> UploadedPart | DamagedRecord:
    bucket, encoded, token, upload, number = place
    key = encoded.decode(errors="replace")
    try:
        row = _judged(bucket, key, lambda: reader.one(_GET_PART, (upload, number)))
        if row is None:
            return DamagedRecord(bucket, key, "the part is listed and cannot be found", token, number)
        return UploadedPart(bucket, key, token, checked_part(bucket, key, row))
    except DamagedRecordError as error:
        return DamagedRecord(bucket, key, error.reason, token, number)


def _judged(bucket: str, key: str, read: Callable[[], T]) -> T:
    """Return what `read` does; a page that SQLite cannot make sense of is damage of this entry."""
    try:
        return read()
    except DamagedIndexError as error:
        raise DamagedRecordError(bucket, key, str(error)) from error
    except (json.JSONDecodeError, UnicodeError) as error:
        raise DamagedRecordError(bucket, key, f"the row cannot be read: {error}") from error

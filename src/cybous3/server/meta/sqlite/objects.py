"""The objects in SQL."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from cybous3.server.meta.conditions import Current, require
from cybous3.server.meta.port import ListPage, ListQuery
from cybous3.server.meta.sqlite import rows
from cybous3.server.meta.sqlite.committer import Committer
from cybous3.server.meta.sqlite.garbage import add_blobs, bury, is_known
from cybous3.server.meta.sqlite.listing import list_page
from cybous3.server.meta.sqlite.places import BucketRow, find_bucket
from cybous3.server.meta.sqlite.reading import Reader
from cybous3.server.meta.sqlite.remembered import Remembered
from cybous3.server.model.objects import NULL_VERSION, ObjectRecord, WriteCondition
from cybous3.server.wire.errors import S3Error

_GET: Final = rows.SELECT_RECORD + "WHERE b.name = ? AND o.key = ?"
_CURRENT: Final = (
    "SELECT b.id, b.owner, o.etag, o.size, o.modified_ms, o.content, o.extents, o.layout "
    "FROM buckets b LEFT JOIN objects o ON o.bucket = b.id AND o.key = ? WHERE b.name = ?"
)
_PUT: Final = (
    "INSERT OR REPLACE INTO objects (bucket, key, size, etag, modified_ms, version, owner, storage_class, "
    "checksum_algorithm, checksum_type, checksum, content, extents, layout, system, user) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class _Row(NamedTuple):
    """The current object as a write finds it."""

    etag: str
    size: int
    modified_ms: int
    content: int | None
    extents: bytes | None
    layout: int | None


class SqliteObjects:
    """`Objects` of the port."""

    def __init__(self, reader: Reader, committer: Committer, remembered: Remembered) -> None:
        self._reader = reader
        self._committer = committer
        self._remembered = remembered

    async def put(self, record: ObjectRecord, condition: WriteCondition) -> None:
        """See the port."""
        await self._committer.run(
            lambda connection: replace(connection, record, condition), touches=[("object", record.bucket, record.key)]
        )

    async def get(self, bucket: str, key: str) -> ObjectRecord:
        """See the port."""
        place = ("object", bucket, key)
        found: ObjectRecord | None = self._remembered.recall(place)
        if found is None:
            row = self._reader.one(_GET, (bucket, key.encode()))
            if row is None:
                self._reader.bucket(bucket)
                raise S3Error("NoSuchKey", Key=key)
            found = rows.record_of(bucket, key, row)
            self._remembered.keep(place, found)
        return found

    async def delete(self, bucket: str, key: str, condition: WriteCondition) -> bool:
        """See the port."""
        return await self._committer.run(
            lambda connection: _delete(connection, bucket, key, condition), touches=[("object", bucket, key)]
        )

    async def delete_many(self, bucket: str, keys: Sequence[tuple[str, WriteCondition]]) -> Sequence[Exception | None]:
        """See the port."""

        def one(connection: sqlite3.Connection, key: str, condition: WriteCondition) -> Exception | None:
            try:
                _delete(connection, bucket, key, condition)
            except S3Error as error:
                return error
            return None

        def mutation(connection: sqlite3.Connection) -> list[Exception | None]:
            find_bucket(connection, bucket)
            return [one(connection, key, condition) for key, condition in keys]

        return await self._committer.run(mutation, touches=[("object", bucket, key) for key, _ in keys])

    async def list(self, query: ListQuery) -> ListPage:
        """See the port."""
        return list_page(self._reader, query)


def replace(
    connection: sqlite3.Connection, record: ObjectRecord, condition: WriteCondition, *, adopted: Iterable[bytes] = ()
) -> None:
    """Make `record` current, inside a transaction. `adopted` are blobs that were a part's until now."""
    key = record.key.encode()
    bucket, old = _current(connection, record.bucket, key)
    require(condition, None if old is None else Current(*old[:3]), record.key)
    packed = rows.pack_extents(record.extents)
    old_blobs = [] if old is None else _blobs_of(connection, old)
    if packed or old_blobs:
        _exchange_blobs(connection, old_blobs, rows.blob_ids(packed), adopted, record.key)
    content, extents, layout = _place_bytes(connection, record, packed, old)
    connection.execute(_PUT, (*_values(bucket, key, record), content, extents, layout, *_metadata(record)))


def _exchange_blobs(
    connection: sqlite3.Connection, old: Sequence[bytes], new: Sequence[bytes], adopted: Iterable[bytes], key: str
) -> None:
    """Note that an object refers to `new` instead of `old`. OperationAborted when a blob is somebody else's."""
    fresh = set(new).difference(adopted).difference(old)
    if any(is_known(connection, blob) for blob in fresh):
        raise S3Error("OperationAborted", Key=key)
    add_blobs(connection, fresh)
    bury(connection, set(old).difference(new))


def _values(bucket: BucketRow, key: bytes, record: ObjectRecord) -> tuple[Any, ...]:
    return (
        bucket.id,
        key,
        record.size,
        record.etag,
        record.modified_ms,
        None if record.version_id == NULL_VERSION else record.version_id,
        None if record.owner == bucket.owner else record.owner,
        None if record.storage_class == rows.STANDARD else record.storage_class,
        *rows.checksum_columns(record.checksum),
    )


def _metadata(record: ObjectRecord) -> tuple[str | None, str | None]:
    return rows.pack_mapping(record.system), rows.pack_mapping(record.user)


def _place_bytes(
    connection: sqlite3.Connection, record: ObjectRecord, packed: bytes | None, old: _Row | None
) -> tuple[int | None, bytes | None, int | None]:
    """Store what does not fit the row, drop what the old row had there, and return content, extents and layout."""
    content = _place_content(connection, record.inline or None, None if old is None else old.content)
    if old is not None and old.layout is not None:
        connection.execute("DELETE FROM layouts WHERE id = ?", (old.layout,))
    if not record.parts and len(record.extents) <= 1:
        return content, packed, None
    cursor = connection.execute(
        "INSERT INTO layouts (extents, parts) VALUES (?, ?)", (packed or b"", rows.pack_parts(record.parts))
    )
    return content, None, cursor.lastrowid


def _place_content(connection: sqlite3.Connection, data: bytes | None, old: int | None) -> int | None:
    if data is not None and old is not None:
        connection.execute("UPDATE contents SET data = ? WHERE id = ?", (data, old))
        return old
    if data is not None:
        return connection.execute("INSERT INTO contents (data) VALUES (?)", (data,)).lastrowid
    if old is not None:
        connection.execute("DELETE FROM contents WHERE id = ?", (old,))
    return None


def _current(connection: sqlite3.Connection, bucket: str, key: bytes) -> tuple[BucketRow, _Row | None]:
    """Return the bucket and what it holds under `key`. NoSuchBucket."""
    row = connection.execute(_CURRENT, (key, bucket)).fetchone()
    if row is None:
        raise S3Error("NoSuchBucket", BucketName=bucket)
    return BucketRow._make(row[:2]), None if row[2] is None else _Row._make(row[2:])


def _blobs_of(connection: sqlite3.Connection, row: _Row) -> list[bytes]:
    if row.layout is None:
        return rows.blob_ids(row.extents)
    found = connection.execute("SELECT extents FROM layouts WHERE id = ?", (row.layout,)).fetchone()
    return rows.blob_ids(found[0])


def _delete(connection: sqlite3.Connection, bucket: str, key: str, condition: WriteCondition) -> bool:
    encoded = key.encode()
    place, row = _current(connection, bucket, encoded)
    require(condition, None if row is None else Current(*row[:3]), key)
    if row is None:
        return False
    bury(connection, _blobs_of(connection, row))
    connection.execute("DELETE FROM objects WHERE bucket = ? AND key = ?", (place.id, encoded))
    if row.content is not None:
        connection.execute("DELETE FROM contents WHERE id = ?", (row.content,))
    if row.layout is not None:
        connection.execute("DELETE FROM layouts WHERE id = ?", (row.layout,))
    return True

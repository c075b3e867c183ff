"""The objects in SQL."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from cybous3.server.meta.conditions import Current, require
from cybous3.server.meta.port import DamagedRecord, DamagedRecordError, ListPage, ListQuery
from cybous3.server.meta.sqlite import rows
from cybous3.server.meta.sqlite.committer import Committer
from cybous3.server.meta.sqlite.garbage import add_blobs, bury, is_known, note_unsynced
from cybous3.server.meta.sqlite.listing import list_page
from cybous3.server.meta.sqlite.places import BucketRow, find_bucket
from cybous3.server.meta.sqlite.reading import Reader
from cybous3.server.meta.sqlite.remembered import Remembered
from cybous3.server.meta.sqlite.sums import body_sum, row_sum
from cybous3.server.meta.sqlite.walking import read_record, walk_objects
from cybous3.server.model.objects import ALWAYS, NULL_VERSION, Extent, ObjectRecord, WriteCondition
from cybous3.server.wire.errors import S3Error

_CURRENT: Final = (
    f"SELECT b.id, b.owner, b.durability, o.sum, {rows.OBJECT_COLUMNS} "  # noqa: S608  # constants
    "FROM buckets b LEFT JOIN objects o ON o.bucket = b.id AND o.key = ? WHERE b.name = ?"
)
_PUT: Final = (
    "INSERT OR REPLACE INTO objects (bucket, key, size, etag, modified_ms, version, owner, storage_class, "
    "checksum_algorithm, checksum_type, checksum, content, extents, layout, system, user, sealed, body, sum) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SET_DAMAGED: Final = "UPDATE objects SET damaged = ? WHERE bucket = ? AND key = ?"
_RELEASE: Final = (
    "UPDATE objects SET damaged = NULL WHERE damaged IS NOT NULL AND key = ? "
    "AND bucket = (SELECT id FROM buckets WHERE name = ?)"
)
_DAMAGED: Final = (
    "SELECT b.name, o.key, o.damaged FROM objects o INDEXED BY objects_damaged JOIN buckets b ON b.id = o.bucket "
    "WHERE o.damaged IS NOT NULL AND (b.name, o.key) > (?, ?) ORDER BY b.name, o.key LIMIT ?"
)


class _Row(NamedTuple):
    """The current object as a write finds it; `whole` is whether it is what was written. Nothing else counts if not."""

    whole: bool
    etag: str
    size: int
    modified_ms: int
    content: int | None
    extents: bytes | None
    layout: int | None


_DAMAGED_ROW: Final = _Row(whole=False, etag="", size=0, modified_ms=0, content=None, extents=None, layout=None)


class SqliteObjects:
    """`Objects` of the port."""

    def __init__(self, reader: Reader, committer: Committer, remembered: Remembered) -> None:
        self._reader = reader
        self._committer = committer
        self._remembered = remembered

    async def put(self, record: ObjectRecord, condition: WriteCondition) -> None:
        """See the port."""
        await self._committer.run(
            lambda connection: replace(connection, record, condition),
            touches=[("object", record.bucket, record.key)],
            bucket=record.bucket,
        )

    async def get(self, bucket: str, key: str) -> ObjectRecord:
        """See the port."""
        place = ("object", bucket, key)
        found: ObjectRecord | None = self._remembered.recall(place)
        if found is None:
            found = read_record(self._reader, bucket, key)
            self._remembered.keep(place, found)
        return found

    async def delete(self, bucket: str, key: str, condition: WriteCondition) -> bool:
        """See the port."""
        return await self._committer.run(
            lambda connection: _delete(connection, bucket, key, condition),
            touches=[("object", bucket, key)],
            bucket=bucket,
        )

    async def delete_many(self, bucket: str, keys: Sequence[tuple[str, WriteCondition]]) -> Sequence[Exception | None]:
        """See the port."""

        def one(connection: sqlite3.Connection, key: str, condition: WriteCondition) -> Exception | None:
            try:
                _delete(connection, bucket, key, condition)
            except (S3Error, DamagedRecordError) as error:
                return error
            return None

        def mutation(connection: sqlite3.Connection) -> list[Exception | None]:
            find_bucket(connection, bucket)
            return [one(connection, key, condition) for key, condition in keys]

        return await self._committer.run(mutation, touches=[("object", bucket, key) for key, _ in keys], bucket=bucket)

    async def list(self, query: ListQuery) -> ListPage:
        """See the port."""
        return list_page(self._reader, query)

    async def quarantine(self, seen: ObjectRecord, reason: str) -> bool:
        """See the port."""

        def mutation(connection: sqlite3.Connection) -> bool:
            row = _seen(connection, seen.bucket, seen.key)
            if row is None or not _is_same(connection, row[1], seen):
                return False
            connection.execute(_SET_DAMAGED, (reason, row[0].id, seen.key.encode()))
            return True

        return await self._committer.run(mutation, touches=[("object", seen.bucket, seen.key)])

    async def release(self, bucket: str, key: str) -> bool:
        """See the port."""

        def mutation(connection: sqlite3.Connection) -> bool:
            return connection.execute(_RELEASE, (key.encode(), bucket)).rowcount > 0

        return await self._committer.run(mutation, touches=[("object", bucket, key)])

    async def damaged(self, after: tuple[str, str] | None = None, limit: int = 1000) -> Sequence[DamagedRecord]:
        """See the port."""
        bucket, key = after or ("", "")
        found = self._reader.all(_DAMAGED, (bucket, key.encode(), limit))
        return [DamagedRecord(name, encoded.decode(errors="replace"), reason) for name, encoded, reason in found]

    async def walk(
        self, after: tuple[str, str] | None = None, limit: int = 100
    ) -> Sequence[ObjectRecord | DamagedRecord]:
        """See the port."""
        return walk_objects(self._reader, after, limit)

    async def forget(self, bucket: str, key: str, extents: Sequence[Extent]) -> bool:
        """See the port."""
        wanted = rows.blob_ids(rows.pack_extents(extents))

        def mutation(connection: sqlite3.Connection) -> bool:
            row = _seen(connection, bucket, key)
            if row is None or _blobs_of(connection, row[1]) != wanted:
                return False
            return _delete(connection, bucket, key, ALWAYS)

        return await self._committer.run(mutation, touches=[("object", bucket, key)])


def replace(
    connection: sqlite3.Connection, record: ObjectRecord, condition: WriteCondition, *, adopted: Iterable[bytes] = ()
) -> None:
    """Make `record` current, inside a transaction. `adopted` are blobs that were a part's until now."""
    key = record.key.encode()
    bucket, old = _current(connection, record.bucket, key)
    _require(condition, old, record.bucket, record.key)
    packed = rows.pack_extents(record.extents)
    old_blobs = [] if old is None else _blobs_of(connection, old)
    if packed or old_blobs:
        _exchange_blobs(connection, old_blobs, rows.blob_ids(packed), adopted, record.key)
    if packed and bucket.durability == "relaxed":
        note_unsynced(connection, rows.blob_ids(packed))
    insert_object(connection, bucket, record, packed, old)


def insert_object(
    connection: sqlite3.Connection,
    bucket: BucketRow,
    record: ObjectRecord,
    packed: bytes | None,
    old: "_Row | None" = None,
) -> None:
    """Write the row and what does not fit it, inside a transaction, in the place of `old`."""
    data = record.inline or None
    extents, parts = (packed or b"", rows.pack_parts(record.parts)) if _is_wide(record) else (None, None)
    content = _place_content(connection, data, None if old is None else old.content)
    layout = _place_layout(connection, extents, parts, None if old is None else old.layout)
    values = (
        bucket.id,
        record.key.encode(),
        record.size,
        record.etag,
        record.modified_ms,
        None if record.version_id == NULL_VERSION else record.version_id,
        None if record.owner == bucket.owner else record.owner,
        None if record.storage_class == rows.STANDARD else record.storage_class,
        *rows.checksum_columns(record.checksum),
        content,
        packed if layout is None else None,
        layout,
        rows.pack_mapping(record.system),
        rows.pack_mapping(record.user),
        None,
        body_sum(data, extents, parts),
    )
    connection.execute(_PUT, (*values, row_sum("objects", values)))


def _is_wide(record: ObjectRecord) -> bool:
    return bool(record.parts) or len(record.extents) > 1


def _require(condition: WriteCondition, old: _Row | None, bucket: str, key: str) -> None:
    """Ask the condition of the current object. Of a damaged one nothing but its being there can be told."""
    if old is None or old.whole:
        require(condition, None if old is None else Current(old.etag, old.size, old.modified_ms), key)
    elif condition.if_none_match == "*":
        raise S3Error("PreconditionFailed", Condition="If-None-Match")
    elif condition not in (ALWAYS, WriteCondition(if_match="*")):
        raise DamagedRecordError(bucket, key, "the row differs from its checksum")


def _exchange_blobs(
    connection: sqlite3.Connection, old: Sequence[bytes], new: Sequence[bytes], adopted: Iterable[bytes], key: str
) -> None:
    """Note that an object refers to `new` instead of `old`. OperationAborted when a blob is somebody else's."""
    fresh = set(new).difference(adopted).difference(old)
    if any(is_known(connection, blob) for blob in fresh):
        raise S3Error("OperationAborted", Key=key)
    add_blobs(connection, fresh)
    bury(connection, set(old).difference(new))


def _place_layout(
    connection: sqlite3.Connection, extents: bytes | None, parts: str | None, old: int | None
) -> int | None:
    if old is not None:
        connection.execute("DELETE FROM layouts WHERE id = ?", (old,))
    if parts is None:
        return None
    return connection.execute("INSERT INTO layouts (extents, parts) VALUES (?, ?)", (extents, parts)).lastrowid


def _place_content(connection: sqlite3.Connection, data: bytes | None, old: int | None) -> int | None:
    update = "UPDATE contents SET data = ? WHERE id = ?"
    if data is not None and old is not None and connection.execute(update, (data, old)).rowcount:
        return old
    if data is not None:
        return connection.execute("INSERT INTO contents (data) VALUES (?)", (data,)).lastrowid
    if old is not None:
        connection.execute("DELETE FROM contents WHERE id = ?", (old,))
    return None


def _current(connection: sqlite3.Connection, bucket: str, key: bytes) -> tuple[BucketRow, _Row | None]:
    """Return the bucket and what it holds under `key`. NoSuchBucket.

    What a damaged row refers to is not touched: it may be another object's. It stays until the index is checked.
    """
    row = connection.execute(_CURRENT, (key, bucket)).fetchone()
    if row is None:
        raise S3Error("NoSuchBucket", BucketName=bucket)
    kept_sum, columns = row[3], row[4:]
    place = BucketRow._make(row[:3])
    if columns[0] is None:
        return place, None
    if row_sum("objects", columns) != kept_sum:
        return place, _DAMAGED_ROW
    size, etag, modified_ms = columns[2:5]
    return place, _Row(True, etag, size, modified_ms, *columns[11:14])  # noqa: FBT003  # a row's first column


def _seen(connection: sqlite3.Connection, bucket: str, key: str) -> tuple[BucketRow, _Row] | None:
    """Return the current object; None when there is none, or none that could be told from another."""
    try:
        place, row = _current(connection, bucket, key.encode())
    except S3Error:
        return None
    return None if row is None or not row.whole else (place, row)


def _is_same(connection: sqlite3.Connection, row: _Row, seen: ObjectRecord) -> bool:
    told = (row.etag, row.size, row.modified_ms) == (seen.etag, seen.size, seen.modified_ms)
    return told and _blobs_of(connection, row) == rows.blob_ids(rows.pack_extents(seen.extents))


def _blobs_of(connection: sqlite3.Connection, row: _Row) -> list[bytes]:
    if row.layout is None:
        return rows.blob_ids(row.extents)
    found = connection.execute("SELECT extents FROM layouts WHERE id = ?", (row.layout,)).fetchone()
    return [] if found is None else rows.blob_ids(found[0])


def _delete(connection: sqlite3.Connection, bucket: str, key: str, condition: WriteCondition) -> bool:
    encoded = key.encode()
    place, row = _current(connection, bucket, encoded)
    _require(condition, row, bucket, key)
    if row is None:
        return False
    bury(connection, _blobs_of(connection, row))
    connection.execute("DELETE FROM objects WHERE bucket = ? AND key = ?", (place.id, encoded))
    if row.content is not None:
        connection.execute("DELETE FROM contents WHERE id = ?", (row.content,))
    if row.layout is not None:
        connection.execute("DELETE FROM layouts WHERE id = ?", (row.layout,))
    return True

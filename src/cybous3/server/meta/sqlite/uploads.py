"""The multipart uploads in SQL."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

from cybous3.server.meta.port import DamagedRecord, UploadedPart, UploadPage, UploadQuery
from cybous3.server.meta.sqlite import rows
from cybous3.server.meta.sqlite.committer import Committer
from cybous3.server.meta.sqlite.garbage import add_blobs, bury, is_known, note_unsynced
from cybous3.server.meta.sqlite.objects import replace
from cybous3.server.meta.sqlite.places import find_bucket
from cybous3.server.meta.sqlite.reading import Reader
from cybous3.server.meta.sqlite.sums import row_sum
from cybous3.server.meta.sqlite.walking import PARTS, checked_part, walk_parts
from cybous3.server.meta.walk import BEYOND, Source, Walked, first_position, walk
from cybous3.server.model.objects import ObjectRecord, WriteCondition
from cybous3.server.model.uploads import Part, Upload
from cybous3.server.wire.errors import S3Error

_COLUMNS: Final = "token, created_ms, owner, initiator, storage_class, checksum_algorithm, checksum_type, system, user"
_CREATE: Final = (
    "INSERT INTO uploads (id, token, bucket, key, created_ms, owner, initiator, storage_class, checksum_algorithm, "
    "checksum_type, system, user, sealed, sum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
# As for buckets: the sum covers the id.
_NEXT_ID: Final = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'uploads'), 0) + 1"
_FIND: Final = (
    "SELECT u.id FROM uploads u JOIN buckets b ON b.id = u.bucket WHERE u.token = ? AND b.name = ? AND u.key = ?"
)
_GET: Final = (
    f"SELECT {_COLUMNS} FROM uploads WHERE token = ? AND key = ? AND bucket = "  # noqa: S608  # constants
    "(SELECT id FROM buckets WHERE name = ?)"
)
_LIST: Final = (
    f"SELECT CAST(key AS TEXT), {_COLUMNS} FROM uploads "  # noqa: S608  # constants
    "WHERE bucket = ? AND (key, created_ms, token) > (?, ?, ?) AND key < ? ORDER BY key, created_ms, token LIMIT ?"
)
_PUT_PART: Final = (
    "INSERT OR REPLACE INTO parts (upload, number, size, etag, modified_ms, checksum_algorithm, checksum_type, "
    "checksum, extents, sealed, sum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

_Position = tuple[bytes, int, str]  # exclusive: key, time of creation, id


class SqliteUploads:
    """`Uploads` of the port."""

    def __init__(self, reader: Reader, committer: Committer) -> None:
        self._reader = reader
        self._committer = committer

    async def create(self, upload: Upload) -> None:
        """See the port."""

        def mutation(connection: sqlite3.Connection) -> None:
            bucket = find_bucket(connection, upload.bucket)
            insert_upload(connection, bucket.id, upload)

        await self._committer.run(mutation, touches=(), bucket=upload.bucket)

    async def get(self, bucket: str, key: str, upload_id: str) -> Upload:
        """See the port."""
        row = self._reader.one(_GET, (upload_id, key.encode(), bucket))
        if row is None:
            raise _no_such(upload_id)
        return rows.upload_of(bucket, key, row)

    async def put_part(self, bucket: str, key: str, upload_id: str, part: Part) -> None:
        """See the port."""

        def mutation(connection: sqlite3.Connection) -> None:
            upload = _find(connection, bucket, key, upload_id)
            blobs = put_part(connection, upload, part)
            if blobs and find_bucket(connection, bucket).durability == "relaxed":
                note_unsynced(connection, blobs)

        await self._committer.run(mutation, touches=(), bucket=bucket)

    async def parts(
        self, bucket: str, key: str, upload_id: str, *, after: int = 0, limit: int = 10_000
    ) -> Sequence[Part]:
        """See the port."""
        with self._reader.snapshot():  # an abort that comes between would leave an upload without its parts
            found = self._reader.one(_FIND, (upload_id, bucket, key.encode()))
            if found is None:
                raise _no_such(upload_id)
            listed = self._reader.all(PARTS, (found[0], after, limit))
        return [checked_part(bucket, key, row) for row in listed]

    async def complete(
        self, upload: Upload, record: ObjectRecord, used: Iterable[int], condition: WriteCondition
    ) -> None:
        """See the port."""
        numbers = list(used)

        def mutation(connection: sqlite3.Connection) -> None:
            _complete(connection, upload, record, numbers, condition)

        await self._committer.run(mutation, touches=[("object", record.bucket, record.key)], bucket=record.bucket)

    async def abort(self, bucket: str, key: str, upload_id: str) -> None:
        """See the port."""

        def mutation(connection: sqlite3.Connection) -> None:
            _forget(connection, _find(connection, bucket, key, upload_id))

        await self._committer.run(mutation, touches=(), bucket=bucket)

    async def list(self, query: UploadQuery) -> UploadPage:
        """See the port."""
        with self._reader.snapshot():
            return self._list(query)

    async def walk(
        self, after: tuple[str, int] | None = None, limit: int = 100
    ) -> Sequence[UploadedPart | DamagedRecord]:
        """See the port."""
        return walk_parts(self._reader, after, limit)

    def _list(self, query: UploadQuery) -> UploadPage:
        bucket = self._reader.bucket(query.bucket)
        end = query.prefix.encode() + BEYOND

        def fetch(position: _Position, count: int) -> Sequence[tuple[Any, ...]]:
            return self._reader.all(_LIST, (bucket.id, *position, end, count))

        source: Source[_Position, tuple[Any, ...]] = Source(
            fetch, _position_of, lambda prefix: (prefix.encode() + BEYOND, -1, "")
        )
        page = walk(source, self._start(query), query.prefix, query.delimiter, query.limit)
        return _page(query.bucket, page)

    def _start(self, query: UploadQuery) -> _Position:
        """Return where the page begins. A marker that was aborted meanwhile begins its key anew.

        Shown twice, never skipped.
        """
        key = query.key_marker
        if key and query.upload_id_marker and key.startswith(query.prefix):
            row = self._reader.one(_GET, (query.upload_id_marker, key.encode(), query.bucket))
            return (key.encode(), -1 if row is None else row[1], query.upload_id_marker)
        return (first_position(query.prefix, query.delimiter, key), -1, "")


def insert_upload(connection: sqlite3.Connection, bucket_id: int, upload: Upload) -> int:
    """Add a row, inside a transaction, and return its id."""
    next_id: int = connection.execute(_NEXT_ID).fetchone()[0]
    values = (
        next_id,
        upload.id,
        bucket_id,
        upload.key.encode(),
        upload.created_ms,
        upload.owner,
        upload.initiator,
        upload.storage_class,
        upload.checksum_algorithm,
        upload.checksum_type,
        rows.pack_mapping(upload.system),
        rows.pack_mapping(upload.user),
        None,
    )
    connection.execute(_CREATE, (*values, row_sum("uploads", values)))
    return next_id


def _position_of(row: tuple[Any, ...]) -> _Position:
    return (row[0].encode(), row[2], row[1])


def _page(bucket: str, page: Walked[tuple[Any, ...]]) -> UploadPage:
    uploads = [rows.upload_of(bucket, row[0], row[1:]) for row in page.rows]
    if not page.more or page.last is None:
        return UploadPage(uploads, page.prefixes)
    if isinstance(page.last, str):
        return UploadPage(uploads, page.prefixes, page.last)
    return UploadPage(uploads, page.prefixes, page.last[0], page.last[1])


def _no_such(upload_id: str) -> S3Error:
    return S3Error("NoSuchUpload", UploadId=upload_id)


def _find(connection: sqlite3.Connection, bucket: str, key: str, upload_id: str) -> int:
    row = connection.execute(_FIND, (upload_id, bucket, key.encode())).fetchone()
    if row is None:
        raise _no_such(upload_id)
    found: int = row[0]
    return found


def put_part(connection: sqlite3.Connection, upload: int, part: Part) -> list[bytes]:
    """Add or replace a part, inside a transaction, and return its blobs. OperationAborted."""
    packed = rows.pack_extents(part.extents)
    blobs = rows.blob_ids(packed)
    if any(is_known(connection, blob) for blob in blobs):
        raise S3Error("OperationAborted")
    old = connection.execute(
        "SELECT extents FROM parts WHERE upload = ? AND number = ?", (upload, part.number)
    ).fetchone()
    add_blobs(connection, blobs)
    if old is not None:
        bury(connection, rows.blob_ids(old[0]))
    told = (part.number, part.size, part.etag, part.modified_ms, *rows.checksum_columns(part.checksum))
    values = (upload, *told, packed, None)
    connection.execute(_PUT_PART, (*values, row_sum("parts", values)))
    return blobs


def _complete(
    connection: sqlite3.Connection, upload: Upload, record: ObjectRecord, numbers: list[int], condition: WriteCondition
) -> None:
    row_id = _find(connection, upload.bucket, upload.key, upload.id)
    found: dict[int, bytes | None] = dict(
        connection.execute("SELECT number, extents FROM parts WHERE upload = ?", (row_id,)).fetchall()
    )
    if any(number not in found for number in numbers):
        raise S3Error("InvalidPart", UploadId=upload.id)
    kept = b"".join(found[number] or b"" for number in numbers)
    if kept != (rows.pack_extents([extent for extent in record.extents if extent.length]) or b""):
        raise S3Error("InvalidPart", UploadId=upload.id)
    replace(connection, record, condition, adopted=rows.blob_ids(kept))
    used = set(numbers)
    for number, extents in found.items():
        if number not in used:
            bury(connection, rows.blob_ids(extents))
    _drop(connection, row_id)


def _forget(connection: sqlite3.Connection, row_id: int) -> None:
    for (extents,) in connection.execute("SELECT extents FROM parts WHERE upload = ?", (row_id,)).fetchall():
        bury(connection, rows.blob_ids(extents))
    _drop(connection, row_id)


def _drop(connection: sqlite3.Connection, row_id: int) -> None:
    connection.execute("DELETE FROM parts WHERE upload = ?", (row_id,))
    connection.execute("DELETE FROM uploads WHERE id = ?", (row_id,))


def forget_uploads(connection: sqlite3.Connection, bucket_id: int) -> None:
    """Forget all uploads of a bucket, inside a transaction."""
    for (row_id,) in connection.execute("SELECT id FROM uploads WHERE bucket = ?", (bucket_id,)).fetchall():
        _forget(connection, row_id)

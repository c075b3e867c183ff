"""Whether an index agrees with itself: SQLite's own check, every row's sum, and what refers to what.

Rows are read one after the other. What has been referred to stands in a temporary database on disk, so a million
objects need no more memory than one. The index is only read; it may be in use, and is looked at in one state.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from cybous3.server.meta.sqlite import rows
from cybous3.server.meta.sqlite.errors import translated
from cybous3.server.meta.sqlite.sums import COVERED, body_sum, row_sum

PROBLEMS_MAX: Final = 10_000
_SHOWN_BY_SQLITE_MAX: Final = 100

_SEEN: Final = """
CREATE TABLE blobs (id BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE contents (id INTEGER PRIMARY KEY);
CREATE TABLE layouts (id INTEGER PRIMARY KEY);
"""
_COLUMNS: Final = {
    "users": "id, name, display_name, email, root",
    "access_keys": "access_key, user_id, sealed_secret, created_ms, buckets",
    "buckets": "id, name, owner, region, created_ms, versioning, durability",
    "uploads": "id, token, bucket, key, created_ms, owner, initiator, storage_class, checksum_algorithm, "
    "checksum_type, system, user, sealed",
    "parts": "upload, number, size, etag, modified_ms, checksum_algorithm, checksum_type, checksum, extents, sealed",
}
_OBJECTS: Final = (
    f"SELECT {rows.OBJECT_COLUMNS}, o.sum, b.name, c.data, l.extents, l.parts "  # noqa: S608  # constants
    "FROM objects o LEFT JOIN buckets b ON b.id = o.bucket "
    "LEFT JOIN contents c ON c.id = o.content LEFT JOIN layouts l ON l.id = o.layout"
)
_ORPHANS: Final = (
    ("upload", "SELECT token FROM uploads WHERE bucket NOT IN (SELECT id FROM buckets)", "its bucket is not there"),
    ("part", "SELECT number || ' of upload ' || upload FROM parts WHERE upload NOT IN (SELECT id FROM uploads)",
     "its upload is not there"),
    ("access key", "SELECT access_key FROM access_keys WHERE user_id NOT IN (SELECT id FROM users)",
     "its user is not there"),
    ("unsynced", "SELECT hex(blob) FROM unsynced WHERE blob NOT IN (SELECT id FROM blobs WHERE dead IS NULL)",
     "no object or part refers to the blob"),
)  # fmt: skip


class Problem(NamedTuple):
    """Something that does not agree."""

    kind: str  # "structure", "row", "object", "blob", "content", "layout", "upload", "part", "access key", "unsynced"
    name: str  # bucket/key of an object, hexadecimal id of a blob
    reason: str


def check(path: Path) -> list[Problem]:
    """Return what is wrong with the index at `path`, the first PROBLEMS_MAX of it; [] when all is well.

    OSError when it cannot be opened. What SQLite cannot make sense of ends that part of the check and is a problem.
    """
    try:
        with _opened(path) as connection:
            return list(islice(_problems(connection), PROBLEMS_MAX))
    except sqlite3.DatabaseError as error:
        found = translated(error)
        if isinstance(found, OSError):
            raise found from error
        return [Problem("structure", str(path), str(error))]


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
    try:
        connection.text_factory = _text
        connection.execute("PRAGMA query_only = ON")
        connection.execute("BEGIN")
        yield connection
    finally:
        connection.close()


def _text(data: bytes) -> str:
    """Return text; what is no UTF-8 differs from what was written, and the sum tells."""
    return data.decode(errors="backslashreplace")


def _problems(connection: sqlite3.Connection) -> Iterator[Problem]:
    seen = sqlite3.connect("", isolation_level=None)  # a temporary file, removed by the system
    try:
        seen.executescript(_SEEN)
        seen.execute("BEGIN")
        for part in (
            _structure(connection),
            _rows(connection),
            _objects(connection, seen),
            _parts(connection, seen),
            _blobs(connection, seen),
            _left_over(connection, seen),
            _orphans(connection),
        ):
            yield from _until_broken(part)
    finally:
        seen.close()


def _until_broken(part: Iterator[Problem]) -> Iterator[Problem]:
    try:
        yield from part
    except sqlite3.DatabaseError as error:
        yield Problem("structure", "index", str(error))


def _structure(connection: sqlite3.Connection) -> Iterator[Problem]:
    for (line,) in connection.execute(f"PRAGMA integrity_check({_SHOWN_BY_SQLITE_MAX})"):
        if line != "ok":
            yield Problem("structure", "index", str(line))


def _rows(connection: sqlite3.Connection) -> Iterator[Problem]:
    for table, columns in _COLUMNS.items():
        width = COVERED[table]
        for row in connection.execute(f"SELECT {columns}, sum FROM {table}"):  # noqa: S608  # constants
            if row_sum(table, row[:width]) != row[width]:
                yield Problem("row", f"{table} {row[0]} {row[1]}", "it differs from its checksum")


def _objects(connection: sqlite3.Connection, seen: sqlite3.Connection) -> Iterator[Problem]:
    for row in connection.execute(_OBJECTS):
        columns, others = row[: rows.OBJECT_WIDTH], row[rows.OBJECT_WIDTH :]
        kept_sum, bucket, _, extents, parts = others
        name = f"{bucket or f'bucket {columns[0]}'}/{columns[1].decode(errors='replace')}"
        for reason in _of_object(columns, others):
            yield Problem("object", name, reason)
        if row_sum("objects", columns) == kept_sum:
            for table, place in (("contents", columns[11]), ("layouts", columns[13])):
                if place is not None and not _note(seen, table, place):
                    yield Problem("object", name, f"another object has the same row of {table}")
            packed = columns[12] if parts is None else extents
            yield from _refer(connection, seen, name, packed)


def _of_object(columns: tuple[Any, ...], others: tuple[Any, ...]) -> Iterator[str]:
    kept_sum, bucket, *body = others
    if bucket is None:
        yield "its bucket is not there"
    if row_sum("objects", columns) != kept_sum:
        yield "the row differs from its checksum"
    elif body_sum(*body) != columns[-1]:
        yield "its content, extents or parts are not those that were written"


def _parts(connection: sqlite3.Connection, seen: sqlite3.Connection) -> Iterator[Problem]:
    for upload, number, extents in connection.execute("SELECT upload, number, extents FROM parts"):
        yield from _refer(connection, seen, f"part {number} of upload {upload}", extents)


def _refer(
    connection: sqlite3.Connection, seen: sqlite3.Connection, name: str, packed: bytes | None
) -> Iterator[Problem]:
    """Note the blobs that something refers to; each must be known, alive, and referred to once."""
    for blob in rows.blob_ids(packed):
        if not _note(seen, "blobs", blob):
            yield Problem("blob", blob.hex(), f"{name} refers to it, and something else does too")
        row = connection.execute("SELECT dead FROM blobs WHERE id = ?", (blob,)).fetchone()
        if row is None:
            yield Problem("blob", blob.hex(), f"{name} refers to it, and the table of blobs does not have it")
        elif row[0] is not None:
            yield Problem("blob", blob.hex(), f"{name} refers to it, and it waits to be deleted")


def _note(seen: sqlite3.Connection, table: str, key: object) -> bool:
    """Note something; return whether it is new."""
    return seen.execute(f"INSERT OR IGNORE INTO {table} VALUES (?)", (key,)).rowcount > 0  # noqa: S608  # constants


def _blobs(connection: sqlite3.Connection, seen: sqlite3.Connection) -> Iterator[Problem]:
    for (blob,) in connection.execute("SELECT id FROM blobs WHERE dead IS NULL"):
        if not _is_seen(seen, "blobs", blob):
            yield Problem("blob", blob.hex(), "nothing refers to it, and it does not wait to be deleted")


def _left_over(connection: sqlite3.Connection, seen: sqlite3.Connection) -> Iterator[Problem]:
    for table, kind in (("contents", "content"), ("layouts", "layout")):
        for (place,) in connection.execute(f"SELECT id FROM {table}"):  # noqa: S608  # constants
            if not _is_seen(seen, table, place):
                yield Problem(kind, str(place), "no object refers to it")


def _is_seen(seen: sqlite3.Connection, table: str, key: object) -> bool:
    found: Iterable[Any] | None = seen.execute(
        f"SELECT 1 FROM {table} WHERE id = ?",  # noqa: S608  # constants
        (key,),
    ).fetchone()
    return found is not None


def _orphans(connection: sqlite3.Connection) -> Iterator[Problem]:
    for kind, query, reason in _ORPHANS:
        for (name,) in connection.execute(query):
            yield Problem(kind, str(name), reason)

"""Where the rows of a damaged index stand, kept on disk: a million objects need no more memory than one."""

import sqlite3
import weakref
from collections.abc import Iterator
from typing import Final, NamedTuple

from cybous3.server.meta.sqlite.leaves import Place

_TABLES: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE objects (
    bucket INTEGER NOT NULL, key BLOB NOT NULL, modified_ms INTEGER NOT NULL, page INTEGER NOT NULL, cell INTEGER NOT
    NULL, PRIMARY KEY (bucket, key, modified_ms DESC, page, cell)
) WITHOUT ROWID;
CREATE TABLE contents (id INTEGER, page INTEGER, cell INTEGER, PRIMARY KEY (id, page, cell)) WITHOUT ROWID;
CREATE TABLE layouts (id INTEGER, page INTEGER, cell INTEGER, PRIMARY KEY (id, page, cell)) WITHOUT ROWID;
CREATE TABLE whole (bucket INTEGER, key BLOB, page INTEGER, cell INTEGER, PRIMARY KEY (bucket, key)) WITHOUT ROWID;
BEGIN;
"""


class Standing(NamedTuple):
    """An object's row and where it stands."""

    bucket: int
    key: bytes
    place: Place


class Places:
    """A temporary database that the system removes, at the latest when nobody refers to this any more."""

    def __init__(self) -> None:
        self._held = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self._held.close)
        self._held.executescript(_TABLES)

    def add_object(self, bucket: int, key: bytes, modified_ms: int, place: Place) -> None:
        """Note one row of an object; there may be several."""
        self._held.execute("INSERT INTO objects VALUES (?, ?, ?, ?, ?)", (bucket, key, modified_ms, *place))

    def add_body(self, table: str, number: int, place: Place) -> None:
        """Note a row of `contents` or `layouts`."""
        self._held.execute(f"INSERT INTO {table} VALUES (?, ?, ?)", (number, *place))  # noqa: S608  # one of two names

    def add_whole(self, one: Standing) -> None:
        """Note the row that counts of an object that is there with all that belongs to it."""
        self._held.execute("INSERT INTO whole VALUES (?, ?, ?, ?)", (one.bucket, one.key, *one.place))

    def objects(self) -> Iterator[Standing]:
        """Yield the rows by bucket and key, of each the one modified last first."""
        for bucket, key, page, cell in self._held.execute(
            "SELECT bucket, key, page, cell FROM objects ORDER BY bucket, key, modified_ms DESC, page, cell"
        ):
            yield Standing(bucket, key, Place(page, cell))

    def bodies(self, table: str, number: int) -> list[Place]:
        """Return where rows of `contents` or `layouts` of a number stand."""
        query = f"SELECT page, cell FROM {table} WHERE id = ?"  # noqa: S608  # one of two names
        return [Place(page, cell) for page, cell in self._held.execute(query, (number,))]

    def whole_buckets(self) -> list[int]:
        """Return the numbers of the buckets that have whole objects."""
        return [bucket for (bucket,) in self._held.execute("SELECT DISTINCT bucket FROM whole")]

    def count(self, bucket: int) -> int:
        """Return how many whole objects a bucket has."""
        count: int = self._held.execute("SELECT count(*) FROM whole WHERE bucket = ?", (bucket,)).fetchone()[0]
        return count

    def whole(self, bucket: int) -> Iterator[Standing]:
        """Yield the whole objects of a bucket by key."""
        query = "SELECT key, page, cell FROM whole WHERE bucket = ? ORDER BY key"
        for key, page, cell in self._held.execute(query, (bucket,)):
            yield Standing(bucket, key, Place(page, cell))

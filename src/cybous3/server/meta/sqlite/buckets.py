"""The buckets in SQL."""

import sqlite3
from collections.abc import Sequence
from typing import Final

from cybous3.server.meta.sqlite.committer import Committer
from cybous3.server.meta.sqlite.places import find_bucket
from cybous3.server.meta.sqlite.reading import Reader
from cybous3.server.meta.sqlite.remembered import Remembered
from cybous3.server.meta.sqlite.sums import row_sum
from cybous3.server.meta.sqlite.uploads import forget_uploads
from cybous3.server.model.buckets import Bucket, Durability
from cybous3.server.wire.errors import S3Error

_COLUMNS: Final = "name, owner, region, created_ms, durability"
_GET: Final = f"SELECT {_COLUMNS} FROM buckets WHERE name = ?"  # noqa: S608  # constants
_INSERT: Final = (
    "INSERT INTO buckets (id, name, owner, region, created_ms, versioning, durability, sum) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
# AUTOINCREMENT keeps the highest id there ever was; it is asked for first, because the sum covers the id too.
_NEXT_ID: Final = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'buckets'), 0) + 1"
_ROW: Final = "SELECT id, name, owner, region, created_ms, versioning FROM buckets WHERE id = ?"
_SET_DURABILITY: Final = "UPDATE buckets SET durability = ?, sum = ? WHERE id = ?"
_LIST: Final = f"SELECT {_COLUMNS} FROM buckets WHERE name > ? AND name >= ? AND name < ? "  # noqa: S608  # constants
_LIST_ALL: Final = _LIST + "ORDER BY name LIMIT ?"
_LIST_OWNED: Final = _LIST + "AND owner = ? ORDER BY name LIMIT ?"
_IN_USE: Final = (
    "SELECT EXISTS (SELECT 1 FROM objects WHERE bucket = ?1) OR EXISTS (SELECT 1 FROM older WHERE bucket = ?1)"
)
_BEYOND: Final = "\U0010ffff"  # behind every bucket name


class SqliteBuckets:
    """`Buckets` of the port."""

    def __init__(self, reader: Reader, committer: Committer, remembered: Remembered) -> None:
        self._reader = reader
        self._committer = committer
        self._remembered = remembered

    async def create(self, bucket: Bucket) -> None:
        """See the port."""

        def mutation(connection: sqlite3.Connection) -> None:
            taken = connection.execute("SELECT owner FROM buckets WHERE name = ?", (bucket.name,)).fetchone()
            if taken is not None:
                code = "BucketAlreadyOwnedByYou" if taken[0] == bucket.owner else "BucketAlreadyExists"
                raise S3Error(code, BucketName=bucket.name)
            insert_bucket(connection, bucket)

        await self._committer.run(mutation)

    async def get(self, name: str) -> Bucket:
        """See the port."""
        found = self.find(name)
        if found is None:
            raise S3Error("NoSuchBucket", BucketName=name)
        return found

    def find(self, name: str) -> Bucket | None:
        """Return the bucket, or None."""
        place = ("bucket", name)
        found: Bucket | None = self._remembered.recall(place)
        if found is None:
            row = self._reader.one(_GET, (name,))
            if row is not None:
                found = Bucket(*row)
                self._remembered.keep(place, found)
        return found

    async def list(
        self, owner: str | None, *, prefix: str = "", after: str = "", limit: int = 10_000
    ) -> Sequence[Bucket]:
        """See the port."""
        bounds = (after, prefix, prefix + _BEYOND)
        if owner is None:
            found = self._reader.all(_LIST_ALL, (*bounds, limit))
        else:
            found = self._reader.all(_LIST_OWNED, (*bounds, owner, limit))
        return [Bucket(*row) for row in found]

    async def set_durability(self, name: str, durability: Durability) -> None:
        """See the port."""

        def mutation(connection: sqlite3.Connection) -> None:
            place = find_bucket(connection, name)
            values = connection.execute(_ROW, (place.id,)).fetchone()
            sum_of_all = row_sum("buckets", (*values, durability))
            connection.execute(_SET_DURABILITY, (durability, sum_of_all, place.id))

        await self._committer.run(mutation)

    async def delete(self, name: str) -> None:
        """See the port."""

        def mutation(connection: sqlite3.Connection) -> None:
            bucket = find_bucket(connection, name)
            (in_use,) = connection.execute(_IN_USE, (bucket.id,)).fetchone()
            if in_use:
                raise S3Error("BucketNotEmpty", BucketName=name)
            forget_uploads(connection, bucket.id)
            connection.execute("DELETE FROM buckets WHERE id = ?", (bucket.id,))

        await self._committer.run(mutation)


def insert_bucket(connection: sqlite3.Connection, bucket: Bucket) -> int:
    """Add a row, inside a transaction, and return its id."""
    next_id: int = connection.execute(_NEXT_ID).fetchone()[0]
    values = (next_id, bucket.name, bucket.owner, bucket.region, bucket.created_ms, 0, bucket.durability)
    connection.execute(_INSERT, (*values, row_sum("buckets", values)))
    return next_id

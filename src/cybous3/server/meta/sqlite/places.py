"""Finding the bucket that everything else hangs on."""

import sqlite3
from typing import NamedTuple

from cybous3.server.wire.errors import S3Error


class BucketRow(NamedTuple):
    """A bucket as rows refer to it. Ids are never given twice, so an id outlives its bucket harmlessly."""

    id: int
    owner: str
    durability: str


def find_bucket(connection: sqlite3.Connection, name: str) -> BucketRow:
    """Return the bucket. NoSuchBucket."""
    row = connection.execute("SELECT id, owner, durability FROM buckets WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise S3Error("NoSuchBucket", BucketName=name)
    return BucketRow._make(row)

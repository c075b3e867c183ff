"""Buckets of a million keys in seconds: rows as the server writes them, without the server.

    python -m tests.support.fill DATA BUCKET COUNT [SHAPE]

DATA is a data directory or the index file of a server that does not run; the bucket is there already. All objects have
the same few bytes, kept inline. Shapes: `flat` ("k000000000"), `one` (all but ten under "all/"), `many` (a thousand
under each of "p000000/", ...).
"""

import sqlite3
import sys
from collections.abc import Callable, Mapping
from hashlib import md5
from pathlib import Path
from typing import Final

from cybous3.server.meta.sqlite.objects import insert_object
from cybous3.server.meta.sqlite.places import find_bucket
from cybous3.server.model.objects import Checksum, ObjectRecord

_ALONE: Final = 10
_UNDER_EACH: Final = 1000
_BEGIN_MS: Final = 1_700_000_000_000

SHAPES: Final[Mapping[str, Callable[[int], str]]] = {
    "flat": lambda number: f"k{number:09}",
    "one": lambda number: f"z{number:09}" if number < _ALONE else f"all/k{number:09}",
    "many": lambda number: f"p{number // _UNDER_EACH:06}/k{number:09}",
}


def fill(index: Path, bucket: str, count: int, shape: str = "flat", content: bytes = b"few bytes") -> None:
    """Add `count` keys of a shape to a bucket that exists, in one transaction that a crash may lose."""
    connection = sqlite3.connect(index, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -262144")
    place = find_bucket(connection, bucket)
    connection.execute("BEGIN IMMEDIATE")
    etag = md5(content, usedforsecurity=False).hexdigest()
    checksum = Checksum("CRC64NVME", "AAAAAAAAAAA=")
    for number in range(count):
        key, modified_ms = SHAPES[shape](number), _BEGIN_MS + number
        one = ObjectRecord(bucket, key, len(content), etag, modified_ms, place.owner, checksum=checksum, inline=content)
        insert_object(connection, place, one, None)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


if __name__ == "__main__":
    place, bucket, count, *rest = sys.argv[1:]
    index = Path(place)
    fill(index / "index.sqlite" if index.is_dir() else index, bucket, int(count), rest[0] if rest else "flat")

"""The tables of the index, as numbered migrations. A migration is never edited once released: the next one follows.

Keys are BLOBs of UTF-8, so their order is the order of their bytes and NUL is a character like any other. `objects`
holds the current version of each key and nothing else, so a listing of current objects never steps over old ones;
`older` holds what a versioned bucket keeps behind it, newest last in `seq`. An unversioned bucket holds version "null"
(stored as NULL).

Wide or rare columns stay out of the rows that a listing reads: the bytes of small objects are in `contents`, the
extents and parts of multipart objects in `layouts`. NULL stands for the usual value wherever there is one: the bucket's
owner, STANDARD, no metadata. `sealed` is the place of metadata that only the encryption at rest can open.

`blobs` has one row for each blob that anything refers to, so that "is it referenced" is a point lookup. A blob belongs
to one object or part; `dead` numbers those in the garbage queue, oldest first.
"""

import sqlite3
from typing import ClassVar, Final

from cybous3.core.errors import CybousError
from cybous3.server.meta.sqlite.sums import sql_sum

APPLICATION_ID: Final = 0x53334958  # "S3IX": what `file` shows of the database

_V1: Final = """
CREATE TABLE users (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, display_name TEXT NOT NULL, email TEXT NOT NULL,
    root INTEGER NOT NULL CHECK (root IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX users_email ON users (email) WHERE email <> '';

CREATE TABLE access_keys (
    access_key TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    sealed_secret BLOB NOT NULL, created_ms INTEGER NOT NULL, buckets TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX access_keys_user ON access_keys (user_id, created_ms, access_key);

CREATE TABLE buckets (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, region TEXT NOT NULL,
    created_ms INTEGER NOT NULL, versioning INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX buckets_owner ON buckets (owner, name);

CREATE TABLE contents (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
CREATE TABLE layouts (id INTEGER PRIMARY KEY, extents BLOB NOT NULL, parts TEXT NOT NULL) STRICT;

CREATE TABLE objects (
    bucket INTEGER NOT NULL, key BLOB NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, modified_ms INTEGER NOT NULL,
    version TEXT, owner TEXT, storage_class TEXT, checksum_algorithm TEXT, checksum_type TEXT, checksum TEXT,
    content INTEGER, extents BLOB, layout INTEGER, system TEXT, user TEXT, sealed BLOB,
    PRIMARY KEY (bucket, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE older (
    bucket INTEGER NOT NULL, key BLOB NOT NULL, seq INTEGER NOT NULL, marker INTEGER NOT NULL CHECK (marker IN (0, 1)),
    size INTEGER NOT NULL, etag TEXT NOT NULL, modified_ms INTEGER NOT NULL,
    version TEXT, owner TEXT, storage_class TEXT, checksum_algorithm TEXT, checksum_type TEXT, checksum TEXT,
    content INTEGER, extents BLOB, layout INTEGER, system TEXT, user TEXT, sealed BLOB,
    PRIMARY KEY (bucket, key, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE uploads (
    id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL UNIQUE, bucket INTEGER NOT NULL, key BLOB NOT NULL,
    created_ms INTEGER NOT NULL, owner TEXT NOT NULL, initiator TEXT NOT NULL, storage_class TEXT NOT NULL,
    checksum_algorithm TEXT, checksum_type TEXT, system TEXT, user TEXT, sealed BLOB
) STRICT;
CREATE INDEX uploads_place ON uploads (bucket, key, created_ms, token);

CREATE TABLE parts (
    upload INTEGER NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, modified_ms INTEGER NOT
    NULL, checksum_algorithm TEXT, checksum_type TEXT, checksum TEXT, extents BLOB, sealed BLOB, PRIMARY KEY (upload,
    number)
) STRICT, WITHOUT ROWID;

CREATE TABLE blobs (id BLOB PRIMARY KEY, dead INTEGER) STRICT, WITHOUT ROWID;
CREATE INDEX blobs_dead ON blobs (dead) WHERE dead IS NOT NULL;

CREATE TABLE probe (id INTEGER PRIMARY KEY CHECK (id = 1), value INTEGER NOT NULL) STRICT;
INSERT INTO probe VALUES (1, 0);
"""

# Every row that says something gets a sum (`sums`). What little there is of accounts and buckets stands in the file
# twice: an index over all the columns of a table is a copy of it on other pages, and SQLite keeps it.
# `body` is the sum of what `contents` and `layouts` hold of an object; `damaged` is why it is in quarantine.
_V2: Final = """
CREATE TABLE users_2 (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, display_name TEXT NOT NULL, email TEXT NOT NULL,
    root INTEGER NOT NULL CHECK (root IN (0, 1)), sum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO users_2 SELECT *, row_sum('users', id, name, display_name, email, root) FROM users;

CREATE TABLE access_keys_2 (
    access_key TEXT PRIMARY KEY, user_id TEXT NOT NULL,
    sealed_secret BLOB NOT NULL, created_ms INTEGER NOT NULL, buckets TEXT, sum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO access_keys_2
    SELECT *, row_sum('access_keys', access_key, user_id, sealed_secret, created_ms, buckets) FROM access_keys;

CREATE TABLE buckets_2 (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, region TEXT NOT NULL,
    created_ms INTEGER NOT NULL, versioning INTEGER NOT NULL,
    durability TEXT NOT NULL CHECK (durability IN ('strict', 'relaxed', 'none')), sum INTEGER NOT NULL
) STRICT;
INSERT INTO buckets_2
    SELECT *, 'strict', row_sum('buckets', id, name, owner, region, created_ms, versioning, 'strict') FROM buckets;

DROP TABLE access_keys;
DROP TABLE users;
DROP TABLE buckets;
DROP TABLE objects;
DROP TABLE uploads;
DROP TABLE parts;
ALTER TABLE users_2 RENAME TO users;
ALTER TABLE access_keys_2 RENAME TO access_keys;
ALTER TABLE buckets_2 RENAME TO buckets;
CREATE UNIQUE INDEX users_email ON users (email) WHERE email <> '';
CREATE INDEX users_copy ON users (name, display_name, email, root, sum);
CREATE INDEX access_keys_user ON access_keys (user_id, created_ms, access_key);
CREATE INDEX access_keys_copy ON access_keys (user_id, sealed_secret, created_ms, buckets, sum);
CREATE INDEX buckets_owner ON buckets (owner, name);
CREATE INDEX buckets_copy ON buckets (name, owner, region, created_ms, versioning, durability, sum);

CREATE TABLE objects (
    bucket INTEGER NOT NULL, key BLOB NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, modified_ms INTEGER NOT NULL,
    version TEXT, owner TEXT, storage_class TEXT, checksum_algorithm TEXT, checksum_type TEXT, checksum TEXT,
    content INTEGER, extents BLOB, layout INTEGER, system TEXT, user TEXT, sealed BLOB, body INTEGER,
    sum INTEGER NOT NULL, damaged TEXT,
    PRIMARY KEY (bucket, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX objects_damaged ON objects (bucket, key) WHERE damaged IS NOT NULL;

CREATE TABLE uploads (
    id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL UNIQUE, bucket INTEGER NOT NULL, key BLOB NOT NULL,
    created_ms INTEGER NOT NULL, owner TEXT NOT NULL, initiator TEXT NOT NULL, storage_class TEXT NOT NULL,
    checksum_algorithm TEXT, checksum_type TEXT, system TEXT, user TEXT, sealed BLOB, sum INTEGER NOT NULL
) STRICT;
CREATE INDEX uploads_place ON uploads (bucket, key, created_ms, token);

CREATE TABLE parts (
    upload INTEGER NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, modified_ms INTEGER NOT
    NULL, checksum_algorithm TEXT, checksum_type TEXT, checksum TEXT, extents BLOB, sealed BLOB, sum INTEGER NOT NULL,
    PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE unsynced (seq INTEGER PRIMARY KEY, blob BLOB NOT NULL UNIQUE) STRICT;
CREATE TABLE holds (name TEXT PRIMARY KEY, until_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE scrub (
    id INTEGER PRIMARY KEY CHECK (id = 1), position TEXT NOT NULL, started_ms INTEGER NOT NULL, finished_ms INTEGER,
    objects INTEGER NOT NULL, bytes INTEGER NOT NULL, damaged INTEGER NOT NULL
) STRICT;
"""

MIGRATIONS: Final = (_V1, _V2)
"""What takes an index from version n to n + 1 stands at position n."""


class IndexTooNewError(CybousError):
    """The index was written by a later release: this one would not know what it means."""

    exit_code: ClassVar[int] = 13


class IndexTooOldError(CybousError):
    """The index was written before rows had sums, and it refers to objects."""

    exit_code: ClassVar[int] = 13


def _refuse_unsummed(connection: sqlite3.Connection) -> None:
    """Refuse what schema 2 could take over only by reading all of it. No release wrote such an index."""
    for table in ("objects", "uploads", "blobs"):
        if connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone():  # noqa: S608  # constants
            raise IndexTooOldError(
                "the index has schema 1, whose objects say nothing of themselves that could be checked",
                hint="copy the objects to a new data directory with the version that wrote them",
            )


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the index to the newest schema, one transaction a step. Call under the writer lock.

    No step reads objects: a start takes as long with a million as with none. IndexTooNewError, IndexTooOldError.
    """
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise IndexTooNewError(
            f"the index has schema {version}, this release knows {len(MIGRATIONS)}",
            hint="start the release that wrote it",
        )
    if version == 1:
        _refuse_unsummed(connection)
    connection.create_function("row_sum", -1, sql_sum, deterministic=True)
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{script}\n"
            f"PRAGMA application_id={APPLICATION_ID};\nPRAGMA user_version={number};\nCOMMIT;"
        )

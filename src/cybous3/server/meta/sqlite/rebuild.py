"""A new index from values, as `salvage` and the labels of the blobs give them."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from cybous3.disk.files import SYSTEM
from cybous3.server.meta.sqlite import rows
from cybous3.server.meta.sqlite.accounts import insert_key, insert_user
from cybous3.server.meta.sqlite.buckets import insert_bucket
from cybous3.server.meta.sqlite.errors import translated
from cybous3.server.meta.sqlite.garbage import add_blobs, is_known
from cybous3.server.meta.sqlite.index import make_private
from cybous3.server.meta.sqlite.log import PAGE_BYTES
from cybous3.server.meta.sqlite.objects import insert_object
from cybous3.server.meta.sqlite.places import BucketRow
from cybous3.server.meta.sqlite.salvage import Lost, Salvaged
from cybous3.server.meta.sqlite.schema import migrate
from cybous3.server.meta.sqlite.snapshot import publish
from cybous3.server.meta.sqlite.uploads import insert_upload, put_part
from cybous3.server.model.objects import ObjectRecord
from cybous3.server.wire.errors import S3Error


def build(path: Path, salvaged: Salvaged) -> Sequence[Lost]:
    """Make the new index at `path`, durably, and return what could not be taken in and why.

    Objects are read one after the other and not kept. Of two objects or parts that claim one blob the first has it, of
    two objects of one key likewise. Strays are not taken in: give their buckets names and put them among the objects.
    Until it is whole it has another name. FileExistsError; OSError.
    """
    for taken in (path, path.with_name(f"{path.name}-wal")):
        if taken.exists():
            raise FileExistsError(f"{str(taken)!r} exists already")
    aside = path.with_name(f"{path.name}.part")
    SYSTEM.unlink(aside)
    make_private(aside)
    try:
        with _filling(aside) as connection:
            lost = _fill(connection, salvaged)
        publish(aside, path)
    except sqlite3.Error as error:
        raise translated(error) from error
    finally:
        for name in (aside, aside.with_name(f"{aside.name}-journal")):
            SYSTEM.unlink(name)
    return lost


@contextmanager
def _filling(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = OFF")  # a crash leaves a file that has no name
        connection.execute("PRAGMA synchronous = OFF")  # one sync for all, before it gets its name
        migrate(connection)
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
    finally:
        connection.close()


def _fill(connection: sqlite3.Connection, salvaged: Salvaged) -> list[Lost]:
    lost: list[Lost] = []
    for user in salvaged.users:
        _try(lost, "user", user.name, partial(insert_user, connection, user))
    for key in salvaged.keys:
        _try(lost, "access key", key.access_key, partial(insert_key, connection, key))
    places: dict[str, BucketRow] = {}
    for bucket in salvaged.buckets:
        if bucket.name not in places:
            place = insert_bucket(connection, bucket)
            places[bucket.name] = BucketRow(place, bucket.owner, bucket.durability)
    for record in salvaged.objects:
        reason = _take_object(connection, places.get(record.bucket), record)
        if reason:
            lost.append(Lost("object", f"{record.bucket}/{record.key}", reason))
    _fill_uploads(connection, salvaged, places, lost)
    return lost


def _try(lost: list[Lost], kind: str, name: str, insert: Callable[[], None]) -> None:
    try:
        insert()
    except sqlite3.IntegrityError as error:
        lost.append(Lost(kind, name, str(error)))


def _take_object(connection: sqlite3.Connection, place: BucketRow | None, record: ObjectRecord) -> str:
    """Add an object and return ""; or why it cannot be."""
    if place is None:
        return "its bucket is not there"
    packed = rows.pack_extents(record.extents)
    blobs = rows.blob_ids(packed)
    if any(is_known(connection, blob) for blob in blobs):
        return "another object has its bytes"
    known = connection.execute("SELECT 1 FROM objects WHERE bucket = ? AND key = ?", (place.id, record.key.encode()))
    if known.fetchone():
        return "there is another object of the same key"
    add_blobs(connection, blobs)
    insert_object(connection, place, record, packed)
    return ""


def _fill_uploads(
    connection: sqlite3.Connection, salvaged: Salvaged, places: dict[str, BucketRow], lost: list[Lost]
) -> None:
    uploads: dict[str, int] = {}
    for upload in salvaged.uploads:
        if upload.bucket in places and upload.id not in uploads:
            uploads[upload.id] = insert_upload(connection, places[upload.bucket].id, upload)
        else:
            lost.append(Lost("upload", upload.id, "its bucket is not there"))
    for one in salvaged.parts:
        try:
            put_part(connection, uploads[one.upload_id], one.part)
        except (KeyError, S3Error) as error:
            reason = "its upload is not there" if isinstance(error, KeyError) else "another part has its bytes"
            lost.append(Lost("part", f"{one.part.number} of upload {one.upload_id}", reason))

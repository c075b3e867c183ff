"""What can still be read of an index, whatever happened to its files.

`salvage` never raises because of what the files hold, and it only reads them. It returns every row whose page, and
pages the row goes on in, are as they were written, and no row whose sum says otherwise. It does not trust the trees.

What it cannot know:

- What stood on a page that is gone. It says that the page cannot be read, if a page above names it, and no more.
- Whether a row was deleted, when its old page was freed and the list of free pages is gone too: SQLite does not wipe
  such pages. Pages that are known to be free are left out. Of several rows of one key the one modified last counts.
- Whether what a power cut took from the end of the log was ever acknowledged.
- That an object was in quarantine: its bytes will tell again.

Buckets, users and access keys stand in the file twice, on different pages; either is enough. An object whose bucket is
lost in both places is returned as a stray, by the number of its bucket.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

from cybous3.server.meta.port import UploadedPart
from cybous3.server.meta.sqlite import leaves, rows
from cybous3.server.meta.sqlite.accounts import key_of, user_of
from cybous3.server.meta.sqlite.leaves import INDEX_INNER, INDEX_LEAF, TABLE_LEAF, Pages, Place
from cybous3.server.meta.sqlite.spill import Places
from cybous3.server.meta.sqlite.sums import COVERED, body_sum, row_sum
from cybous3.server.model.accounts import AccessKey, User
from cybous3.server.model.buckets import Bucket
from cybous3.server.model.objects import ObjectRecord
from cybous3.server.model.uploads import Upload

_Values = tuple[Any, ...]
_CONTENT_WIDTH: Final = 2
_LAYOUT_WIDTH: Final = 3
_QUEUE_WIDTH: Final = 2
_BLOB_ID: Final = 16


class Lost(NamedTuple):
    """Something that is known to be missing. `name` is a bucket and key, a page, a file."""

    kind: str
    name: str
    reason: str


class _Shape(NamedTuple):
    """How the rows of a table stand in a tree: the order of its columns there; -1 is the rowid, and the sum is last."""

    table: str
    kinds: tuple[int, ...]
    width: int
    order: tuple[int, ...]


def _shape(table: str, *order: int, width: int, rowid: bool = False) -> _Shape:
    kinds = (TABLE_LEAF,) if rowid else (INDEX_LEAF, INDEX_INNER)
    usual = tuple(range(COVERED[table] + 1))
    return _Shape(table, kinds, width, order or ((-1, *usual[1:]) if rowid else usual))


_SHAPES: Final = (
    _shape("users", width=6),
    _shape("users", 5, 0, 1, 2, 3, 4, width=6),  # users_copy
    _shape("access_keys", width=6),
    _shape("access_keys", 5, 0, 1, 2, 3, 4, width=6),  # access_keys_copy
    _shape("buckets", width=8, rowid=True),
    _shape("buckets", 7, 0, 1, 2, 3, 4, 5, 6, width=8),  # buckets_copy
    _shape("objects", width=20),
    _shape("uploads", width=14, rowid=True),
    _shape("parts", width=11),
)
_OBJECTS: Final = next(shape for shape in _SHAPES if shape.table == "objects")
_OWN_WIDTHS: Final = frozenset((kind, shape.width) for shape in _SHAPES for kind in shape.kinds)


@dataclass(frozen=True)
class Salvaged:
    """The values of an index. `objects` and `strays` read them again at each turn and hold one at a time."""

    buckets: Sequence[Bucket] = ()
    users: Sequence[User] = ()
    keys: Sequence[AccessKey] = ()
    objects: Iterable[ObjectRecord] = ()  # by bucket and key
    uploads: Sequence[Upload] = ()
    parts: Sequence[UploadedPart] = ()
    strays: Iterable[tuple[int, ObjectRecord]] = ()  # objects of buckets that are lost; owner "" is the bucket's
    doomed: frozenset[str] = frozenset()  # blobs that nothing referred to any more: what was deleted stays so
    lost: Sequence[Lost] = ()


@dataclass
class _Found:
    """What a scan of the pages found, by primary key: values of the small tables, places of the large ones."""

    small: dict[str, dict[Any, _Values]] = field(default_factory=dict)
    doomed: set[bytes] = field(default_factory=set)
    places: Places = field(default_factory=Places)
    lost: list[Lost] = field(default_factory=list)


class _Objects:
    """Objects of some buckets, read from where they stand."""

    def __init__(self, source: "_Source", buckets: Sequence[int]) -> None:
        self._source = source
        self._buckets = buckets

    def __len__(self) -> int:
        return sum(self._source.places.count(bucket) for bucket in self._buckets)

    def __iter__(self) -> Iterator[ObjectRecord]:
        for _, record in self._source.records(self._buckets):
            yield record


class _Strays(_Objects):
    def __iter__(self) -> Iterator[tuple[int, ObjectRecord]]:  # type: ignore[override]  # a stray has a number instead of a bucket
        return self._source.records(self._buckets)


class _Source:
    """Opens the files for as long as they are read."""

    def __init__(self, path: Path, places: Places, buckets: Mapping[int, Bucket]) -> None:
        self._path = path
        self.places: Final = places
        self._buckets = buckets

    def records(self, buckets: Sequence[int]) -> Iterator[tuple[int, ObjectRecord]]:
        pages = Pages(self._path)
        try:
            for bucket in buckets:
                for one in self.places.whole(bucket):
                    yield bucket, self._record(pages, *one)
        finally:
            pages.close()

    def _record(self, pages: Pages, bucket: int, key: bytes, place: Place) -> ObjectRecord:
        values = _normal(_OBJECTS, *leaves.row_at(pages, place))
        body = find_body(pages, self.places, values)
        held = self._buckets.get(bucket)
        name, owner = ("", "") if held is None else (held.name, held.owner)
        others = (None, owner, *(body or (None, None, None)))
        return rows.build_record(name, key.decode(), values[: rows.OBJECT_WIDTH], others)


def salvage(path: Path) -> Salvaged:
    """Return what can be read of the index at `path` and of the log beside it. OSError when they cannot be opened."""
    pages = Pages(path)
    try:
        if not pages.present:
            return Salvaged(lost=[Lost("file", str(path), "there is no such file, and no log beside it")])
        found = _scan(pages)
        buckets = {number: _bucket_of(values) for number, values in found.small["buckets"].items()}
        _judge_objects(pages, found, buckets)
        _note_losses(pages, found)
    finally:
        pages.close()
    source = _Source(path, found.places, buckets)
    held = found.places.whole_buckets()
    known = sorted((number for number in held if number in buckets), key=lambda number: buckets[number].name)
    uploads, parts = _uploads(found, buckets)
    return Salvaged(
        buckets=sorted(buckets.values(), key=lambda bucket: bucket.name),
        users=sorted((user_of(values[:5]) for values in found.small["users"].values()), key=lambda user: user.name),
        keys=[key_of(values[:5]) for _, values in sorted(found.small["access_keys"].items())],
        objects=_Objects(source, known),
        uploads=uploads,
        parts=parts,
        strays=_Strays(source, [number for number in held if number not in buckets]),
        doomed=frozenset(blob.hex() for blob in found.doomed),
        lost=found.lost,
    )


def _bucket_of(values: _Values) -> Bucket:
    _, name, owner, region, created_ms, _, durability, _ = values
    return Bucket(name, owner, region, created_ms, durability)


def _scan(pages: Pages) -> _Found:
    found = _Found(small={table: {} for table in COVERED})
    referred: set[int] = set()
    listed = leaves.free_pages(pages)
    for number in pages.numbers():
        if number not in listed:
            referred.update(leaves.children(pages.read(number), number))
    free = listed - referred - _roots(pages)
    for number in pages.numbers():
        if number not in free:
            _scan_page(pages, number, found)
    for number in sorted(referred - free):
        if number > pages.count or not leaves.kind_of(pages.read(number), number):
            found.lost.append(Lost("page", str(number), "it cannot be read, nor what stood on it"))
    return found


def _roots(pages: Pages) -> set[int]:
    """Return the pages that the schema names, as far as it can be read."""
    return {
        values[3]
        for number in (1, *leaves.children(pages.read(1), 1))
        for _, _, _, values in leaves.rows_of(pages, number)
        if values is not None and len(values) == 5 and isinstance(values[3], int)  # noqa: PLR2004  # sqlite_schema
    }


def _scan_page(pages: Pages, number: int, found: _Found) -> None:
    bad = 0
    for place, kind, rowid, values in leaves.rows_of(pages, number):
        if values is None or not _take(found, place, kind, rowid, values):
            bad += 1
    if bad:
        found.lost.append(Lost("rows", f"page {number}", f"{bad} rows are not what was written"))


def _take(found: _Found, place: Place, kind: int, rowid: int, values: _Values) -> bool:
    """Note a row; return whether it is what was written, or none of those that say so."""
    for shape in _SHAPES:
        if (
            kind in shape.kinds
            and len(values) == shape.width
            and _is_whole(shape, row := _normal(shape, rowid, values))
        ):
            _keep(found, shape.table, place, row)
            return True
    if kind == TABLE_LEAF and len(values) == _CONTENT_WIDTH and isinstance(values[1], bytes):
        found.places.add_body("contents", rowid, place)
    if kind == TABLE_LEAF and len(values) == _LAYOUT_WIDTH and isinstance(values[1], bytes):
        found.places.add_body("layouts", rowid, place)
    if kind in (INDEX_LEAF, INDEX_INNER) and len(values) == _QUEUE_WIDTH:
        _note_doomed(found, values)
    return (kind, len(values)) not in _OWN_WIDTHS


def _note_doomed(found: _Found, values: _Values) -> None:
    """Take note of a row of `blobs` or `blobs_dead`, however old it is.

    An id is never used again, so to a blob that was in the queue once nothing refers any more.
    """
    for blob, dead in (values, values[::-1]):
        if isinstance(blob, bytes) and len(blob) == _BLOB_ID and isinstance(dead, int):
            found.doomed.add(blob)


def _normal(shape: _Shape, rowid: int, values: _Values) -> _Values:
    """Return the columns in the order of the table, the sum last."""
    return tuple(rowid if index < 0 else values[index] for index in shape.order)


def _is_whole(shape: _Shape, row: _Values) -> bool:
    kept: object = row[-1]
    return row_sum(shape.table, row[:-1]) == kept


def _keep(found: _Found, table: str, place: Place, row: _Values) -> None:
    if table == "objects":
        found.places.add_object(row[0], row[1], row[4], place)
        return
    key = row[:2] if table == "parts" else row[0]
    known = found.small[table].get(key)
    if known is None or (table == "parts" and known[4] < row[4]):
        found.small[table][key] = row


def _judge_objects(pages: Pages, found: _Found, buckets: Mapping[int, Bucket]) -> None:
    """Note of each object the row modified last of those that have all that belongs to them."""
    for (bucket, key), candidates in groupby(found.places.objects(), key=lambda one: (one.bucket, one.key)):
        for one in candidates:
            values = _normal(_OBJECTS, *leaves.row_at(pages, one.place))
            if find_body(pages, found.places, values) is not None:
                found.places.add_whole(one)
                break
        else:
            name = buckets[bucket].name if bucket in buckets else f"bucket {bucket}"
            found.lost.append(
                Lost("object", f"{name}/{key.decode(errors='replace')}", "its content is not what was written")
            )


def find_body(pages: Pages, places: Places, values: _Values) -> tuple[bytes | None, bytes | None, str | None] | None:
    """Return content, extents and parts of an object; None when they are not there as they were written."""
    content, layout, wanted = values[11], values[13], values[rows.OBJECT_WIDTH - 1]
    datas = [None] if content is None else _values_at(pages, places.bodies("contents", content))
    lays = [None] if layout is None else _values_at(pages, places.bodies("layouts", layout))
    for data in datas:
        for lay in lays:
            body = (None if data is None else data[1], *((None, None) if lay is None else lay[1:3]))
            if body_sum(*body) == wanted:
                return body
    return None


def _values_at(pages: Pages, places: Iterable[Place]) -> list[Any]:
    return [leaves.row_at(pages, place)[1] for place in places]


def _uploads(found: _Found, buckets: Mapping[int, Bucket]) -> tuple[list[Upload], list[UploadedPart]]:
    uploads: dict[int, Upload] = {}
    for number, values in sorted(found.small["uploads"].items()):
        token, bucket, key, *columns = values[1:12]
        if bucket in buckets:
            uploads[number] = rows.upload_of(buckets[bucket].name, key.decode(), (token, *columns))
        else:
            found.lost.append(Lost("upload", token, "its bucket is lost"))
    parts = []
    for (number, _), values in sorted(found.small["parts"].items()):
        upload = uploads.get(number)
        if upload is None:
            found.lost.append(Lost("part", f"{values[1]} of upload {number}", "its upload is lost"))
        else:
            parts.append(UploadedPart(upload.bucket, upload.key, upload.id, rows.part_of(values[1:9])))
    return list(uploads.values()), parts


def _note_losses(pages: Pages, found: _Found) -> None:
    if pages.bad_frames:
        found.lost.append(Lost("log", f"{pages.bad_frames} frames", "they are not what was written"))
    if pages.missing_frames:
        found.lost.append(Lost("log", f"{pages.missing_frames} frames", "they are gone, with what was written last"))
    found.lost += [Lost("page", str(page), "the medium does not give it back") for page in sorted(pages.unreadable)]

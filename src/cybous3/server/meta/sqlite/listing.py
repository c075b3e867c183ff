"""Pages of current objects in SQL: the rows of one listing, read where they stand in the table."""

from collections.abc import Sequence
from typing import Any, Final

from cybous3.server.meta.port import ListPage, ListQuery
from cybous3.server.meta.sqlite.reading import Reader
from cybous3.server.meta.walk import BEYOND, Source, first_position, walk
from cybous3.server.model.objects import ObjectSummary

_LIST: Final = (
    "SELECT CAST(key AS TEXT), size, etag, modified_ms, coalesce(owner, ?), coalesce(storage_class, 'STANDARD'), "
    "checksum_algorithm, checksum_type, coalesce(version, 'null') "
    "FROM objects WHERE bucket = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?"
)


def list_page(reader: Reader, query: ListQuery) -> ListPage:
    """Return one page of one state of the index. NoSuchBucket."""
    with reader.snapshot():
        return _page(reader, query)


def _page(reader: Reader, query: ListQuery) -> ListPage:
    bucket = reader.bucket(query.bucket)
    end = query.prefix.encode() + BEYOND

    def fetch(position: bytes, count: int) -> Sequence[tuple[Any, ...]]:
        return reader.all(_LIST, (bucket.owner, bucket.id, position, end, count))

    source: Source[bytes, tuple[Any, ...]] = Source(
        fetch, lambda row: row[0].encode() + b"\0", lambda prefix: prefix.encode() + BEYOND
    )
    start = first_position(query.prefix, query.delimiter, query.after)
    page = walk(source, start, query.prefix, query.delimiter, query.limit)
    return ListPage([ObjectSummary._make(row) for row in page.rows], page.prefixes, _next_after(page.last, page.more))


def _next_after(last: tuple[Any, ...] | str | None, more: bool) -> str:  # noqa: FBT001  # the two halves of one answer
    if not more or last is None:
        return ""
    return last if isinstance(last, str) else last[0]

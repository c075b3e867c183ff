"""Buckets and objects in memory."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from cybous3.server.meta.conditions import Current, require
from cybous3.server.meta.memory.state import BucketState, State
from cybous3.server.meta.port import DamagedRecord, ListPage, ListQuery
from cybous3.server.meta.walk import BEYOND, Source, first_position, walk
from cybous3.server.model.buckets import Bucket, Durability
from cybous3.server.model.objects import ALWAYS, Extent, ObjectRecord, ObjectSummary, WriteCondition
from cybous3.server.wire.errors import S3Error


class MemoryBuckets:
    """`Buckets` of the port."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def create(self, bucket: Bucket) -> None:
        """See the port."""
        taken = self._state.buckets.get(bucket.name)
        if taken is not None:
            code = "BucketAlreadyOwnedByYou" if taken.bucket.owner == bucket.owner else "BucketAlreadyExists"
            raise S3Error(code, BucketName=bucket.name)
        self._state.buckets[bucket.name] = BucketState(bucket)
        self._state.waiting = False

    async def get(self, name: str) -> Bucket:
        """See the port."""
        return self._state.bucket(name).bucket

    async def list(
        self, owner: str | None, *, prefix: str = "", after: str = "", limit: int = 10_000
    ) -> Sequence[Bucket]:
        """See the port."""
        return [
            state.bucket
            for name, state in sorted(self._state.buckets.items())
            if name.startswith(prefix) and name > after and owner in (None, state.bucket.owner)
        ][:limit]

    async def set_durability(self, name: str, durability: Durability) -> None:
        """See the port."""
        held = self._state.bucket(name)
        held.bucket = replace(held.bucket, durability=durability)
        self._state.waiting = False

    async def delete(self, name: str) -> None:
        """See the port."""
        if self._state.bucket(name).objects:
            raise S3Error("BucketNotEmpty", BucketName=name)
        for upload_id, held in list(self._state.uploads.items()):
            if held.upload.bucket == name:
                for part in held.parts.values():
                    self._state.bury(part.extents)
                del self._state.uploads[upload_id]
        del self._state.buckets[name]


class MemoryObjects:
    """`Objects` of the port."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def put(self, record: ObjectRecord, condition: WriteCondition) -> None:
        """See the port."""
        put_record(self._state, record, condition)

    async def get(self, bucket: str, key: str) -> ObjectRecord:
        """See the port."""
        record = self._state.bucket(bucket).objects.get(key)
        if record is None:
            raise S3Error("NoSuchKey", Key=key)
        return record

    async def delete(self, bucket: str, key: str, condition: WriteCondition) -> bool:
        """See the port."""
        return self._delete(bucket, key, condition)

    async def delete_many(self, bucket: str, keys: Sequence[tuple[str, WriteCondition]]) -> Sequence[Exception | None]:
        """See the port."""
        self._state.bucket(bucket)
        return [self._try_delete(bucket, key, condition) for key, condition in keys]

    async def list(self, query: ListQuery) -> ListPage:
        """See the port."""
        held = self._state.bucket(query.bucket)
        end = bisect_left(held.keys, query.prefix.encode() + BEYOND)

        def fetch(position: bytes, count: int) -> Sequence[ObjectSummary]:
            begin = bisect_left(held.keys, position)
            return [_summary(held.objects[key.decode()]) for key in held.keys[begin : min(end, begin + count)]]

        source: Source[bytes, ObjectSummary] = Source(
            fetch, lambda row: row.key.encode() + b"\0", lambda prefix: prefix.encode() + BEYOND
        )
        start = first_position(query.prefix, query.delimiter, query.after)
        page = walk(source, start, query.prefix, query.delimiter, query.limit)
        last = page.last.key if isinstance(page.last, ObjectSummary) else page.last or ""
        return ListPage(page.rows, page.prefixes, last if page.more else "")

    async def quarantine(self, seen: ObjectRecord, reason: str) -> bool:
        """See the port."""
        held = self._state.buckets.get(seen.bucket)
        record = None if held is None else held.objects.get(seen.key)
        if held is None or record is None or replace(record, damaged=None) != replace(seen, damaged=None):
            return False
        held.add(replace(record, damaged=reason))
        return True

    async def release(self, bucket: str, key: str) -> bool:
        """See the port."""
        held = self._state.buckets.get(bucket)
        record = None if held is None else held.objects.get(key)
        if held is None or record is None or record.damaged is None:
            return False
        held.add(replace(record, damaged=None))
        return True

    async def damaged(self, after: tuple[str, str] | None = None, limit: int = 1000) -> Sequence[DamagedRecord]:
        """See the port."""
        return [
            DamagedRecord(record.bucket, record.key, record.damaged)
            for record in self._behind(after)
            if record.damaged is not None
        ][:limit]

    async def walk(
        self, after: tuple[str, str] | None = None, limit: int = 100
    ) -> Sequence[ObjectRecord | DamagedRecord]:
        """See the port."""
        return list(islice(self._behind(after), limit))

    async def forget(self, bucket: str, key: str, extents: Sequence[Extent]) -> bool:
        """See the port."""
        held = self._state.buckets.get(bucket)
        record = None if held is None else held.objects.get(key)
        if record is None or record.extents != tuple(extents):
            return False
        return self._delete(bucket, key, ALWAYS)

    def _behind(self, after: tuple[str, str] | None) -> Iterator[ObjectRecord]:
        begin = ("", b"") if after is None else (after[0], after[1].encode())
        for name, held in sorted(self._state.buckets.items()):
            yield from (held.objects[key.decode()] for key in held.keys if (name, key) > begin)

    def _delete(self, bucket: str, key: str, condition: WriteCondition) -> bool:
        held = self._state.bucket(bucket)
        record = held.objects.get(key)
        require(condition, _current(record), key)
        if record is None:
            return False
        self._state.bury(record.extents)
        held.remove(key)
        self._state.wrote(bucket)
        return True

    def _try_delete(self, bucket: str, key: str, condition: WriteCondition) -> Exception | None:
        try:
            self._delete(bucket, key, condition)
        except S3Error as error:
            return error
        return None


def put_record(
    state: State, record: ObjectRecord, condition: WriteCondition, *, adopted: Iterable[Extent] = ()
) -> None:
    """Make `record` current. `adopted` are extents that were a part's until now."""
    held = state.bucket(record.bucket)
    old = held.objects.get(record.key)
    require(condition, _current(old), record.key)
    mine = () if old is None else old.extents
    state.claim(record.bucket, record.extents, kept=(*mine, *adopted))
    state.bury(mine, kept=record.extents)
    held.add(replace(record, inline=b"" if record.size == 0 else record.inline, damaged=None))
    state.wrote(record.bucket)


def _current(record: ObjectRecord | None) -> Current | None:
    return None if record is None else Current(record.etag, record.size, record.modified_ms)


def _summary(record: ObjectRecord) -> ObjectSummary:
    checksum = record.checksum
    return ObjectSummary(
        record.key,
        record.size,
        record.etag,
        record.modified_ms,
        record.owner,
        record.storage_class,
        None if checksum is None else checksum.algorithm,
        None if checksum is None else checksum.type,
        record.version_id,
    )

"""Multipart uploads in memory."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import islice

from cybous3.server.meta.memory.objects import put_record
from cybous3.server.meta.memory.state import State, UploadState
from cybous3.server.meta.port import DamagedRecord, UploadedPart, UploadPage, UploadQuery
from cybous3.server.meta.walk import BEYOND, Source, first_position, walk
from cybous3.server.model.objects import ObjectRecord, WriteCondition
from cybous3.server.model.uploads import Part, Upload
from cybous3.server.wire.errors import S3Error

_Position = tuple[bytes, int, str]  # exclusive
_Row = tuple[str, Upload]


class MemoryUploads:
    """`Uploads` of the port."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def create(self, upload: Upload) -> None:
        """See the port."""
        self._state.bucket(upload.bucket)
        self._state.uploads[upload.id] = UploadState(upload)
        self._state.wrote(upload.bucket)

    async def get(self, bucket: str, key: str, upload_id: str) -> Upload:
        """See the port."""
        return self._find(bucket, key, upload_id).upload

    async def put_part(self, bucket: str, key: str, upload_id: str, part: Part) -> None:
        """See the port."""
        held = self._find(bucket, key, upload_id)
        self._state.claim(bucket, part.extents)
        old = held.parts.get(part.number)
        self._state.bury(() if old is None else old.extents)
        held.parts[part.number] = part
        self._state.wrote(bucket)

    async def parts(
        self, bucket: str, key: str, upload_id: str, *, after: int = 0, limit: int = 10_000
    ) -> Sequence[Part]:
        """See the port."""
        parts = self._find(bucket, key, upload_id).parts
        return [parts[number] for number in sorted(parts) if number > after][:limit]

    async def complete(
        self, upload: Upload, record: ObjectRecord, used: Iterable[int], condition: WriteCondition
    ) -> None:
        """See the port."""
        held = self._find(upload.bucket, upload.key, upload.id)
        numbers = list(used)
        kept = [extent for number in numbers if number in held.parts for extent in held.parts[number].extents]
        if any(number not in held.parts for number in numbers) or kept != [
            extent for extent in record.extents if extent.length
        ]:
            raise S3Error("InvalidPart", UploadId=upload.id)
        put_record(self._state, record, condition, adopted=kept)
        for number, part in held.parts.items():
            if number not in numbers:
                self._state.bury(part.extents)
        del self._state.uploads[upload.id]

    async def abort(self, bucket: str, key: str, upload_id: str) -> None:
        """See the port."""
        for part in self._find(bucket, key, upload_id).parts.values():
            self._state.bury(part.extents)
        del self._state.uploads[upload_id]
        self._state.wrote(bucket)

    async def list(self, query: UploadQuery) -> UploadPage:
        """See the port."""
        self._state.bucket(query.bucket)
        rows = sorted(
            (
                (held.upload.key, held.upload)
                for held in self._state.uploads.values()
                if held.upload.bucket == query.bucket and held.upload.key.startswith(query.prefix)
            ),
            key=_position_of,
        )

        def fetch(position: _Position, count: int) -> Sequence[_Row]:
            begin = bisect_right(rows, position, key=_position_of)
            return rows[begin : begin + count]

        source: Source[_Position, _Row] = Source(fetch, _position_of, lambda prefix: (prefix.encode() + BEYOND, -1, ""))
        page = walk(source, self._start(query), query.prefix, query.delimiter, query.limit)
        uploads = [upload for _, upload in page.rows]
        if not page.more or page.last is None:
            return UploadPage(uploads, page.prefixes)
        if isinstance(page.last, str):
            return UploadPage(uploads, page.prefixes, page.last)
        return UploadPage(uploads, page.prefixes, page.last[0], page.last[1].id)

    async def walk(
        self, after: tuple[str, int] | None = None, limit: int = 100
    ) -> Sequence[UploadedPart | DamagedRecord]:
        """See the port."""
        found = (
            UploadedPart(held.upload.bucket, held.upload.key, upload_id, held.parts[number])
            for upload_id, held in sorted(self._state.uploads.items())
            for number in sorted(held.parts)
            if after is None or (upload_id, number) > after
        )
        return list(islice(found, limit))

    def _start(self, query: UploadQuery) -> _Position:
        key = query.key_marker
        if key and query.upload_id_marker and key.startswith(query.prefix):
            held = self._state.uploads.get(query.upload_id_marker)
            known = held is not None and (held.upload.bucket, held.upload.key) == (query.bucket, key)
            created_ms = held.upload.created_ms if held is not None and known else -1
            return (key.encode(), created_ms, query.upload_id_marker)
        return (first_position(query.prefix, query.delimiter, key), -1, "")

    def _find(self, bucket: str, key: str, upload_id: str) -> UploadState:
        held = self._state.uploads.get(upload_id)
        if held is None or (held.upload.bucket, held.upload.key) != (bucket, key):
            raise S3Error("NoSuchUpload", UploadId=upload_id)
        return held


def _position_of(row: _Row) -> _Position:
    key, upload = row
    return (key.encode(), upload.created_ms, upload.id)

"""A bucket in memory: for tests and for trying things out. Everything is gone with the process."""

import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from cybous3.client.stores.checks import (
    check_condition,
    check_parts,
    checked_batch,
    checked_key,
    checked_metadata,
    checked_number,
    content_etag,
    crc32_base64,
)
from cybous3.client.stores.errors import NoSuchUpload, NotFound, PreconditionFailed, RangeOutside, Refused
from cybous3.client.stores.listing import page_of
from cybous3.client.stores.port import (
    NO_METADATA,
    Body,
    Capabilities,
    Entry,
    Failure,
    ObjectInfo,
    Page,
    Part,
    UploadInfo,
    Written,
    pieces,
)
from cybous3.core.clock import Clock


@dataclass(frozen=True, slots=True)
class _Stored:
    info: ObjectInfo
    data: bytes


@dataclass(slots=True)
class _Upload:
    key: str
    metadata: Mapping[str, str]
    content_type: str
    initiated_s: float
    parts: dict[int, tuple[Part, bytes]] = field(default_factory=dict)


class MemoryStore:
    """One bucket. `capabilities` may be narrowed to try what callers do with less."""

    def __init__(self, capabilities: Capabilities | None = None, clock: Clock = time.time) -> None:
        self._capabilities = capabilities or Capabilities()
        self._clock = clock
        self._objects: dict[str, _Stored] = {}
        self._uploads: dict[str, _Upload] = {}
        self._lock = threading.RLock()

    @property
    def capabilities(self) -> Capabilities:
        """What was given."""
        return self._capabilities

    def put(
        self,
        key: str,
        body: Body,
        *,
        metadata: Mapping[str, str] = NO_METADATA,
        content_type: str | None = None,
        absent: bool = False,
        if_match: str | None = None,
    ) -> Written:
        """Write the object."""
        data = b"".join(pieces(body))
        checked_metadata(metadata)
        return self._store(checked_key(key), data, metadata, content_type or "", absent=absent, if_match=if_match)

    def get(
        self, key: str, *, start: int = 0, length: int | None = None, if_match: str | None = None
    ) -> "BytesDownload":
        """Open the object."""
        stored = self._found(key)
        if if_match not in {None, stored.info.etag}:
            raise PreconditionFailed(f"{key!r}: not that state any more", code="PreconditionFailed")
        if start and start >= len(stored.data):
            raise RangeOutside(f"{key!r}: the range begins after the end", code="InvalidRange")
        end = None if length is None else start + length
        return BytesDownload(stored.info, stored.data[start:end])

    def head(self, key: str) -> ObjectInfo:
        """Return what is known."""
        return self._found(key).info

    def list(
        self, prefix: str = "", *, delimiter: str = "", token: str | None = None, after: str = "", limit: int = 1000
    ) -> Page:
        """Return one page."""
        with self._lock:
            entries = [entry_of(self._objects[key].info) for key in sorted(self._objects)]
        limit = min(limit, self._capabilities.list_page_max)
        return page_of(entries, prefix=prefix, delimiter=delimiter, token=token, after=after, limit=limit)

    def delete(self, key: str) -> None:
        """Remove the object."""
        with self._lock:
            self._objects.pop(key, None)

    def delete_many(self, keys: Sequence[str]) -> Sequence[Failure]:
        """Remove many objects."""
        checked_batch(keys, self._capabilities)
        for key in keys:
            self.delete(key)
        return []

    def copy(
        self, source: str, key: str, *, metadata: Mapping[str, str] | None = None, if_match: str | None = None
    ) -> Written:
        """Copy inside the bucket."""
        stored = self._found(source)
        if if_match not in {None, stored.info.etag}:
            raise PreconditionFailed(f"{source!r}: not that state any more", code="PreconditionFailed")
        if source == key and metadata is None:
            raise Refused("an object is copied onto itself only to change its metadata", code="InvalidRequest")
        kept = stored.info.metadata if metadata is None else checked_metadata(metadata)
        return self._store(checked_key(key), stored.data, kept, stored.info.content_type)

    def create_upload(
        self, key: str, *, metadata: Mapping[str, str] = NO_METADATA, content_type: str | None = None
    ) -> str:
        """Begin an upload."""
        checked_metadata(metadata)
        upload_id = secrets.token_hex(16)
        with self._lock:
            self._uploads[upload_id] = _Upload(checked_key(key), dict(metadata), content_type or "", self._clock())
        return upload_id

    def upload_part(self, key: str, upload_id: str, number: int, body: Body) -> Part:
        """Store one part."""
        data = b"".join(pieces(body))
        part = Part(checked_number(number, self._capabilities), content_etag(data), len(data), crc32_base64((data,)))
        with self._lock:
            self._upload(key, upload_id).parts[number] = (part, data)
        return part

    def copy_part(
        self,
        key: str,
        upload_id: str,
        number: int,
        *,
        source: str,
        start: int,
        length: int,
        if_match: str | None = None,
    ) -> Part:
        """Store one part from another object."""
        with self.get(source, start=start, length=length, if_match=if_match) as download:
            return self.upload_part(key, upload_id, number, download.read())

    def list_parts(self, key: str, upload_id: str) -> Sequence[Part]:
        """Return the parts so far."""
        with self._lock:
            parts = self._upload(key, upload_id).parts
            return [parts[number][0] for number in sorted(parts)]

    def list_uploads(self, prefix: str = "") -> Iterator[UploadInfo]:
        """Yield the unfinished uploads."""
        with self._lock:
            found = [UploadInfo(u.key, upload_id, u.initiated_s) for upload_id, u in self._uploads.items()]
        return iter(sorted(info for info in found if info.key.startswith(prefix)))

    def complete_upload(
        self, key: str, upload_id: str, parts: Sequence[Part], *, absent: bool = False, if_match: str | None = None
    ) -> Written:
        """Make the object visible."""
        with self._lock:
            upload = self._upload(key, upload_id)
            held = {number: part for number, (part, _) in upload.parts.items()}
            check_parts(key, parts, held, self._capabilities)
            data = b"".join(upload.parts[part.number][1] for part in parts)
            written = self._store(
                key, data, upload.metadata, upload.content_type, absent=absent, if_match=if_match, parts=len(parts)
            )
            del self._uploads[upload_id]
            return written

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Forget the upload."""
        del key
        with self._lock:
            self._uploads.pop(upload_id, None)

    def close(self) -> None:
        """Nothing is open."""

    def _found(self, key: str) -> _Stored:
        with self._lock:
            stored = self._objects.get(key)
        if stored is None:
            raise NotFound(f"{key!r}: not found", code="NoSuchKey")
        return stored

    def _upload(self, key: str, upload_id: str) -> _Upload:
        upload = self._uploads.get(upload_id)
        if upload is None or upload.key != key:
            raise NoSuchUpload(f"{key!r}: the multipart upload is gone", code="NoSuchUpload")
        return upload

    def _store(
        self,
        key: str,
        data: bytes,
        metadata: Mapping[str, str],
        content_type: str,
        *,
        absent: bool = False,
        if_match: str | None = None,
        parts: int = 0,
    ) -> Written:
        etag = content_etag(data, parts)
        info = ObjectInfo(key, len(data), etag, self._clock(), dict(metadata), content_type)
        with self._lock:
            there = self._objects.get(key)
            check_condition(key, None if there is None else there.info.etag, absent=absent, if_match=if_match)
            self._objects[key] = _Stored(info, data)
        return Written(etag)


class BytesDownload:
    """A download of bytes at hand."""

    def __init__(self, info: ObjectInfo, data: bytes) -> None:
        self.info = info
        self.length = len(data)
        self._rest = memoryview(data)

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Fill the buffer."""
        view = memoryview(buffer).cast("B")
        count = min(view.nbytes, self._rest.nbytes)
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def read(self) -> bytes:
        """Return the rest."""
        rest, self._rest = bytes(self._rest), self._rest[:0]
        return rest

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def entry_of(info: ObjectInfo) -> Entry:
    """Return what a listing shows of an object."""
    return Entry(info.key, info.size, info.etag, info.modified_s)

"""A bucket that is a directory: for a disk, a mounted share, or a USB stick.

One file an object, `objects/<2 digits>/<SHA-256 of the key>`: a line of JSON (key, ETag, metadata), padded so that its
length is known, then the bytes. Head and bytes in one file become visible with one rename, so neither is ever
seen without the other; file systems that fold case, forbid characters or limit names do not matter, since the key
stands inside. A listing reads every head: fine for thousands of objects, not meant for millions.

Parts lie in `uploads/<upload id>/`. Writers of several processes take turns at one lock while they publish.
"""

import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from hashlib import sha256
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock

from cybous3.client.stores.checks import (
    check_condition,
    check_parts,
    checked_batch,
    checked_key,
    checked_metadata,
    checked_number,
    crc32_base64,
)
from cybous3.client.stores.errors import (
    ConnectionLost,
    LocalFailure,
    NoSuchUpload,
    NotFound,
    PreconditionFailed,
    RangeOutside,
    Refused,
)
from cybous3.client.stores.listing import page_of
from cybous3.client.stores.memory import entry_of
from cybous3.client.stores.port import (
    NO_METADATA,
    Body,
    Capabilities,
    Failure,
    ObjectInfo,
    Page,
    Part,
    UploadInfo,
    Written,
    body_length,
    pieces,
)
from cybous3.core.clock import Clock

_MAGIC = b"CYBS3DIR1 "
_HEAD_BYTES = 8 * 1024  # room for a key of 1,024 bytes and 2 KiB of metadata, escaped
_COPY_BYTES = 1024 * 1024
_UPLOAD_ID = 32


class LocalStore:
    """One bucket in `root`, which is made if it is not there."""

    def __init__(self, root: Path, capabilities: Capabilities | None = None, clock: Clock = time.time) -> None:
        self._capabilities = capabilities or Capabilities()
        self._clock = clock
        self._objects, self._uploads, self._scratch = root / "objects", root / "uploads", root / "scratch"
        with _local(root):
            for folder in (self._objects, self._uploads, self._scratch):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Locks of one thread do not keep out another: each takes the file's lock for itself.
        self._lock = FileLock(root / "lock", thread_local=True)

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
        info = self._info(key, body_length(body), metadata, content_type or "")
        with self._written(_head(info)) as file:
            for piece in pieces(body):
                _write_all(file, piece)
            return self._publish(file, info, absent=absent, if_match=if_match)

    def get(
        self, key: str, *, start: int = 0, length: int | None = None, if_match: str | None = None
    ) -> "FileDownload":
        """Open the object."""
        file, info = self._open(key)
        if if_match not in {None, info.etag}:
            file.close()
            raise PreconditionFailed(f"{key!r}: not that state any more", code="PreconditionFailed")
        if start and start >= info.size:
            file.close()
            raise RangeOutside(f"{key!r}: the range begins after the end", code="InvalidRange")
        rest = info.size - start
        return FileDownload(file, info, start, rest if length is None else min(length, rest))

    def head(self, key: str) -> ObjectInfo:
        """Return what is known."""
        file, info = self._open(key)
        file.close()
        return info

    def list(
        self, prefix: str = "", *, delimiter: str = "", token: str | None = None, after: str = "", limit: int = 1000
    ) -> Page:
        """Return one page."""
        entries = sorted(entry_of(info) for info in self._all() if info.key.startswith(prefix))
        limit = min(limit, self._capabilities.list_page_max)
        return page_of(entries, prefix=prefix, delimiter=delimiter, token=token, after=after, limit=limit)

    def delete(self, key: str) -> None:
        """Remove the object."""
        path = self._path(key)
        with _local(path), self._lock, suppress(FileNotFoundError):
            path.unlink()

    def delete_many(self, keys: Sequence[str]) -> Sequence[Failure]:
        """Remove many objects."""
        checked_batch(keys, self._capabilities)
        failures = []
        for key in keys:
            try:
                self.delete(key)
            except LocalFailure as error:
                failures.append(Failure(key, "InternalError", error.message))
        return failures

    def copy(
        self, source: str, key: str, *, metadata: Mapping[str, str] | None = None, if_match: str | None = None
    ) -> Written:
        """Copy inside the bucket."""
        if source == key and metadata is None:
            raise Refused("an object is copied onto itself only to change its metadata", code="InvalidRequest")
        with self.get(source, if_match=if_match) as download:
            kept = download.info.metadata if metadata is None else metadata
            info = self._info(key, download.length, kept, download.info.content_type)
            with self._written(_head(info)) as file:
                _copy(download, file)
                return self._publish(file, info)

    def create_upload(
        self, key: str, *, metadata: Mapping[str, str] = NO_METADATA, content_type: str | None = None
    ) -> str:
        """Begin an upload."""
        upload_id = secrets.token_hex(_UPLOAD_ID // 2)
        info = self._info(key, 0, metadata, content_type or "")
        folder = self._uploads / upload_id
        with _local(folder):
            folder.mkdir(mode=0o700)
            with self._written(_head(info)) as file:
                self._move(file, folder / "upload")
        return upload_id

    def upload_part(self, key: str, upload_id: str, number: int, body: Body) -> Part:
        """Store one part."""
        folder = self._upload(key, upload_id)[0]
        checked_number(number, self._capabilities)
        part = Part(number, secrets.token_hex(16), body_length(body), crc32_base64(pieces(body)))
        with self._written(_line(asdict(part))) as file:
            for piece in pieces(body):
                _write_all(file, piece)
            with _gone(key), _local(folder):
                self._move(file, folder / f"part-{number:05}")
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
        return [part for part, _ in self._parts(self._upload(key, upload_id)[0])]

    def list_uploads(self, prefix: str = "") -> Iterator[UploadInfo]:
        """Yield the unfinished uploads."""
        found = []
        for folder in self._uploads.iterdir():
            with suppress(FileNotFoundError, NoSuchUpload):
                info = _read_info(folder / "upload")
                found.append(UploadInfo(info.key, folder.name, info.modified_s))
        return iter(sorted(info for info in found if info.key.startswith(prefix)))

    def complete_upload(
        self, key: str, upload_id: str, parts: Sequence[Part], *, absent: bool = False, if_match: str | None = None
    ) -> Written:
        """Make the object visible."""
        folder, begun = self._upload(key, upload_id)
        held = {part.number: (part, path) for part, path in self._parts(folder)}
        check_parts(key, parts, {number: part for number, (part, _) in held.items()}, self._capabilities)
        size = sum(held[part.number][0].size for part in parts)
        info = self._info(key, size, begun.metadata, begun.content_type)
        with self._written(_head(info)) as file:
            for part in parts:
                with _local(folder), held[part.number][1].open("rb") as source:
                    source.seek(_HEAD_BYTES)
                    shutil.copyfileobj(source, file, _COPY_BYTES)
            written = self._publish(file, info, absent=absent, if_match=if_match)
        shutil.rmtree(folder, ignore_errors=True)
        return written

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Forget the upload."""
        with suppress(NoSuchUpload):
            shutil.rmtree(self._upload(key, upload_id)[0], ignore_errors=True)

    def close(self) -> None:
        """Nothing stays open."""

    # inside

    def _info(self, key: str, size: int, metadata: Mapping[str, str], content_type: str) -> ObjectInfo:
        etag = secrets.token_hex(16)
        return ObjectInfo(checked_key(key), size, etag, self._clock(), dict(checked_metadata(metadata)), content_type)

    def _path(self, key: str) -> Path:
        name = sha256(checked_key(key).encode()).hexdigest()
        return self._objects / name[:2] / name

    def _open(self, key: str) -> tuple[FileIO, ObjectInfo]:
        path = self._path(key)
        with _local(path):
            try:
                file = FileIO(path)
            except FileNotFoundError as error:
                raise NotFound(f"{key!r}: not found", code="NoSuchKey") from error
        try:
            return file, _parse_info(file, path)
        except BaseException:
            file.close()
            raise

    def _all(self) -> Iterator[ObjectInfo]:
        with _local(self._objects):
            for path in self._objects.glob("*/*"):
                with suppress(FileNotFoundError):  # deleted since the directory was read
                    yield _read_info(path)

    @contextmanager
    def _written(self, head: bytes) -> Iterator[FileIO]:
        """Give a scratch file that begins with `head`; whatever is not moved away by the end is removed."""
        path = self._scratch / secrets.token_hex(16)
        with _local(path):
            try:
                with FileIO(path, "x+") as file:
                    file.write(head)
                    yield file
            finally:
                with suppress(FileNotFoundError):
                    path.unlink()

    def _publish(self, file: FileIO, info: ObjectInfo, *, absent: bool = False, if_match: str | None = None) -> Written:
        path = self._path(info.key)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        os.fsync(file.fileno())
        with self._lock:
            try:
                there: str | None = _read_info(path).etag
            except FileNotFoundError:
                there = None
            check_condition(info.key, there, absent=absent, if_match=if_match)
            self._move(file, path)
        return Written(info.etag)

    @staticmethod
    def _move(file: FileIO, path: Path) -> None:
        os.fsync(file.fileno())
        scratch = Path(os.fsdecode(file.name))
        file.close()  # Windows renames no open file
        scratch.replace(path)
        if os.name == "posix":
            descriptor = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _upload(self, key: str, upload_id: str) -> tuple[Path, ObjectInfo]:
        folder = self._uploads / upload_id
        if len(upload_id) == _UPLOAD_ID and upload_id.isalnum():
            with suppress(FileNotFoundError):
                info = _read_info(folder / "upload")
                if info.key == key:
                    return folder, info
        raise NoSuchUpload(f"{key!r}: the multipart upload is gone", code="NoSuchUpload")

    @staticmethod
    def _parts(folder: Path) -> Sequence[tuple[Part, Path]]:
        found = []
        for path in sorted(folder.glob("part-*")):
            with FileIO(path) as file:
                found.append((Part(**_fields(file, path)), path))
        return found


class FileDownload:
    """A download from an open file: it stays the state that was opened, whatever is renamed over it."""

    def __init__(self, file: FileIO, info: ObjectInfo, start: int, length: int) -> None:
        self._file = file
        self.info = info
        self.length = self._left = length
        file.seek(_HEAD_BYTES + start)

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Fill the buffer."""
        view = memoryview(buffer).cast("B")[: self._left]
        filled = 0
        while filled < view.nbytes:
            count = self._file.readinto(view[filled:])
            if not count:
                raise ConnectionLost(f"{self.info.key!r}: the file is shorter than it says")
            filled += count
        self._left -= filled
        return filled

    def read(self) -> bytes:
        """Return the rest."""
        buffer = bytearray(self._left)
        self.readinto(buffer)
        return bytes(buffer)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _head(info: ObjectInfo) -> bytes:
    return _line(info._asdict())


def _line(fields: Mapping[str, Any]) -> bytes:
    line = _MAGIC + json.dumps(fields, ensure_ascii=False).encode()
    if len(line) >= _HEAD_BYTES:
        raise Refused("key and metadata together are too long for a store in a directory")
    return line.ljust(_HEAD_BYTES - 1) + b"\n"


def _fields(file: FileIO, path: Path) -> dict[str, Any]:
    head = file.read(_HEAD_BYTES)
    try:
        fields = json.loads(head.removeprefix(_MAGIC)) if head.startswith(_MAGIC) else None
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise LocalFailure(f"{path}: not a file of a store in a directory")
    return fields


def _parse_info(file: FileIO, path: Path) -> ObjectInfo:
    return ObjectInfo(**_fields(file, path))


def _read_info(path: Path) -> ObjectInfo:
    with FileIO(path) as file:
        return _parse_info(file, path)


def _write_all(file: FileIO, piece: bytes | bytearray | memoryview) -> None:
    rest = memoryview(piece).cast("B")
    while rest.nbytes:
        rest = rest[file.write(rest) :]


def _copy(download: FileDownload, file: FileIO) -> None:
    buffer = bytearray(_COPY_BYTES)
    while count := download.readinto(buffer):
        _write_all(file, memoryview(buffer)[:count])


@contextmanager
def _local(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LocalFailure(f"{error.filename or path}: {(error.strerror or str(error)).lower()}") from error


@contextmanager
def _gone(key: str) -> Iterator[None]:
    """Read a folder that vanished meanwhile as an upload that was aborted."""
    try:
        yield
    except LocalFailure as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise NoSuchUpload(f"{key!r}: the multipart upload is gone", code="NoSuchUpload") from error
        raise

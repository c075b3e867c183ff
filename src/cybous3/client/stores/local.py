"""A bucket that is a directory: for a disk, a mounted share, or a USB stick.

One file an object, `objects/<2 digits>/<SHA-256 of the key>`: a line of JSON (key, ETag, metadata), padded so that its
length is known, then the bytes. Head and bytes in one file become visible with one rename, so neither is ever
seen without the other; file systems that fold case, forbid characters or limit names do not matter, since the key
stands inside. A listing reads every head: fine for thousands of objects, not meant for millions.

What a method returned from is durable, names and deletions too; what was under way when the power went is there whole
or not at all, and its scrap in `scratch/` is nobody's.

Parts lie in `uploads/<upload id>/`. Writers of several processes take turns at one lock while they publish.
"""

import json
import secrets
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self

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
from cybous3.disk.files import SYSTEM, Files
from cybous3.disk.locks import locked
from cybous3.disk.whole import ensure_directory, remove_durably

_MAGIC = b"CYBS3DIR1 "
_HEAD_BYTES = 8 * 1024  # room for a key of 1,024 bytes and 2 KiB of metadata, escaped
_COPY_BYTES = 1024 * 1024
_UPLOAD_ID = 32
_PATIENCE_S = 600.0  # others publish in milliseconds; a lock that is held this long has a holder that hangs


class _Scratch:
    """A file that is being written aside."""

    def __init__(self, files: Files, path: Path) -> None:
        self._files = files
        self.path = path
        self._fd: int | None = files.create(path)

    def append(self, body: Iterable[bytes | bytearray | memoryview]) -> None:
        """Write more of it."""
        for piece in body:
            self._files.write(self._open_fd(), bytes(piece))

    def finish(self) -> None:
        """Make the bytes durable, and close: Windows renames no open file."""
        self._files.sync(self._open_fd())
        self.close()

    def close(self) -> None:
        """Close the file. May be called twice."""
        fd, self._fd = self._fd, None
        if fd is not None:
            self._files.close(fd)

    def _open_fd(self) -> int:
        if self._fd is None:
            raise ValueError("the file is finished")
        return self._fd


class LocalStore:
    """One bucket in `root`, which is made if it is not there."""

    def __init__(
        self,
        root: Path,
        capabilities: Capabilities | None = None,
        clock: Clock = time.time,
        files: Files = SYSTEM,
    ) -> None:
        self._files = files
        self._capabilities = capabilities or Capabilities()
        self._clock = clock
        self._objects, self._uploads, self._scratch = root / "objects", root / "uploads", root / "scratch"
        with _local(root):
            for folder in (self._objects, self._uploads, self._scratch):
                ensure_directory(files, folder)
        self._lock = root / "lock"

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
            file.append(pieces(body))
            return self._publish(file, info, absent=absent, if_match=if_match)

    def get(
        self, key: str, *, start: int = 0, length: int | None = None, if_match: str | None = None
    ) -> "FileDownload":
        """Open the object."""
        fd, info = self._open(key)
        if if_match not in {None, info.etag}:
            self._files.close(fd)
            raise PreconditionFailed(f"{key!r}: not that state any more", code="PreconditionFailed")
        if start and start >= info.size:
            self._files.close(fd)
            raise RangeOutside(f"{key!r}: the range begins after the end", code="InvalidRange")
        rest = info.size - start
        return FileDownload(self._files, fd, info, start, rest if length is None else min(length, rest))

    def head(self, key: str) -> ObjectInfo:
        """Return what is known."""
        fd, info = self._open(key)
        self._files.close(fd)
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
        with _local(path), locked(self._files, self._lock, _PATIENCE_S):
            remove_durably(self._files, path)

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
                file.append(_pieces_of(download))
                return self._publish(file, info)

    def create_upload(
        self, key: str, *, metadata: Mapping[str, str] = NO_METADATA, content_type: str | None = None
    ) -> str:
        """Begin an upload."""
        upload_id = secrets.token_hex(_UPLOAD_ID // 2)
        info = self._info(key, 0, metadata, content_type or "")
        folder = self._uploads / upload_id
        with _local(folder):
            try:
                self._files.make_directory(folder)
                self._files.sync_directory(self._uploads)
                with self._written(_head(info)) as file:
                    self._move(file, folder / "upload")
            except Exception:
                self._forget(folder)
                raise
        return upload_id

    def upload_part(self, key: str, upload_id: str, number: int, body: Body) -> Part:
        """Store one part."""
        folder = self._upload(key, upload_id)[0]
        checked_number(number, self._capabilities)
        part = Part(number, secrets.token_hex(16), body_length(body), crc32_base64(pieces(body)))
        with self._written(_line(asdict(part))) as file:
            file.append(pieces(body))
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
        for name in self._files.names(self._uploads):
            folder = self._uploads / name
            with suppress(FileNotFoundError, NoSuchUpload):
                info = self._read_info(folder / "upload")
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
                with _local(folder), closing(self._after_head(held[part.number][1])) as body:
                    file.append(body)
            written = self._publish(file, info, absent=absent, if_match=if_match)
        self._forget(folder)
        return written

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Forget the upload."""
        with suppress(NoSuchUpload):
            self._forget(self._upload(key, upload_id)[0])

    def close(self) -> None:
        """Nothing stays open."""

    # inside

    def _info(self, key: str, size: int, metadata: Mapping[str, str], content_type: str) -> ObjectInfo:
        etag = secrets.token_hex(16)
        return ObjectInfo(checked_key(key), size, etag, self._clock(), dict(checked_metadata(metadata)), content_type)

    def _path(self, key: str) -> Path:
        name = sha256(checked_key(key).encode()).hexdigest()
        return self._objects / name[:2] / name

    def _open(self, key: str) -> tuple[int, ObjectInfo]:
        path = self._path(key)
        with _local(path):
            try:
                return self._opened(path)
            except FileNotFoundError as error:
                raise NotFound(f"{key!r}: not found", code="NoSuchKey") from error

    def _opened(self, path: Path) -> tuple[int, ObjectInfo]:
        fd = self._files.open(path)
        try:
            return fd, ObjectInfo(**self._fields(fd, path))
        except BaseException:
            self._files.close(fd)
            raise

    def _read_info(self, path: Path) -> ObjectInfo:
        fd, info = self._opened(path)
        self._files.close(fd)
        return info

    def _fields(self, fd: int, path: Path) -> dict[str, Any]:
        head = self._files.read(fd, _HEAD_BYTES, 0)
        try:
            fields = json.loads(head.removeprefix(_MAGIC)) if head.startswith(_MAGIC) else None
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            raise LocalFailure(f"{path}: not a file of a store in a directory")
        return fields

    def _all(self) -> Iterator[ObjectInfo]:
        with _local(self._objects):
            for folder in self._files.names(self._objects):
                for name in self._files.names(self._objects / folder):
                    with suppress(FileNotFoundError):  # deleted since the directory was read
                        yield self._read_info(self._objects / folder / name)

    @contextmanager
    def _written(self, head: bytes) -> Iterator[_Scratch]:
        """Give a scratch file that begins with `head`; whatever is not moved away by the end is removed."""
        path = self._scratch / secrets.token_hex(16)
        with _local(path):
            file = _Scratch(self._files, path)
            try:
                file.append([head])
                yield file
            finally:
                with suppress(OSError):  # what stopped the write, if anything did, is what the caller wants to know
                    file.close()
                with suppress(OSError):
                    self._files.unlink(path)

    def _after_head(self, path: Path) -> Generator[bytes, None, None]:
        """Yield the bytes of a stored part."""
        fd, at = self._files.open(path), _HEAD_BYTES
        try:
            while piece := self._files.read(fd, _COPY_BYTES, at):
                at += len(piece)
                yield piece
        finally:
            self._files.close(fd)

    def _publish(
        self, file: _Scratch, info: ObjectInfo, *, absent: bool = False, if_match: str | None = None
    ) -> Written:
        path = self._path(info.key)
        ensure_directory(self._files, path.parent)
        file.finish()
        with locked(self._files, self._lock, _PATIENCE_S):
            try:
                there: str | None = self._read_info(path).etag
            except FileNotFoundError:
                there = None
            check_condition(info.key, there, absent=absent, if_match=if_match)
            self._name(file, path)
        return Written(info.etag)

    def _move(self, file: _Scratch, path: Path) -> None:
        file.finish()
        self._name(file, path)

    def _name(self, file: _Scratch, path: Path) -> None:
        """Give a synced file its name."""
        self._files.rename(file.path, path)
        self._files.sync_directory(path.parent)

    def _upload(self, key: str, upload_id: str) -> tuple[Path, ObjectInfo]:
        folder = self._uploads / upload_id
        if len(upload_id) == _UPLOAD_ID and upload_id.isalnum():
            with suppress(FileNotFoundError):
                info = self._read_info(folder / "upload")
                if info.key == key:
                    return folder, info
        raise NoSuchUpload(f"{key!r}: the multipart upload is gone", code="NoSuchUpload")

    def _parts(self, folder: Path) -> Sequence[tuple[Part, Path]]:
        found = []
        for name in self._files.names(folder):
            if name.startswith("part-"):
                fd = self._files.open(folder / name)
                try:
                    found.append((Part(**self._fields(fd, folder / name)), folder / name))
                finally:
                    self._files.close(fd)
        return found

    def _forget(self, folder: Path) -> None:
        """Remove an upload: first, durably, what makes it one. What cannot be removed now is scrap."""
        with suppress(OSError):
            remove_durably(self._files, folder / "upload")
            for name in self._files.names(folder):
                self._files.unlink(folder / name)
            self._files.remove_directory(folder)


class FileDownload:
    """A download from an open file: it stays the state that was opened, whatever is renamed over it."""

    def __init__(self, files: Files, fd: int, info: ObjectInfo, start: int, length: int) -> None:
        self._files = files
        self._fd: int | None = fd
        self._at = _HEAD_BYTES + start
        self.info = info
        self.length = self._left = length

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Fill the buffer."""
        view = memoryview(buffer).cast("B")[: self._left]
        filled = 0
        while filled < view.nbytes:
            piece = self._files.read(self._open_fd(), min(_COPY_BYTES, view.nbytes - filled), self._at)
            if not piece:
                raise ConnectionLost(f"{self.info.key!r}: the file is shorter than it says")
            view[filled : filled + len(piece)] = piece
            filled += len(piece)
            self._at += len(piece)
        self._left -= filled
        return filled

    def read(self) -> bytes:
        """Return the rest."""
        buffer = bytearray(self._left)
        self.readinto(buffer)
        return bytes(buffer)

    def close(self) -> None:
        """Close the file. May be called twice."""
        fd, self._fd = self._fd, None
        if fd is not None:
            self._files.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open_fd(self) -> int:
        if self._fd is None:
            raise ValueError("the download was closed")
        return self._fd


def _head(info: ObjectInfo) -> bytes:
    return _line(info._asdict())


def _line(fields: Mapping[str, Any]) -> bytes:
    line = _MAGIC + json.dumps(fields, ensure_ascii=False).encode()
    if len(line) >= _HEAD_BYTES:
        raise Refused("key and metadata together are too long for a store in a directory")
    return line.ljust(_HEAD_BYTES - 1) + b"\n"


def _pieces_of(download: FileDownload) -> Iterator[memoryview]:
    buffer = bytearray(_COPY_BYTES)
    while count := download.readinto(buffer):
        yield memoryview(buffer)[:count]


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

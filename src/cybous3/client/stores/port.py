"""The port of every store: one bucket of objects, synchronous, safe to call from many threads.

Promises every adapter keeps, and `tests/contracts/store_contract.py` proves:

- **Whole or not at all.** An object becomes visible when all of it is there; a failed call changes nothing that can
  be read. After `ConnectionLost` alone it is unknown whether the call took effect.
- **Repeating.** Unconditional `put`, `get`, `head`, `list`, `delete`, `delete_many`, `copy`, `upload_part`,
  `copy_part`, `list_parts`, `list_uploads` and `abort_upload` may be repeated. `create_upload` may be repeated and
  may then leave an upload behind that `list_uploads` shows. A conditional `put` or a `complete_upload` that is
  repeated may find its own first success: `PreconditionFailed`, `NoSuchUpload`. The caller reads back and compares.
- **Absence.** `get`, `head` and `copy` of what is not there raise `NotFound`; `delete` of it succeeds.
- **Short reads.** `Download.readinto` fills the whole buffer unless the object ends before; a body that ends too
  early raises `ConnectionLost`, never looks like the end.
- **Reading what was written.** After a call that writes has returned, every other call sees the result.
- **ETags** are opaque names of one state of one object, without their quotes. They are no integrity check.

Keys are any text of 1 to 1,024 bytes in UTF-8. Sizes and offsets are in bytes, times in seconds since the epoch.
What a store cannot do stands in `Capabilities`, as data.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Protocol, Self

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

Buffer = bytes | bytearray | memoryview
# What is sent: one buffer, or several that are sent one after the other without being joined.
Body = Buffer | Sequence[Buffer]

NO_METADATA: Mapping[str, str] = {}


class Capabilities(NamedTuple):
    """What a store can do and how far it goes."""

    conditional_put: bool = True  # `absent=True` and `if_match` are honoured
    multipart: bool = True
    copy_part: bool = True
    part_bytes_min: int = 5 * MIB  # every part but the last
    part_bytes_max: int = 5 * GIB
    parts_max: int = 10_000
    put_bytes_max: int = 5 * GIB
    copy_bytes_max: int = 5 * GIB  # one `copy`; larger objects go part by part
    delete_many_max: int = 1000
    list_page_max: int = 1000


class Entry(NamedTuple):
    """One object as a listing shows it."""

    key: str
    size: int
    etag: str
    modified_s: float


class ObjectInfo(NamedTuple):
    """One object as `head` and `get` show it. `size` is that of the whole object, also for a range."""

    key: str
    size: int
    etag: str
    modified_s: float
    metadata: Mapping[str, str] = NO_METADATA  # names lower case, without "x-amz-meta-"
    content_type: str = ""
    version_id: str | None = None


class Written(NamedTuple):
    """What a write left behind."""

    etag: str
    version_id: str | None = None


class Page(NamedTuple):
    """One page of a listing: `entries` and `prefixes` each in byte order of their UTF-8."""

    entries: Sequence[Entry]
    prefixes: Sequence[str]  # common prefixes, delimiter included
    next_token: str | None  # opaque; None: this was the last page


@dataclass(frozen=True, slots=True)
class Part:
    """One uploaded part. `crc32` is what the store keeps for it, big-endian and in base64, None if it keeps none."""

    number: int
    etag: str
    size: int
    crc32: str | None = None


class UploadInfo(NamedTuple):
    """One unfinished multipart upload."""

    key: str
    upload_id: str
    initiated_s: float


class Failure(NamedTuple):
    """One key that `delete_many` could not delete, and why."""

    key: str
    code: str
    message: str


class Download(Protocol):
    """The bytes of one range of one state of one object, read once from front to back; closed by its context."""

    @property
    def info(self) -> ObjectInfo:
        """The object these bytes are of."""
        ...

    @property
    def length(self) -> int:
        """How many bytes this download gives in all."""
        ...

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Fill `buffer` and return its length; less only at the end, 0 ever after.

        Raises ConnectionLost when the bytes stop early. What was filled by then is not to be used.
        """
        ...

    def read(self) -> bytes:
        """Return everything that is left. For what is known to be small."""
        ...

    def close(self) -> None:
        """Give the connection or the file back. May be called twice, and before the end."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Objects(Protocol):
    """Objects as wholes."""

    @property
    def capabilities(self) -> Capabilities:
        """What this store can do."""
        ...

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
        """Write the object `key`, replacing what was there.

        With `absent`, only if nothing was there; with `if_match`, only if the object there has this ETag: otherwise
        PreconditionFailed. Exactly one of several concurrent conditional writers succeeds. Metadata values are
        printable ASCII, 2 KiB in all.
        """
        ...

    def get(self, key: str, *, start: int = 0, length: int | None = None, if_match: str | None = None) -> Download:
        """Open the object, or `length` bytes of it from `start`; fewer if it ends before.

        Raises NotFound; PreconditionFailed when `if_match` is not the object's ETag; RangeOutside when `start` is not
        0 and not before the end. `length` is at least 1.
        """
        ...

    def head(self, key: str) -> ObjectInfo:
        """Return what is known about the object. Raises NotFound."""
        ...

    def list(
        self,
        prefix: str = "",
        *,
        delimiter: str = "",
        token: str | None = None,
        after: str = "",
        limit: int = 1000,
    ) -> Page:
        """Return one page of the keys that start with `prefix` (and sort after `after`).

        With a delimiter, keys that have it after the prefix are rolled up into `prefixes`. `limit` counts both; it is
        cut to `list_page_max`.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove the object, if it is there."""
        ...

    def delete_many(self, keys: Sequence[str]) -> Sequence[Failure]:
        """Remove up to `delete_many_max` objects; return those that could not be removed."""
        ...

    def copy(
        self, source: str, key: str, *, metadata: Mapping[str, str] | None = None, if_match: str | None = None
    ) -> Written:
        """Copy the object `source` onto `key` inside the store; `metadata` replaces all of it, None keeps it.

        `source` and `key` may be equal when `metadata` is given. `if_match` is the ETag the source must have.
        Above `copy_bytes_max` the store does it part by part.
        """
        ...


class Uploads(Protocol):
    """Objects in parts. A part number is 1 to `parts_max`; uploading it again replaces it."""

    def create_upload(
        self, key: str, *, metadata: Mapping[str, str] = NO_METADATA, content_type: str | None = None
    ) -> str:
        """Begin and return the upload id. Nothing can be seen under `key` before `complete_upload`."""
        ...

    def upload_part(self, key: str, upload_id: str, number: int, body: Body) -> Part:
        """Store one part. Raises NoSuchUpload."""
        ...

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
        """Store one part from bytes of another object. `if_match` is the ETag the source must have."""
        ...

    def list_parts(self, key: str, upload_id: str) -> Sequence[Part]:
        """Return every part stored so far, by number. Raises NoSuchUpload."""
        ...

    def list_uploads(self, prefix: str = "") -> Iterator[UploadInfo]:
        """Yield every unfinished upload whose key starts with `prefix`, by key."""
        ...

    def complete_upload(
        self, key: str, upload_id: str, parts: Sequence[Part], *, absent: bool = False, if_match: str | None = None
    ) -> Written:
        """Make the object of these parts, in ascending order, visible under `key`.

        Raises NoSuchUpload; Refused when a part is missing, differs, or is too small; PreconditionFailed when
        `absent` is asked and something is there, or what is there has not the ETag `if_match`.
        """
        ...

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Forget the upload and its parts; succeeds when there is none."""
        ...


class Store(Objects, Uploads, Protocol):
    """One bucket."""

    def close(self) -> None:
        """Close idle connections. Calls after this open new ones."""
        ...


class BucketInfo(NamedTuple):
    """One bucket as a listing shows it."""

    name: str
    created_s: float


class Buckets(Protocol):
    """The buckets of one endpoint."""

    def list_buckets(self) -> Sequence[BucketInfo]:
        """Return every bucket these credentials may see, by name."""
        ...

    def has_bucket(self, name: str) -> bool:
        """Tell whether the bucket exists. Raises Denied when it exists and is somebody else's."""
        ...

    def create_bucket(self, name: str) -> None:
        """Create the bucket. Raises AlreadyExists, Refused for an invalid name."""
        ...

    def delete_bucket(self, name: str) -> None:
        """Delete the empty bucket. Raises NoSuchBucket, BucketNotEmpty."""
        ...

    def close(self) -> None:
        """Close idle connections. Calls after this open new ones."""
        ...


def pieces(body: Body) -> tuple[Buffer, ...]:
    """Return the buffers of a body."""
    return (body,) if isinstance(body, (bytes, bytearray, memoryview)) else tuple(body)


def body_length(body: Body) -> int:
    """Return how many bytes a body has."""
    return sum(memoryview(piece).nbytes for piece in pieces(body))


def each_entry(store: Objects, prefix: str = "") -> Iterator[Entry]:
    """Yield every object under `prefix`, page after page."""
    token: str | None = None
    while True:
        page = store.list(prefix, token=token)
        yield from page.entries
        if page.next_token is None:
            return
        token = page.next_token

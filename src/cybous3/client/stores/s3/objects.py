"""Objects of one bucket over S3: each operation is its request, and how its answer reads."""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from hashlib import md5
from types import TracebackType
from typing import Self

from cybous3.client.stores.errors import ConnectionLost, NotFound, PreconditionFailed, Refused, ServerFailed, StoreError
from cybous3.client.stores.port import NO_METADATA, Body, Capabilities, Failure, ObjectInfo, Page, Written
from cybous3.client.stores.s3.client import Answer, Call, Fields, S3Client, metadata_fields
from cybous3.client.stores.s3.connection import Head
from cybous3.client.stores.s3.xml import delete_document, etag, list_page, text, writable
from cybous3.core.clock import parse_http_date
from cybous3.core.uri import uri_encode

_META = "x-amz-meta-"
_READ_ALL_MAX = 64 * 1024 * 1024


class S3Objects:
    """The `Objects` half of a bucket."""

    def __init__(
        self,
        client: S3Client,
        bucket: str,
        capabilities: Capabilities | None = None,
        *,
        list_version: int = 2,
        copy_in_parts: Callable[[str, str, Mapping[str, str] | None, str | None], Written] | None = None,
    ) -> None:
        self.client = client
        self.bucket = bucket
        self._capabilities = capabilities or Capabilities()
        self._list_version = list_version
        self._copy_in_parts = copy_in_parts

    @property
    def capabilities(self) -> Capabilities:
        """What this server can do, as far as its profile says."""
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
        """Write the object: see the port."""
        fields = metadata_fields(metadata) + content_fields(content_type)
        fields += condition_fields(absent=absent, if_match=if_match)
        unconditional = not absent and if_match is None
        call = Call("PUT", self.bucket, key, headers=fields, body=body, repeatable=unconditional, bulk=True)
        try:
            return written(self.client.done(call))
        except NotFound as error:
            if if_match is not None and error.code == "NoSuchKey":
                raise gone(key, error) from error
            raise

    def get(self, key: str, *, start: int = 0, length: int | None = None, if_match: str | None = None) -> "S3Download":
        """Open the object or a part of it: see the port."""
        fields: Fields = [] if if_match is None else [("if-match", f'"{if_match}"')]
        ranged = start > 0 or length is not None
        if ranged:
            last = "" if length is None else str(start + length - 1)
            fields.append(("range", f"bytes={start}-{last}"))
        answer = self.client.send(Call("GET", self.bucket, key, headers=fields))
        try:
            return S3Download(key, answer, start if ranged else 0)
        except BaseException:
            answer.close()
            raise

    def head(self, key: str) -> ObjectInfo:
        """Return what is known about the object."""
        head = self.client.done(Call("HEAD", self.bucket, key))
        return object_info(key, head, _length(head))

    def list(
        self, prefix: str = "", *, delimiter: str = "", token: str | None = None, after: str = "", limit: int = 1000
    ) -> Page:
        """Return one page of keys."""
        limit = min(limit, self._capabilities.list_page_max)
        asked: list[tuple[str, str | None]] = [("encoding-type", "url"), ("max-keys", str(limit))]
        asked += [("prefix", prefix)] if prefix else []
        asked += [("delimiter", delimiter)] if delimiter else []
        if self._list_version > 1:
            asked += [("list-type", "2")]
            asked += [("continuation-token", token)] if token is not None else []
            asked += [("start-after", after)] if after and token is None else []
        elif token is not None or after:
            asked += [("marker", token or after)]
        root, _ = self.client.document(Call("GET", self.bucket, query=tuple(sorted(asked))), "ListBucketResult")
        return list_page(root, version=self._list_version)

    def delete(self, key: str) -> None:
        """Remove the object, if it is there."""
        try:
            self.client.done(Call("DELETE", self.bucket, key))
        except NotFound as error:
            if error.code != "NoSuchKey":
                raise

    def delete_many(self, keys: Sequence[str]) -> Sequence[Failure]:
        """Remove many objects; return those that could not be removed."""
        if len(keys) > self._capabilities.delete_many_max:
            raise Refused(f"at most {self._capabilities.delete_many_max} keys at once, not {len(keys)}")
        together = [key for key in keys if writable(key)]
        failures = [failure for key in keys if not writable(key) for failure in self._delete_alone(key)]
        if together:
            failures += self._delete_together(together)
        return failures

    def copy(
        self, source: str, key: str, *, metadata: Mapping[str, str] | None = None, if_match: str | None = None
    ) -> Written:
        """Copy inside the bucket."""
        fields = copy_source_fields(self.bucket, source, if_match)
        if metadata is not None:
            fields += [("x-amz-metadata-directive", "REPLACE"), *metadata_fields(metadata)]
        call = Call("PUT", self.bucket, key, headers=fields)
        try:
            root, head = self.client.document(call, "CopyObjectResult")
        except Refused as error:
            if self._copy_in_parts is None or error.code not in {"InvalidRequest", "EntityTooLarge", "InvalidArgument"}:
                raise
            if self.head(source).size <= self._capabilities.copy_bytes_max:
                raise
            return self._copy_in_parts(source, key, metadata, if_match)
        return Written(etag(text(root, "ETag")), version_of(head))

    def close(self) -> None:
        """Close idle connections."""
        self.client.close()

    def _delete_together(self, keys: Sequence[str]) -> Sequence[Failure]:
        document = delete_document(keys)
        # S3 asks for this digest of a DeleteObjects body from the time before its other checksums; every server has it.
        digest = b64encode(md5(document, usedforsecurity=False).digest()).decode()
        call = Call(
            "POST",
            self.bucket,
            query=(("delete", None),),
            headers=[("content-md5", digest), ("content-type", "application/xml")],
            body=document,
        )
        root, _ = self.client.document(call, "DeleteResult")
        return [
            Failure(text(item, "Key"), text(item, "Code"), item.findtext("Message") or "")
            for item in root.iterfind("Error")
            if item.findtext("Code") != "NoSuchKey"
        ]

    def _delete_alone(self, key: str) -> Sequence[Failure]:
        try:
            self.delete(key)
        except StoreError as error:
            return [Failure(key, error.code, error.message)]
        return []


class S3Download:
    """The body of one GET."""

    def __init__(self, key: str, answer: Answer, start: int) -> None:
        self._answer = answer
        self._length = _length(answer.head)
        size = _whole_size(answer.head, self._length, start)
        self._info = object_info(key, answer.head, size)
        self._left = self._length

    @property
    def info(self) -> ObjectInfo:
        """The object these bytes are of."""
        return self._info

    @property
    def length(self) -> int:
        """How many bytes come in all."""
        return self._length

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Fill the buffer; less only at the end."""
        view = memoryview(buffer).cast("B")[: self._left]
        if not view.nbytes:
            return 0
        count = self._answer.readinto(view)
        if count < view.nbytes:
            raise ConnectionLost(f"{self._info.key!r}: the server sent less than it announced")
        self._left -= count
        return count

    def read(self) -> bytes:
        """Return what is left."""
        if self._left > _READ_ALL_MAX:
            raise Refused(f"{self._info.key!r} is too large to be read at once")
        buffer = bytearray(self._left)
        self.readinto(buffer)
        return bytes(buffer)

    def close(self) -> None:
        """Give the connection back."""
        self._answer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def object_info(key: str, head: Head, size: int) -> ObjectInfo:
    """Return what the head of a GET or HEAD tells about an object of `size` bytes."""
    headers = head.headers
    return ObjectInfo(
        key=key,
        size=size,
        etag=etag(headers.get("etag", "")),
        modified_s=_modified(headers.get("last-modified")),
        metadata={name[len(_META) :]: value for name, value in headers.items() if name.startswith(_META)},
        content_type=headers.get("content-type", ""),
        version_id=version_of(head),
    )


def written(head: Head) -> Written:
    """Return what the head of a successful write tells."""
    return Written(etag(head.headers.get("etag", "")), version_of(head))


def version_of(head: Head) -> str | None:
    """Return the version id, where the bucket has versions."""
    return head.headers.get("x-amz-version-id")


def content_fields(content_type: str | None) -> Fields:
    """Return the field of a content type; Refused for what a header cannot carry."""
    if content_type is None:
        return []
    if not (content_type.isascii() and content_type.isprintable()):
        raise Refused(f"not a content type: {content_type!r}")
    return [("content-type", content_type)]


def condition_fields(*, absent: bool, if_match: str | None) -> Fields:
    """Return the fields of a conditional write."""
    fields: Fields = [("if-none-match", "*")] if absent else []
    return fields if if_match is None else [*fields, ("if-match", f'"{if_match}"')]


def copy_source_fields(bucket: str, source: str, if_match: str | None) -> Fields:
    """Return the fields that name the source of a copy."""
    fields = [("x-amz-copy-source", f"/{bucket}/{uri_encode(source, safe_slash=True)}")]
    return fields if if_match is None else [*fields, ("x-amz-copy-source-if-match", f'"{if_match}"')]


def gone(key: str, error: StoreError) -> StoreError:
    """Return what "only if it still has this ETag" means for an object that is no longer there."""
    return PreconditionFailed(f"{key!r}: deleted by somebody else", code=error.code, status=error.status)


def _length(head: Head) -> int:
    raw = head.headers.get("content-length", "")
    if not (raw.isascii() and raw.isdigit()):
        raise ServerFailed("the server does not say how long the object is")
    return int(raw)


def _whole_size(head: Head, length: int, start: int) -> int:
    """Return the size of the whole object; a server that answers another range than asked is not believed."""
    if head.status != 206:  # noqa: PLR2004  # Partial Content
        if start:
            raise ServerFailed("the server ignores ranges")
        return length
    unit, _, rest = head.headers.get("content-range", "").partition(" ")
    span, _, size = rest.partition("/")
    first, _, last = span.partition("-")
    if unit != "bytes" or not (size.isdigit() and first.isdigit() and last.isdigit()):
        raise ServerFailed("the server sends a part of the object and does not say which")
    if int(first) != start or int(last) - start + 1 != length or int(last) >= int(size):
        raise ServerFailed("the server sends another part of the object than was asked for")
    return int(size)


def _modified(raw: str | None) -> float:
    return float(parse_http_date(raw) or 0) if raw else 0.0

"""Requests and answers as values, read whole with httptools and written as they came.

Whole, because what harms them (twice, never, another one's, cut at byte n) is a sentence about whole messages. A body
is therefore bounded. A body in chunks is written again with its length, which is what it says.
"""

from asyncio import StreamReader
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote

import httptools

from cybous3.core.uri import UriError, parse_query

BODY_MAX: Final = 256 * 1024 * 1024
_HEAD_MAX: Final = 64 * 1024
_PIECE: Final = 256 * 1024
_BODILESS: Final = frozenset({204, 304})
_INFORMATIONAL_MAX: Final = 199
Fields = tuple[tuple[str, str], ...]


class TooMuch(Exception):  # the house names errors for what happened
    """A message is larger than a proxy that keeps it whole will take."""


class CutShort(Exception):  # likewise
    """The connection ended inside a message."""


def header(fields: Fields, name: str) -> str | None:
    """Return the first field of this name, given in lower case."""
    return next((value for field, value in fields if field == name), None)


def with_header(fields: Fields, name: str, value: str | None) -> Fields:
    """Return the fields with this one replaced, or taken out (None)."""
    others = tuple((field, said) for field, said in fields if field != name)
    return others if value is None else (*others, (name, value))


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. Names of fields are lower case; `target` is as it stood on the wire."""

    method: str
    target: str
    fields: Fields
    body: bytes
    keep_alive: bool = True

    @property
    def bucket(self) -> str:
        """The bucket, by the path."""
        return unquote(self.target.partition("?")[0]).lstrip("/").partition("/")[0]

    @property
    def key(self) -> str:
        """The key, by the path; "" for none."""
        return unquote(self.target.partition("?")[0]).lstrip("/").partition("/")[2]

    @property
    def query(self) -> dict[str, str]:
        """The query; a name that stands alone is there with "". Nonsense is no query."""
        try:
            return {name: value or "" for name, value in parse_query(self.target.partition("?")[2])}
        except UriError:
            return {}

    @property
    def operation(self) -> str:
        """The S3 operation, as far as a fault may be for one; "Other" for the rest."""
        level = "object" if self.key else "bucket" if self.bucket else "service"
        if self.method == "PUT" and header(self.fields, "x-amz-copy-source") is not None:
            return "UploadPartCopy" if "partNumber" in self.query else "CopyObject"
        for method, where, name, operation in _OPERATIONS:
            if (method, where) == (self.method, level) and (not name or name in self.query):
                return operation
        return "Other"

    def wire(self) -> bytes:
        """Return the bytes of it."""
        return _written(f"{self.method} {self.target} HTTP/1.1", _framed(self.fields, len(self.body)), self.body)


# method, level, parameter that must be there, operation: the first that fits
_OPERATIONS: Final = (
    ("PUT", "object", "partNumber", "UploadPart"),
    ("PUT", "object", "", "PutObject"),
    ("GET", "object", "uploadId", "ListParts"),
    ("GET", "object", "", "GetObject"),
    ("HEAD", "object", "", "HeadObject"),
    ("DELETE", "object", "uploadId", "AbortMultipartUpload"),
    ("DELETE", "object", "", "DeleteObject"),
    ("POST", "object", "uploads", "CreateMultipartUpload"),
    ("POST", "object", "uploadId", "CompleteMultipartUpload"),
    ("POST", "bucket", "delete", "DeleteObjects"),
    ("GET", "bucket", "uploads", "ListMultipartUploads"),
    ("GET", "bucket", "list-type", "ListObjectsV2"),
    ("GET", "bucket", "location", "GetBucketLocation"),
    ("GET", "bucket", "", "ListObjects"),
    ("HEAD", "bucket", "", "HeadBucket"),
    ("PUT", "bucket", "", "CreateBucket"),
    ("DELETE", "bucket", "", "DeleteBucket"),
    ("GET", "service", "", "ListBuckets"),
)
OPERATIONS: Final = tuple(sorted({row[3] for row in _OPERATIONS} | {"CopyObject", "UploadPartCopy", "Other"}))


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer. `bodiless`: to a HEAD, so that its length is said and nothing follows."""

    status: int
    fields: Fields
    body: bytes
    keep_alive: bool = True
    bodiless: bool = False

    def wire(self) -> bytes:
        """Return the bytes of it."""
        line = f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Answer')}"
        if self.bodiless or self.status in _BODILESS:
            return _written(line, with_header(self.fields, "transfer-encoding", None), b"")
        return _written(line, _framed(self.fields, len(self.body), always=True), self.body)

    def saying(self, body: bytes) -> "Answered":
        """Return it with another body."""
        return replace(self, body=body)

    def with_field(self, name: str, value: str | None) -> "Answered":
        """Return it with a field replaced, or taken out."""
        return replace(self, fields=with_header(self.fields, name, value))


_REASONS: Final = {
    200: "OK",
    204: "No Content",
    206: "Partial Content",
    404: "Not Found",
    409: "Conflict",
    412: "Precondition Failed",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def _framed(fields: Fields, length: int, *, always: bool = False) -> Fields:
    if header(fields, "transfer-encoding") is None and not always:
        return fields
    return with_header(with_header(fields, "transfer-encoding", None), "content-length", str(length))


def _written(line: str, fields: Fields, body: bytes) -> bytes:
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"{line}\r\n{head}\r\n".encode("latin-1") + body


def _stays(fields: Fields) -> bool:
    """Whether the connection is kept, by what both sides may read. httptools' own word changes once a message ends."""
    return "close" not in (header(fields, "connection") or "").lower()


class _Collector:
    """What httptools calls while it reads one message."""

    def __init__(self) -> None:
        self.url = b""
        self.fields: list[tuple[str, str]] = []
        self.body = bytearray()
        self.head_done = self.complete = False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self.head_done = True

    def on_body(self, body: bytes) -> None:
        self.body += body
        if len(self.body) > BODY_MAX:
            raise TooMuch(f"a body of more than {BODY_MAX} bytes")

    def on_message_complete(self) -> None:
        self.complete = True


async def read_request(reader: StreamReader, agree: Callable[[], None]) -> Asked | None:
    """Read one request; None when the connection ends instead. CutShort, TooMuch.

    `agree` says "100 Continue" to a client that waits for it before it sends a body.
    """
    head = await _head(reader)
    if head is None:
        return None
    collected = _Collector()
    parser = httptools.HttpRequestParser(collected)
    parser.feed_data(head)
    if not collected.complete and header(tuple(collected.fields), "expect") is not None:
        agree()
    while not collected.complete:
        parser.feed_data(await _more(reader, tuple(collected.fields), len(collected.body)))
    return Asked(
        parser.get_method().decode(),
        collected.url.decode("latin-1"),
        with_header(tuple(collected.fields), "expect", None),
        bytes(collected.body),
        _stays(tuple(collected.fields)),
    )


async def read_answer(reader: StreamReader, method: str) -> Answered:
    """Read the final answer to a request of `method`. CutShort, TooMuch."""
    while True:
        head = await _head(reader)
        if head is None:
            raise CutShort("no answer")
        collected = _Collector()
        parser = httptools.HttpResponseParser(collected)
        parser.feed_data(head)
        if parser.get_status_code() > _INFORMATIONAL_MAX:
            break
    status = parser.get_status_code()
    bodiless = method == "HEAD" or status in _BODILESS
    while not (bodiless or collected.complete):
        parser.feed_data(await _more(reader, tuple(collected.fields), len(collected.body)))
    fields = tuple(collected.fields)
    return Answered(status, fields, bytes(collected.body), _stays(fields), bodiless)


async def _head(reader: StreamReader) -> bytes | None:
    collected = b""
    while not collected.endswith(b"\r\n\r\n"):
        line = await reader.readline()
        if not line:
            if collected:
                raise CutShort("inside a head")
            return None
        collected += line
        if len(collected) > _HEAD_MAX:
            raise TooMuch("a head that does not end")
    return collected


async def _more(reader: StreamReader, fields: Fields, got: int) -> bytes:
    """Read more of a body and never more than it has, for the next message follows on the same connection."""
    length = header(fields, "content-length")
    if length is not None:
        data = await reader.read(min(_PIECE, int(length) - got))
    else:
        data = await reader.read(_PIECE)  # in chunks; nobody here sends a second message before the first is answered
    if not data:
        raise CutShort("inside a body")
    return data

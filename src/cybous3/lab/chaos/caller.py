"""One client of one S3 endpoint that hides nothing: no retry, no corrected region, no answer turned into an error.

What a check of the endpoint itself needs: every answer as it came, whether a request that failed can have arrived, and
requests that no honest client sends (`edit` changes what is on the wire after it was signed, `cut` breaks off).
One connection, one thread; it is opened when it is first needed and again after it was lost.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self
from xml.etree.ElementTree import Element

from cybous3.client.stores.s3.connection import Connection, Timeouts, connect
from cybous3.client.stores.s3.endpoint import Endpoint, parse_endpoint
from cybous3.client.stores.s3.pool import tls_context
from cybous3.client.stores.s3.xml import parse
from cybous3.core.sigv4.credentials import Credentials
from cybous3.core.sigv4.sign import sign_headers
from cybous3.core.uri import Pairs, encode_query

_PIECE: Final = 256 * 1024

Fields = list[tuple[str, str]]
Edit = Callable[[Fields], Fields]


@dataclass(frozen=True, slots=True)
class Site:
    """Where the endpoint is and whose key is used. `credentials` None: anonymous."""

    endpoint: str
    credentials: Credentials | None = field(repr=False)
    region: str = "us-east-1"
    timeouts: Timeouts = field(default_factory=lambda: Timeouts(5.0, 30.0))


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came; names of fields are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether the status says success."""
        return self.status // 100 == 2  # noqa: PLR2004  # the class of success

    @property
    def etag(self) -> str:
        """The ETag without its quotes, "" if there is none."""
        return self.headers.get("etag", "").strip('"')

    @property
    def code(self) -> str:
        """The S3 error code in the body, "" if there is none."""
        start, end = self.body.find(b"<Code>"), self.body.find(b"</Code>")
        return self.body[start + 6 : end].decode("utf-8", "replace") if 0 <= start < end else ""

    def document(self, *roots: str) -> Element:
        """Return the body as XML without namespaces, its root being one of `roots`. ServerFailed if it is not."""
        return parse(self.body, *roots)

    def __str__(self) -> str:
        return f"{self.status} {self.code}".strip()


class Caller:
    """See the module. `target` is a bucket, or a bucket and a key with a slash between, as text."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.endpoint: Endpoint = parse_endpoint(site.endpoint)
        self._context = tls_context(self.endpoint, None)
        self._open: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def call(  # a request has that many parts
        self,
        method: str,
        target: str = "",
        query: Pairs = (),
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        edit: Edit | None = None,
    ) -> Answer:
        """Send a signed request and return its answer.

        Unreachable: it has certainly had no effect. ConnectionLost, ServerFailed: it may have had one or not.
        """
        connection = self.send(method, target, query, headers, body, edit=edit)
        try:
            head = connection.receive_head(method)
            answer = Answer(head.status, head.headers, _rest(connection))
        except BaseException:
            self.close()
            raise
        if not connection.reusable:
            self.close()
        return answer

    def send(  # as `call`
        self,
        method: str,
        target: str = "",
        query: Pairs = (),
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        edit: Edit | None = None,
        cut: int | None = None,
    ) -> Connection:
        """Send a request, only `cut` bytes of its body if given, and return the connection for the caller to go on."""
        head = self._head(method, target, query, headers, body, edit)
        connection = self._connection()
        try:
            connection.send(head, (body if cut is None else body[:cut],))
        except BaseException:
            self.close()
            raise
        return connection

    def _connection(self) -> Connection:
        if self._open is not None and not self._open.seems_alive():
            self.close()
        if self._open is None:
            self._open = connect(self.endpoint, self.endpoint.host, self._context, self.site.timeouts)
        return self._open

    def _head(  # as `call`
        self,
        method: str,
        target: str,
        query: Pairs,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        edit: Edit | None,
    ) -> bytes:
        bucket, slash, key = target.partition("/")
        path = self.endpoint.path(bucket or None, key if slash else None)
        text = encode_query(query)
        fields: Fields = [("host", self.endpoint.authority()), *headers]
        if body or method in {"PUT", "POST"}:
            fields.append(("content-length", str(len(body))))
        if self.site.credentials is not None:
            digest = hashlib.sha256(body).hexdigest()
            fields += sign_headers(
                method, path, text, fields, digest, self.site.credentials, self.site.region, "s3", time.time()
            )
        if edit is not None:
            fields = edit(fields)
        lines = [f"{method} {path}{'?' if text else ''}{text} HTTP/1.1", *(f"{name}: {said}" for name, said in fields)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _rest(connection: Connection) -> bytes:
    collected, piece = bytearray(), bytearray(_PIECE)
    while count := connection.readinto(memoryview(piece)):
        collected += memoryview(piece)[:count]
    return bytes(collected)


def setting(name: str, value: str | None) -> Edit:
    """Return an edit that replaces a field's value, adds it where it is missing, or (None) leaves it out."""

    def edit(fields: Fields) -> Fields:
        kept = [pair for pair in fields if pair[0] != name]
        return kept if value is None else [*kept, (name, value)]

    return edit

"""Signed requests to one S3 endpoint: what every operation shares, and nothing of any of them.

Keeps true: every request is signed, unless there are no credentials at all; bodies of control requests are covered by
their SHA-256; object bytes travel with `UNSIGNED-PAYLOAD` where TLS protects them, and over plain HTTP as well once
they are large, where the CRC32 over what is sent stands in (what is sent is ciphertext, authenticated end to end).
A wrong region is corrected once, from the server's own answer. Repeating is the retry wrapper's business, with one
exception: a kept connection that had been closed meanwhile is replaced, if the call may be repeated.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from xml.etree.ElementTree import Element

from cybous3.client.stores.checks import checked_metadata, crc32_base64
from cybous3.client.stores.errors import ConnectionLost, Refused, Silent, StoreError, WrongRegion
from cybous3.client.stores.port import Body, Buffer, body_length, pieces
from cybous3.client.stores.s3.connection import Connection, Head, Timeouts
from cybous3.client.stores.s3.endpoint import Endpoint
from cybous3.client.stores.s3.pool import Pool, tls_context
from cybous3.client.stores.s3.refusals import Question, refusal, refusal_inside
from cybous3.client.stores.s3.xml import DOCUMENT_BYTES_MAX, parse
from cybous3.core.clock import Clock
from cybous3.core.sigv4.credentials import Credentials
from cybous3.core.sigv4.payload import EMPTY_SHA256, PayloadMode
from cybous3.core.sigv4.sign import sign_headers
from cybous3.core.uri import Pairs, encode_query

# Over plain HTTP, bodies up to this are hashed with SHA-256: it costs less than the system calls around it.
_SIGNED_BODY_MAX = 64 * 1024
_REFUSED = 300
_BAD_REQUEST = 400
_DRAIN_BYTES_MAX = 64 * 1024
_USER_AGENT = "cybs3"

Fields = list[tuple[str, str]]


class Call(NamedTuple):
    """One request before it is signed. Header values are latin-1 text as on the wire."""

    method: str
    bucket: str | None = None
    key: str | None = None
    query: Pairs = ()
    headers: Sequence[tuple[str, str]] = ()
    body: Body = b""
    repeatable: bool = True
    # Object bytes, as opposed to a control document: see the module's note on signatures.
    bulk: bool = False


@dataclass(slots=True)
class Settings:
    """How to reach an endpoint. `region` None: what the host name tells, corrected by the server's answers."""

    endpoint: Endpoint
    credentials: Credentials | None  # None: anonymous requests
    region: str | None = None
    ca_file: Path | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    clock: Clock = time.time


class Answer:
    """A successful answer whose body has not been read yet. Closing it gives the connection back."""

    def __init__(self, head: Head, connection: Connection, give_back: Callable[[Connection], None]) -> None:
        self.head = head
        self._connection: Connection | None = connection
        self._give_back = give_back

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Fill `buffer`; less only at the end of the body. Raises ConnectionLost when it ends too early."""
        view, filled = memoryview(buffer).cast("B"), 0
        if self._connection is None:
            return 0
        while filled < view.nbytes:
            count = self._connection.readinto(view[filled:])
            if count == 0:
                break
            filled += count
        return filled

    def read(self, limit: int) -> bytes:
        """Return the whole body. Raises Refused when it is longer than `limit`."""
        collected = bytearray()
        piece = bytearray(64 * 1024)
        while count := self.readinto(piece):
            collected += memoryview(piece)[:count]
            if len(collected) > limit:
                raise Refused(f"the server's answer is longer than {limit} bytes")
        return bytes(collected)

    def close(self) -> None:
        """Give the connection back, after the little that may be left of the body; close it if much is left."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            if not connection.finished:
                connection.readinto(memoryview(bytearray(_DRAIN_BYTES_MAX)))
        except StoreError:
            connection.close()
        self._give_back(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class S3Client:
    """Requests to one endpoint with one set of credentials; safe to call from many threads."""

    def __init__(self, settings: Settings) -> None:
        self.endpoint = settings.endpoint
        self._settings = settings
        self._region = settings.region or settings.endpoint.likely_region()
        self._context = tls_context(settings.endpoint, settings.ca_file)
        self._pools: dict[str, Pool] = {}
        self._lock = threading.Lock()

    @property
    def region(self) -> str:
        """The region requests are signed for; it may have been learned from the server."""
        return self._region

    def send(self, call: Call) -> Answer:
        """Send the request and return the answer to it. Raises what the store family has for every other outcome."""
        try:
            return self._send_once(call)
        except WrongRegion as error:
            if not self._learn_region(error):
                raise
        except Refused as error:
            # A refused HEAD has no body that could name the region; a GET has.
            if call.method != "HEAD" or error.status != _BAD_REQUEST or not self._ask_region(call):
                raise
        return self._send_once(call)

    def document(self, call: Call, *roots: str) -> tuple[Element, Head]:
        """Send the request and return the XML it is answered with; an <Error> in a 200 answer is raised."""
        with self.send(call) as answer:
            root = parse(answer.read(DOCUMENT_BYTES_MAX), *roots, "Error")
            if root.tag == "Error":
                raise refusal_inside(root, answer.head, self._question(call), self._settings.clock())
            return root, answer.head

    def done(self, call: Call) -> Head:
        """Send a request whose answer is its head."""
        with self.send(call) as answer:
            return answer.head

    def close(self) -> None:
        """Close idle connections."""
        for pool in list(self._pools.values()):
            pool.close()

    def _learn_region(self, error: WrongRegion) -> bool:
        """Take the region the server named; tell whether it is another one."""
        if error.region is None or error.region == self._region:
            return False
        self._region = error.region
        return True

    def _ask_region(self, call: Call) -> bool:
        try:
            self._send_once(Call("GET", call.bucket, query=(("location", None),))).close()
        except WrongRegion as error:
            return self._learn_region(error)
        except StoreError:
            pass  # the first refusal tells more
        return False

    def _send_once(self, call: Call) -> Answer:
        pool = self._pool(call.bucket)
        head, body = self._request(call), pieces(call.body)
        connection, used = pool.take(carefully=not call.repeatable)
        try:
            received = _exchange(connection, call.method, head, body)
        except ConnectionLost as error:
            connection.close()
            # Silence is no sign of a kept connection that was closed meanwhile.
            if not (used and call.repeatable) or isinstance(error, Silent):
                raise
            connection = pool.fresh()
            received = _exchange_or_close(connection, call.method, head, body)
        except BaseException:
            connection.close()
            raise
        answer = Answer(received, connection, pool.give_back)
        if received.status >= _REFUSED:
            raise self._refusal(call, answer)
        return answer

    def _refusal(self, call: Call, answer: Answer) -> StoreError:
        with answer:
            body = answer.read(DOCUMENT_BYTES_MAX)
        return refusal(answer.head, body, self._question(call), self._settings.clock())

    def _question(self, call: Call) -> Question:
        return Question(self.endpoint.url, call.bucket, call.key)

    def _pool(self, bucket: str | None) -> Pool:
        virtual = self.endpoint.addressing == "virtual" and bucket is not None
        host = f"{bucket}.{self.endpoint.host}" if virtual else self.endpoint.host
        pool = self._pools.get(host)
        if pool is None:
            with self._lock:
                pool = self._pools.setdefault(host, Pool(self.endpoint, host, self._context, self._settings.timeouts))
        return pool

    def _request(self, call: Call) -> bytes:
        """Return the bytes of the request's head, signed."""
        path = self.endpoint.path(call.bucket, call.key)
        query = encode_query(call.query)
        fields: Fields = [("host", self.endpoint.authority(call.bucket)), *call.headers]
        length = body_length(call.body)
        if length or call.method in {"PUT", "POST"}:
            fields.append(("content-length", str(length)))
        if call.bulk:
            fields.append(("x-amz-checksum-crc32", crc32_base64(pieces(call.body))))
        credentials = self._settings.credentials
        if credentials is not None:
            fields += sign_headers(
                call.method,
                path,
                query,
                fields,
                self._payload_hash(call, length),
                credentials,
                self._region,
                "s3",
                self._settings.clock(),
            )
        target = f"{path}?{query}" if query else path
        lines = [f"{call.method} {target} HTTP/1.1", f"user-agent: {_USER_AGENT}"]
        lines += [f"{name}: {value}" for name, value in fields]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _payload_hash(self, call: Call, length: int) -> str:
        if not length:
            return EMPTY_SHA256
        if call.bulk and (self.endpoint.secure or length > _SIGNED_BODY_MAX):
            return PayloadMode.UNSIGNED.value
        digest = hashlib.sha256()
        for piece in pieces(call.body):
            digest.update(piece)
        return digest.hexdigest()


def metadata_fields(metadata: Mapping[str, str]) -> Fields:
    """Return user metadata as headers. Raises Refused for what a header cannot carry."""
    return [(f"x-amz-meta-{name}", value) for name, value in checked_metadata(metadata).items()]


def _exchange(connection: Connection, method: str, head: bytes, body: tuple[Buffer, ...]) -> Head:
    connection.send(head, body)
    return connection.receive_head(method)


def _exchange_or_close(connection: Connection, method: str, head: bytes, body: tuple[Buffer, ...]) -> Head:
    try:
        return _exchange(connection, method, head, body)
    except BaseException:
        connection.close()
        raise

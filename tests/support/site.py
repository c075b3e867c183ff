"""A whole S3 site inside the test: the real service over a real store, and callers without a socket between.

`Site.ask` sends one request, signed with our own signer or with none. `Site.client` is a boto3 client whose requests go
to the service instead of the network, so that botocore builds the requests and reads the answers. Both are synchronous:
the site has an event loop of its own and runs it for the length of a call.
"""

import asyncio
import hashlib
import io
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config

from cybous3.core.sigv4.credentials import Credentials
from cybous3.core.sigv4.sign import presign, sign
from cybous3.server.blobs.local.store import LocalBlobs
from cybous3.server.blobs.memory.store import MemoryBlobs
from cybous3.server.blobs.port import Blobs
from cybous3.server.meta.memory.index import MemoryIndex
from cybous3.server.meta.port import Index
from cybous3.server.meta.sqlite.index import open_sqlite
from cybous3.server.model.accounts import Credential, User
from cybous3.server.service.service import Observation, S3Service
from cybous3.server.store.store import Store
from cybous3.server.wire.message import Headers, Payload, Request, Response

T = TypeVar("T")

HOST = "s3.test:9000"
REGION = "us-east-1"
PIECE = 64 * 1024

ROOT = User("0" * 64, "root", "Root", root=True)
ALICE = User("a" * 64, "alice", "Alice")
BOB = User("b" * 64, "bob", "Bob")


def _credential(user: User, name: str, buckets: frozenset[str] | None = None) -> Credential:
    return Credential(f"TESTKEY{name.upper():X<13}", user, f"not-a-secret-of-{name}-0000000000000000000000", buckets)


ROOT_KEY = _credential(ROOT, "root")
ALICE_KEY = _credential(ALICE, "alice")
BOB_KEY = _credential(BOB, "bob")
SCOPED_KEY = _credential(ALICE, "scoped", frozenset({"scoped", "scoped-too"}))  # alice's, for two of her buckets


class BytesBody:
    """A body that is at hand, in pieces as an edge would give them; remembers whether anybody asked for it."""

    def __init__(self, content: bytes | Sequence[bytes | Exception], piece: int = PIECE) -> None:
        if isinstance(content, bytes):
            content = [content[at : at + piece] for at in range(0, len(content), piece)]
        self._pieces = list(content)
        self.reads = 0

    async def read(self) -> bytes:
        self.reads += 1
        piece = self._pieces.pop(0) if self._pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece


@dataclass
class Answer:
    """An answer with its body read."""

    status: int
    headers: dict[str, str]
    body: bytes
    close: bool
    fields: list[tuple[str, str]]

    @property
    def code(self) -> str:
        """The S3 error code in the body, "" if there is none."""
        start, end = self.body.find(b"<Code>"), self.body.find(b"</Code>")
        return self.body[start + 6 : end].decode() if start >= 0 else ""


@dataclass
class Site:
    """One service with its users."""

    loop: asyncio.AbstractEventLoop
    store: Store
    region: str = REGION
    seen: list[Observation] = field(default_factory=list)
    credentials: dict[str, Credential] = field(default_factory=dict)
    service: S3Service = field(init=False)

    def __post_init__(self) -> None:
        self.credentials = {key.access_key: key for key in (ROOT_KEY, ALICE_KEY, BOB_KEY, SCOPED_KEY)}
        self.service = self.serve(self.store)

    def serve(self, store: Store, **options: Any) -> S3Service:
        """Return a service over `store` with this site's users and clock."""
        settings: dict[str, Any] = {"region": self.region, "observe": self.seen.append, "base_hosts": ("s3.test",)}
        settings |= options
        return S3Service(store, self._find, clock=self.now, entropy=os.urandom, **settings)

    def now(self) -> float:
        return time.time()

    async def _find(self, access_key: str) -> Credential | None:
        return self.credentials.get(access_key)

    def run(self, work: Awaitable[T]) -> T:
        """Run the site's loop until `work` is done."""
        return self.loop.run_until_complete(work)

    def send(self, request: Request) -> Answer:
        """Have the service answer a request as it is."""
        return self.run(self._answered(request))

    async def _answered(self, request: Request) -> Answer:
        return await read_answer(await self.service(request))

    def ask(
        self, method: str, path: str, query: str = "", *, edit: Callable[[Request], Request] | None = None, **more: Any
    ) -> Answer:
        """Sign a request as `signed` does and send it. `edit` changes it after it was signed."""
        request = self.signed(method, path, query, **more)
        return self.send(edit(request) if edit else request)

    def signed(
        self,
        method: str,
        path: str,
        query: str = "",
        *,
        key: Credential | None = ALICE_KEY,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        payload: str | None = None,
        host: str = HOST,
    ) -> Request:
        """Return a signed request; with no key, one without a signature."""
        fields = [("host", host), *((name.lower(), value) for name, value in (headers or {}).items())]
        if body or method in {"PUT", "POST"}:
            fields.append(("content-length", str(len(body))))
        if key is not None:
            digest = hashlib.sha256(body).hexdigest() if payload is None else payload
            signing = Credentials(key.access_key, key.secret_key)
            fields += sign(method, path, query, fields, digest, signing, self.region, self.now()).headers
        return Request(method, path, query, Headers(fields), BytesBody(body), len(body))

    def presigned(self, method: str, path: str, query: str = "", *, key: Credential = ALICE_KEY, **more: Any) -> str:
        """Return the query of a presigned URL that is good for a minute."""
        signing = Credentials(key.access_key, key.secret_key)
        return presign(method, HOST, path, query, signing, self.region, 60, self.now(), **more)

    def client(self, key: Credential = ALICE_KEY) -> Any:
        """Return a boto3 client that talks to this site (of several in one region: to the one asked last)."""
        _TALKING_TO[self.region] = self
        return _client(key.access_key, key.secret_key, self.region)

    def from_botocore(self, request: AWSPreparedRequest) -> AWSResponse:
        """Send what botocore would send, and hand back what it would read."""
        url = urlsplit(request.url)
        fields = [(name.lower(), _text(value)) for name, value in request.headers.items()]
        if not any(name == "host" for name, _ in fields):
            fields.insert(0, ("host", url.netloc))
        body = _content(request.body)
        chunked = any(name == "transfer-encoding" for name, _ in fields)
        length = None if chunked else len(body)
        # botocore writes the query as the signature has it, and so it goes on the wire.
        answer = self.send(
            Request(_text(request.method), url.path or "/", url.query, Headers(fields), BytesBody(body), length)
        )
        raw = _Raw(b"" if request.method == "HEAD" else answer.body)
        return AWSResponse(request.url, answer.status, answer.headers, cast("Any", raw))


_TALKING_TO: dict[str, Site] = {}


@cache
def _client(access_key: str, secret_key: str, region: str) -> Any:
    """Return a client for all sites of a region: making one takes 50 ms, more than most tests."""
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{HOST}",
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(retries={"max_attempts": 0}),
    )

    def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        return _TALKING_TO[region].from_botocore(request)

    client.meta.events.register("before-send.s3", send)
    return client


class _Raw(io.BytesIO):
    """What botocore reads an answer's body from."""

    def stream(self, amount: int = PIECE) -> Iterator[bytes]:
        while piece := self.read(amount):
            yield piece


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _content(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    return bytes(body) if isinstance(body, bytes | bytearray) else b"".join(iter(lambda: body.read(PIECE), b""))


async def read_answer(response: Response) -> Answer:
    """Read the whole body, and close it as the edge would."""
    body = response.body
    if not isinstance(body, bytes):
        body = await _drained(body)
    return Answer(response.status, dict(response.headers), body, response.close, response.headers)


async def _drained(payload: Payload) -> bytes:
    try:
        pieces = [piece async for piece in payload.chunks()]
    finally:
        await payload.aclose()
    content = b"".join(pieces)
    assert len(content) == payload.length
    return content


def make_site(place: Path | None = None, *, region: str = REGION) -> Iterator[Site]:
    """Yield a site in memory, or with SQLite and files under `place`; as the body of a fixture."""
    loop = asyncio.new_event_loop()
    index: Index
    blobs: Blobs
    try:
        if place is None:
            index, blobs = MemoryIndex(), MemoryBlobs(os.urandom)
        else:
            index = loop.run_until_complete(open_sqlite(place / "index.db", synchronous="NORMAL"))
            blobs = LocalBlobs(place / "blobs", "test", os.urandom)
        store = Store(index, blobs, clock=time.time, entropy=os.urandom, region=region)
        for user in (ROOT, ALICE, BOB):
            loop.run_until_complete(index.accounts.add_user(user))
        yield Site(loop, store, region)
        loop.run_until_complete(store.aclose())
        loop.run_until_complete(blobs.aclose())
        loop.run_until_complete(index.aclose())
    finally:
        loop.close()


def edited(request: Request, **headers: str) -> Request:
    """Return the request with headers replaced or added after it was signed; underscores stand for hyphens."""
    changes = {name.replace("_", "-"): value for name, value in headers.items()}
    kept = [(name, value) for name, value in request.headers if name not in changes]
    return replace(request, headers=Headers([*kept, *changes.items()]))

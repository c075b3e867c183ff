"""An edge on loopback in a thread of its own, so that tests speak to it with plain blocking sockets."""

import asyncio
import contextlib
import datetime as dt
import http.client
import socket
import ssl
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cybous3.server.edge.limits import Limits
from cybous3.server.edge.server import EdgeServer, serve
from cybous3.server.wire.message import Request, Response

T = TypeVar("T")
Handler = Callable[[Request], Awaitable[Response]]


def loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if sys.platform != "win32":
        import uvloop  # noqa: PLC0415  # there is none on Windows

        factories["uvloop"] = uvloop.new_event_loop
    return factories


class Edge:
    """A running edge. `talk` says some bytes and returns everything it answers until it closes or falls silent."""

    def __init__(
        self,
        handler: Handler,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
        factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
    ) -> None:
        self._sock = socket.socket()
        self._sock.bind(("127.0.0.1", 0))
        self.port = int(self._sock.getsockname()[1])
        self._started = threading.Event()
        self._stop: asyncio.Event
        self._handler, self._limits, self._tls, self._factory = handler, limits or Limits(), tls, factory
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._started.wait(10)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=self._factory) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self.server: EdgeServer = await serve([self._sock], self._handler, limits=self._limits, tls=self._tls)
        self._started.set()
        await self._stop.wait()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the edge's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def close(self) -> None:
        if self._thread.is_alive():
            self.do(self.server.drain(2.0))
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(10)

    def connect(self, timeout_s: float = 10.0) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout_s)

    def talk(self, said: bytes, *, half_close: bool = False) -> bytes:
        with self.connect() as sock:
            with contextlib.suppress(OSError):
                sock.sendall(said)
                if half_close:
                    sock.shutdown(socket.SHUT_WR)
            return read_all(sock)

    def client(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)


def read_all(sock: socket.socket) -> bytes:
    heard = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := sock.recv(1 << 20):
            heard += piece
    return heard


def read_until(sock: socket.socket, end: bytes) -> bytes:
    heard = b""
    while not heard.endswith(end):
        piece = sock.recv(65536)
        assert piece, f"closed after {heard!r}"
        heard += piece
    return heard


@pytest.fixture(params=sorted(loop_factories()))
def start_edge(request: pytest.FixtureRequest) -> Iterator[Callable[..., Edge]]:
    """Start edges on every loop there is; they are drained at the end."""
    edges: list[Edge] = []

    def start(handler: Handler, limits: Limits | None = None, tls: ssl.SSLContext | None = None) -> Edge:
        edges.append(Edge(handler, limits, tls, loop_factories()[request.param]))
        return edges[-1]

    yield start
    for edge in edges:
        edge.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make a certificate for localhost that signed itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(private, hashes.SHA256())
    )
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return cert, key


async def echo(request: Request) -> Response:
    """Answer what was received."""
    body = b""
    while piece := await request.body.read():
        body += piece
    text = f"{request.method} {request.path} ?{request.query} {len(body)} ".encode() + body[:64]
    return Response(200, [("Content-Type", "text/plain")], text)

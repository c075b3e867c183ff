"""A server that plays a script: for each request the next line, as raw bytes, so that it may lie in any way."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from cybous3.client.stores.s3.client import S3Client, Settings
from cybous3.client.stores.s3.connection import Timeouts
from cybous3.client.stores.s3.endpoint import parse_endpoint
from cybous3.core.sigv4.credentials import Credentials

NOW_S = 1_700_000_000.0
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
HANG_UP = b""


def answer(status: int, body: bytes = b"", *fields: str, date: str = DATE) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", f"date: {date}", f"content-length: {len(body)}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def error(status: int, code: str, *fields: str, extra: str = "", date: str = DATE) -> bytes:
    body = f"<Error><Code>{code}</Code><Message>as told</Message>{extra}</Error>".encode()
    return answer(status, body, *fields, date=date)


@dataclass
class Request:
    head: str
    body: bytes

    @property
    def line(self) -> str:
        return self.head.split("\r\n")[0]

    def field(self, name: str) -> str | None:
        found = re.search(rf"^{name}: (.*)$", self.head, re.MULTILINE | re.IGNORECASE)
        return found[1].strip() if found else None


@dataclass
class Scripted:
    """Plays `script`; an empty line hangs up without an answer, an answer with `close` hangs up after it."""

    script: list[bytes]
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    clients: list[S3Client] = field(default_factory=list)
    read_bodies: bool = True
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def client(self, **settings: object) -> S3Client:
        defaults: dict[str, object] = {
            "credentials": Credentials("AKEXAMPLE", "not-a-secret"),
            "timeouts": Timeouts(connect_s=2, idle_s=2),
            "clock": lambda: NOW_S,
        }
        client = S3Client(Settings(parse_endpoint(self.endpoint), **{**defaults, **settings}))  # type: ignore[arg-type]
        self.clients.append(client)
        return client

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._play, args=(connection,), daemon=True).start()

    def _play(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            buffered = b""
            while True:
                while b"\r\n\r\n" not in buffered:
                    more = connection.recv(65536)
                    if not more:
                        return
                    buffered += more
                head, _, buffered = buffered.partition(b"\r\n\r\n")
                request = Request(head.decode("latin-1"), b"")
                wanted = int(request.field("content-length") or 0) if self.read_bodies else 0
                while len(buffered) < wanted:
                    buffered += connection.recv(65536)
                request.body, buffered = buffered[:wanted], buffered[wanted:]
                self.requests.append(request)
                if not self.script:
                    return
                line = self.script.pop(0)
                if not line:
                    return
                connection.sendall(line)
                if b"connection: close" in line.lower() or b"HANG UP" in line:
                    return

    def close(self) -> None:
        for client in self.clients:
            client.close()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


Play = Callable[..., Scripted]


@pytest.fixture
def play() -> Iterator[Play]:
    """Return a function that starts a server with the given answers."""
    servers: list[tuple[Scripted, threading.Thread]] = []

    def start(*script: bytes, read_bodies: bool = True) -> Scripted:
        server = Scripted(list(script), read_bodies=read_bodies)
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        servers.append((server, thread))
        return server

    yield start
    for server, thread in servers:
        server.close()
        thread.join(5)

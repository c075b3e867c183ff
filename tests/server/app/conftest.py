"""Real servers, and requests signed by hand so that a test can stop in the middle of one."""

import http.client
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cybous3.core.sigv4.credentials import Credentials
from cybous3.core.sigv4.sign import sign
from tests.server.edge.conftest import certificate as certificate  # noqa: PLC0414  # a fixture, for these tests too
from tests.support.server import Server


def signed_head(server: Server, method: str, path: str, *fields: tuple[str, str]) -> bytes:
    """Return a request's head, its payload unsigned."""
    query = path.partition("?")[2]
    host = ("host", f"127.0.0.1:{server.port}")
    key = Credentials(server.root.access_key, server.root.secret_key)
    made = sign(
        method, path.partition("?")[0], query, [host, *fields], "UNSIGNED-PAYLOAD", key, server.region, time.time()
    )
    lines = "".join(f"{name}: {value}\r\n" for name, value in (host, *fields, *made.headers))
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")


def begin_put(server: Server, path: str, length: int, sent: int) -> socket.socket:
    """Begin to upload `length` bytes and stop after `sent`."""
    sock = socket.create_connection(("127.0.0.1", server.port), 20)
    sock.sendall(signed_head(server, "PUT", path, ("content-length", str(length))))
    sock.sendall(b"x" * sent)
    return sock


def ask(server: Server, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """Send one signed request on a connection of its own."""
    with socket.create_connection(("127.0.0.1", server.port), 20) as sock:
        fields = (("content-length", str(len(body))), ("connection", "close"))
        sock.sendall(signed_head(server, method, path, *fields) + body)
        answer = http.client.HTTPResponse(sock, method=method)
        answer.begin()
        return answer.status, answer.read()


def wait_until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a registry of its own to what runs in this process."""
    monkeypatch.setenv("SWIFTS3_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"

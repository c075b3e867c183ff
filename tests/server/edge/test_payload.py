"""Answers that are files or streams: every byte, no byte too many, and a cut connection when bytes are missing."""

import asyncio
import http.client
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from cybous3.server.edge import outgoing
from cybous3.server.edge.limits import Limits
from cybous3.server.edge.spans import AVAILABLE, LOOP_BYTES, RUN_BYTES, read_cached
from cybous3.server.wire.message import FileSpan, Payload, Request, Response
from tests.server.edge.conftest import Edge, read_all

Start = Callable[..., Edge]
GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
MIB = 1 << 20


class PlainSpan:
    """A range of a file; `wrong` is a byte of the range that its checks do not know."""

    def __init__(self, fd: int, offset: int, length: int, *, cached: bool = True, wrong: int | None = None) -> None:
        self.length = length
        self._fd = fd
        self._offset = offset
        self._cached = cached
        self._wrong = wrong
        self.taken: list[tuple[int, str]] = []  # where, and in which thread

    def at_hand(self) -> memoryview | None:
        return self._checked(0, memoryview(bytearray(self.length))) if self._cached else None

    def take(self, position: int, buffer: memoryview, *, wait: bool) -> memoryview:
        if not (wait or self._cached):
            return buffer[:0]
        self.taken.append((position, threading.current_thread().name))
        return self._checked(position, buffer[: self.length - position])

    def _checked(self, position: int, buffer: memoryview) -> memoryview:
        count = os.preadv(self._fd, [buffer], self._offset + position)
        if count != len(buffer) or (self._wrong is not None and position <= self._wrong < position + count):
            raise OSError("not what was stored")
        return buffer


class FilePayload:
    """A file, as spans or as chunks; `says` is its announced length."""

    def __init__(
        self, path: Path, *, plain: bool = True, says: int | None = None, cut: int = 3, wrong: int | None = None
    ) -> None:
        self._fd = os.open(path, os.O_RDONLY)
        self._size = os.fstat(self._fd).st_size
        self._plain = plain
        self._says = self._size if says is None else says
        self._cut = cut
        self._wrong = wrong
        self.closed = 0

    @property
    def length(self) -> int:
        return self._says

    def spans(self) -> Sequence[FileSpan] | None:
        if not self._plain:
            return None
        step = max(1, self._says // self._cut)
        ends = [(at, min(step, self._says - at)) for at in range(0, self._says, step)]
        wrong = -1 if self._wrong is None else self._wrong
        return [PlainSpan(self._fd, at, size, wrong=wrong - at if wrong >= at else None) for at, size in ends]

    async def chunks(self) -> AsyncIterator[bytes]:
        for at in range(0, self._size, MIB):
            await asyncio.sleep(0)
            yield os.pread(self._fd, MIB, at)

    async def aclose(self) -> None:
        if not self.closed:
            os.close(self._fd)
        self.closed += 1


def serving(make: Callable[[], Payload], kept: list[Payload] | None = None) -> Callable[[Request], object]:
    async def handler(_: Request) -> Response:
        payload = make()
        if kept is not None:
            kept.append(payload)
        return Response(200, [], payload)

    return handler


@pytest.fixture(params=[1000, 300_000, 9 * MIB + 17], ids=["small", "medium", "large"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(1 << 16) * (request.param >> 16) + os.urandom(request.param & 0xFFFF))
    return path


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("cached", [True, False])
def test_files_arrive_whole(
    start_edge: Start, file: Path, plain: bool, cached: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not cached:
        monkeypatch.setattr(outgoing, "read_cached", lambda _: None)
    kept: list[Payload] = []
    edge = start_edge(serving(lambda: FilePayload(file, plain=plain), kept))
    client = edge.client()
    for _ in range(3):
        client.request("GET", "/a")
        assert client.getresponse().read() == file.read_bytes()
    client.request("HEAD", "/a")
    answer = client.getresponse()
    assert (answer.getheader("content-length"), answer.read()) == (str(file.stat().st_size), b"")
    client.close()
    _wait_until(lambda: [payload.closed for payload in kept] == [1, 1, 1, 1])  # type: ignore[attr-defined]
    assert edge.server.stats.bytes_out > 3 * file.stat().st_size


def test_pipelined_files_keep_their_order(start_edge: Start, file: Path) -> None:
    edge = start_edge(serving(lambda: FilePayload(file)))
    heard = edge.talk(GET * 5, half_close=True)
    assert heard.count(file.read_bytes()) == 5
    assert heard.count(b"HTTP/1.1 200") == 5


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("says", [2 * MIB, 1000])
def test_a_file_shorter_than_announced_cuts_the_connection(
    start_edge: Start, tmp_path: Path, plain: bool, says: int
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * (says - 100))
    kept: list[Payload] = []
    edge = start_edge(serving(lambda: FilePayload(path, plain=plain, says=says, cut=1), kept))
    client = edge.client()
    client.request("GET", "/a")
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        client.getresponse().read()
    client.close()
    assert edge.server.stats.crashed == 1
    _wait_until(lambda: kept[0].closed == 1)  # type: ignore[attr-defined]


def test_a_stream_longer_than_announced_cuts_the_connection(start_edge: Start, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3000)
    edge = start_edge(serving(lambda: FilePayload(path, plain=False, says=1000)))
    heard = edge.talk(GET)
    assert len(heard.partition(b"\r\n\r\n")[2]) <= 1000
    assert edge.server.stats.crashed == 1


def test_spans_that_do_not_add_up_are_not_begun(start_edge: Start, tmp_path: Path) -> None:
    class Odd(FilePayload):
        def spans(self) -> Sequence[FileSpan] | None:
            return [PlainSpan(self._fd, 0, 5)]

    path = tmp_path / "file"
    path.write_bytes(b"x" * 3000)
    edge = start_edge(serving(lambda: Odd(path)))
    assert edge.talk(GET) == b""
    assert edge.server.stats.crashed == 1


def test_a_disk_that_fails_in_the_middle_cuts_the_connection(start_edge: Start, tmp_path: Path) -> None:
    class Failing(FilePayload):
        async def chunks(self) -> AsyncIterator[bytes]:
            yield b"x" * 1000
            raise OSError(5, "input/output error")

    path = tmp_path / "file"
    path.write_bytes(b"x" * 3000)
    edge = start_edge(serving(lambda: Failing(path, plain=False)))
    heard = edge.talk(GET)
    assert len(heard.partition(b"\r\n\r\n")[2]) <= 1000
    assert edge.server.stats.crashed == 1


@pytest.mark.parametrize("plain", [True, False])
def test_a_slow_peer_gets_everything_and_holds_no_thread(start_edge: Start, tmp_path: Path, plain: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(MIB) * 8)
    edge = start_edge(serving(lambda: FilePayload(path, plain=plain)))
    socks = [_slow_socket(edge) for _ in range(12)]  # more than there are threads
    for sock in socks:
        sock.sendall(GET)
    fast = edge.client()
    fast.request("GET", "/a")
    assert fast.getresponse().read() == path.read_bytes()
    fast.close()
    for sock in socks[:2]:
        heard = b""
        while len(heard) < 8 * MIB:
            piece = sock.recv(256 * 1024)
            assert piece
            heard += piece
    for sock in socks:
        sock.close()


def _slow_socket(edge: Edge) -> socket.socket:
    sock = socket.socket()
    sock.settimeout(20)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", edge.port))
    return sock


@pytest.mark.parametrize("plain", [True, False])
def test_a_peer_that_takes_nothing_is_cut(start_edge: Start, tmp_path: Path, plain: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(32 * MIB))
    kept: list[Payload] = []
    edge = start_edge(serving(lambda: FilePayload(path, plain=plain), kept), Limits(write_stall_s=0.3, sweep_s=0.05))
    with _slow_socket(edge) as sock:
        sock.sendall(GET)
        _wait_until(lambda: edge.server.stats.connections == 0)
    _wait_until(lambda: bool(kept) and kept[0].closed == 1)  # type: ignore[attr-defined]
    assert edge.server.stats.aborted >= 1


@pytest.mark.parametrize("plain", [True, False])
def test_a_peer_that_leaves_in_the_middle_releases_the_file(start_edge: Start, tmp_path: Path, plain: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(32 * MIB))
    kept: list[Payload] = []
    edge = start_edge(serving(lambda: FilePayload(path, plain=plain), kept))
    with _slow_socket(edge) as sock:
        sock.sendall(GET)
        assert sock.recv(1000)
    _wait_until(lambda: kept[0].closed == 1)  # type: ignore[attr-defined]
    _wait_until(lambda: edge.server.stats.in_flight == 0)


def _wait_until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_large_answer_at_hand_arrives(start_edge: Start) -> None:
    body = os.urandom(3 * MIB)

    async def handler(_: Request) -> Response:
        return Response(200, [], body)

    heard = start_edge(handler).talk(GET * 3, half_close=True)
    assert heard.count(body) == 3


def test_tls_carries_bodies_both_ways(start_edge: Start, certificate: tuple[Path, Path], file: Path) -> None:
    content = file.read_bytes()

    async def handler(request: Request) -> Response:
        assert request.secure
        received = b""
        while piece := await request.body.read():
            received += piece
        assert received == content
        return Response(200, [], FilePayload(file))

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    edge = start_edge(handler, None, context)
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    client = http.client.HTTPSConnection("localhost", edge.port, context=trusting, timeout=20)
    for _ in range(2):
        client.request("PUT", "/a", file.read_bytes())
        assert client.getresponse().read() == file.read_bytes()
    client.close()


def test_a_file_waits_for_the_answer_before_it(
    start_edge: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket is handed to a thread only when the transport has nothing left to send."""
    monkeypatch.setattr(outgoing, "read_cached", lambda _: None)
    path = tmp_path / "file"
    path.write_bytes(os.urandom(300_000))
    first = os.urandom(60_000)

    async def handler(request: Request) -> Response:
        return Response(200, [], first if request.path == "/first" else FilePayload(path))

    edge = start_edge(handler)
    with _slow_socket(edge) as sock:
        sock.sendall((b"GET /first HTTP/1.1\r\nHost: x\r\n\r\n" + GET) * 30)
        sock.shutdown(socket.SHUT_WR)
        time.sleep(0.3)
        heard = read_all(sock)
    bodies = re.split(rb"HTTP/1.1 200 OK\r\n.*?\r\n\r\n", heard, flags=re.DOTALL)[1:]
    assert bodies == [first, path.read_bytes()] * 30


def test_what_cannot_be_read_at_once_is_left_to_the_thread(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 60 + b"y" * 40)
    with path.open("rb") as file:
        here, there = PlainSpan(file.fileno(), 10, 20), PlainSpan(file.fileno(), 60, 2)
        assert read_cached([here, there]) == b"x" * 20 + b"yy"
        assert read_cached([here, PlainSpan(file.fileno(), 60, 2, cached=False)]) is None
        with pytest.raises(OSError, match="stored"):
            read_cached([here, PlainSpan(file.fileno(), 60, 2, wrong=1)])


@pytest.mark.skipif(not AVAILABLE, reason="elsewhere there are only chunks")
@pytest.mark.parametrize("wrong", [0, 3 * MIB + 5])
def test_a_wrong_byte_cuts_the_connection_and_never_leaves(start_edge: Start, tmp_path: Path, wrong: int) -> None:
    """What was proved before it may be out; when nothing was, not even the head is."""
    path = tmp_path / "file"
    content = os.urandom(4 * MIB)
    path.write_bytes(content)
    edge = start_edge(serving(lambda: FilePayload(path, wrong=wrong)))
    head, _, body = edge.talk(GET).partition(b"\r\n\r\n")
    assert body == content[: len(body)]
    assert len(body) <= wrong
    assert bool(head) == (wrong > 0)
    assert edge.server.stats.crashed == 1


@pytest.mark.skipif(not AVAILABLE, reason="elsewhere there are only chunks")
@pytest.mark.parametrize(("cached", "on_the_loop"), [(True, LOOP_BYTES), (False, 0)])
def test_nothing_is_read_twice_however_slowly_it_is_taken(
    start_edge: Start, tmp_path: Path, cached: bool, on_the_loop: int
) -> None:
    """The first megabytes are proved on the event loop if they lie in memory, and everything else in a thread."""
    path = tmp_path / "file"
    path.write_bytes(os.urandom(MIB) * 6)
    spans: list[PlainSpan] = []

    class Watched(FilePayload):
        def spans(self) -> Sequence[FileSpan] | None:
            spans[:] = [PlainSpan(self._fd, 0, self._says, cached=cached)]
            return spans

    edge = start_edge(serving(lambda: Watched(path)))
    with _slow_socket(edge) as sock:
        sock.sendall(GET)
        sock.shutdown(socket.SHUT_WR)
        heard = read_all(sock)
    assert heard.endswith(path.read_bytes())
    taken = spans[0].taken
    assert [at for at, _ in taken] == list(range(0, 6 * MIB, RUN_BYTES))
    threads = [name for _, name in taken]
    loop = threads[0] if cached else ""
    assert abs(RUN_BYTES * threads.count(loop) - on_the_loop) <= RUN_BYTES
    assert loop not in threads[threads.count(loop) :]


def test_systems_that_cannot_send_from_threads_use_chunks(
    start_edge: Start, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "AVAILABLE", False)
    edge = start_edge(serving(lambda: FilePayload(file)))
    assert edge.talk(GET, half_close=True).endswith(file.read_bytes())

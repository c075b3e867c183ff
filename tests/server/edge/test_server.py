"""Limits in time and number, and an orderly end."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable

import pytest

from cybous3.server.edge.limits import Limits
from cybous3.server.wire.message import Request, Response
from tests.server.edge.conftest import Edge, echo, read_all, read_until

Start = Callable[..., Edge]
GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
ANSWERED = b"GET /a ? 0 "
QUICK = Limits(head_s=0.3, idle_s=0.3, body_idle_s=0.3, linger_s=0.3, sweep_s=0.05)


def test_a_head_that_drips_is_refused_in_time(start_edge: Start) -> None:
    with start_edge(echo, QUICK).connect() as sock:
        began = time.monotonic()
        heard = b""
        sock.settimeout(0.05)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        while time.monotonic() - began < 5 and not heard:
            sock.sendall(b"A: b\r\n")
            try:
                heard = sock.recv(1000)
            except TimeoutError:
                continue
        assert heard.startswith(b"HTTP/1.1 400 ")
        assert b"RequestTimeout" in heard
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("said", [b"", GET])
def test_an_idle_connection_is_closed_without_a_word(start_edge: Start, said: bytes) -> None:
    with start_edge(echo, QUICK).connect() as sock:
        if said:
            sock.sendall(said)
            read_until(sock, ANSWERED)
        assert read_all(sock) == b""


@pytest.mark.parametrize("coding", [b"Content-Length: 100", b"Transfer-Encoding: chunked"])
def test_a_body_that_stops_is_refused_in_time(start_edge: Start, coding: bytes) -> None:
    with start_edge(echo, QUICK).connect() as sock:
        sock.sendall(b"PUT /a HTTP/1.1\r\nHost: x\r\n" + coding + b"\r\n\r\n5\r\nab")
        heard = read_all(sock)
    assert heard.startswith(b"HTTP/1.1 400 ")
    assert b"RequestTimeout" in heard


def test_a_body_that_drips_is_refused_in_time(start_edge: Start) -> None:
    limits = Limits(body_idle_s=5, body_grace_s=0.3, sweep_s=0.05, linger_s=0.3)
    with start_edge(echo, limits).connect() as sock:
        sock.settimeout(0.02)
        sock.sendall(b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        heard = b""
        began = time.monotonic()
        while not heard and time.monotonic() - began < 5:
            sock.sendall(b"x")
            try:
                heard = sock.recv(1000)
            except TimeoutError:
                continue
    assert b"RequestTimeout" in heard


def test_a_slow_handler_is_nobodys_fault(start_edge: Start) -> None:
    async def slow(_: Request) -> Response:
        await asyncio.sleep(1.0)
        return Response(200, [], b"done")

    assert start_edge(slow, QUICK).talk(GET, half_close=True).endswith(b"done")


def test_a_handler_that_reads_slowly_is_not_the_peers_fault(start_edge: Start) -> None:
    async def slow(request: Request) -> Response:
        count = 0
        while piece := await request.body.read():
            count += len(piece)
            await asyncio.sleep(0.2)
        return Response(200, [], b"%d" % count)

    client = start_edge(slow, QUICK).client()
    client.request("PUT", "/a", bytes(4 << 20))
    assert client.getresponse().read() == b"%d" % (4 << 20)
    client.close()


def test_one_connection_too_many_is_turned_away(start_edge: Start) -> None:
    edge = start_edge(echo, Limits(connections=2))
    with edge.connect() as one, edge.connect() as two:
        for sock in (one, two):
            sock.sendall(GET)
            read_until(sock, ANSWERED)
        with edge.connect() as three:
            assert read_all(three).startswith(b"HTTP/1.1 503 ")
        one.sendall(GET)
        read_until(one, ANSWERED)
    assert edge.server.stats.turned_away == 1
    _wait_until(lambda: edge.server.stats.connections == 0)
    assert edge.talk(GET, half_close=True).startswith(b"HTTP/1.1 200 ")


def _wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_reader_that_rests_stops_the_sender(start_edge: Start) -> None:
    """What waits in the server is bounded, however much the peer would like to send."""
    go = threading.Event()

    async def resting(request: Request) -> Response:
        first = await request.body.read()
        await asyncio.get_running_loop().run_in_executor(None, go.wait)
        count = len(first)
        while piece := await request.body.read():
            assert len(piece) <= 1 << 20
            count += len(piece)
        return Response(200, [], b"%d" % count)

    edge = start_edge(resting)
    for coding in ("sized", "chunked"):
        go.clear()
        before = edge.server.stats.bytes_in
        with edge.connect() as sock:
            sender = threading.Thread(target=_send, args=(sock, coding, 64))
            sender.start()
            time.sleep(0.5)
            received = edge.server.stats.bytes_in - before
            assert received < 8 << 20
            go.set()
            assert read_until(sock, b"%d" % (64 << 20))
            sender.join()


def _send(sock: socket.socket, coding: str, pieces: int) -> None:
    piece = bytes(1 << 20)
    if coding == "sized":
        sock.sendall(b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (pieces << 20))
        for _ in range(pieces):
            sock.sendall(piece)
        return
    sock.sendall(b"PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(pieces):
        sock.sendall(b"100000\r\n" + piece + b"\r\n")
    sock.sendall(b"0\r\n\r\n")


def test_small_pieces_of_a_large_body_are_handed_over_together(start_edge: Start) -> None:
    sizes: list[int] = []

    async def note(request: Request) -> Response:
        while piece := await request.body.read():
            sizes.append(len(piece))
        return Response(200, [], b"done")

    with start_edge(note, Limits(coalesce_s=0.2)).connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        for _ in range(100):
            sock.sendall(bytes(100))
            time.sleep(0.002)
        sock.sendall(bytes(990_000))
        read_until(sock, b"done")
    assert sum(sizes) == 1_000_000
    assert len(sizes) < 30


def test_a_drain_finishes_what_is_under_way_and_closes_the_rest(start_edge: Start) -> None:
    entered = threading.Event()

    async def slow(_: Request) -> Response:
        entered.set()
        await asyncio.sleep(0.5)
        return Response(200, [], b"done")

    edge = start_edge(slow)
    with edge.connect() as idle, edge.connect() as busy:
        busy.sendall(GET)
        assert entered.wait(5)
        assert edge.do(edge.server.drain(5.0)) is True
        heard = read_all(busy)
        assert heard.endswith(b"done")
        assert b"Connection: close" in heard
        assert read_all(idle) == b""
    with pytest.raises(ConnectionRefusedError):
        edge.connect()


def test_a_drain_cuts_what_does_not_finish(start_edge: Start) -> None:
    cancelled = threading.Event()

    async def stuck(_: Request) -> Response:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return Response(200)

    edge = start_edge(stuck)
    with edge.connect() as sock:
        sock.sendall(GET)
        _wait_until(lambda: edge.server.stats.in_flight == 1)
        assert edge.do(edge.server.drain(0.2)) is False
        assert read_all(sock) == b""
    assert cancelled.wait(5)


def test_an_empty_server_has_no_timer(start_edge: Start) -> None:
    edge = start_edge(echo, Limits(sweep_s=0.05))
    edge.talk(GET, half_close=True)
    _wait_until(lambda: edge.server.stats.connections == 0 and edge.server._sweeper is None)


def test_watchers_hear_of_connections(start_edge: Start) -> None:
    edge = start_edge(echo)
    heard: list[int] = []
    edge.server.on_change = lambda: heard.append(edge.server.stats.connections)
    edge.talk(GET, half_close=True)
    _wait_until(lambda: heard[-1:] == [0])
    assert heard == [1, 0]

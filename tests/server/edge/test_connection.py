"""Conversations over a real socket, on every loop there is."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from cybous3.server.edge.limits import Limits
from cybous3.server.wire.message import Request, Response
from tests.server.edge.conftest import Edge, echo, read_all, read_until
from tests.server.edge.test_head import LIMITS, REFUSED

Start = Callable[..., Edge]
GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


async def ignore(_: Request) -> Response:
    """Answer without looking at the body."""
    return Response(403, [], b"no")


def test_requests_follow_each_other_on_one_connection(start_edge: Start) -> None:
    client = start_edge(echo).client()
    for body in (b"", b"abc", b"x" * 100_000, b""):
        client.request("PUT", "/b/k?q", body)
        assert client.getresponse().read() == b"PUT /b/k ?q %d %b" % (len(body), body[:64])
    client.close()


def test_pipelined_requests_are_answered_in_order(start_edge: Start) -> None:
    said = b"".join(
        b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\nPUT /p%d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" % (i, i)
        for i in range(50)
    )
    heard = start_edge(echo).talk(said, half_close=True)
    found = [line.split()[1] for line in heard.split(b"\r\n\r\n")[1:] if line]
    assert found == [name for i in range(50) for name in (b"/%d" % i, b"/p%d" % i)]


def test_a_request_may_come_byte_by_byte(start_edge: Start) -> None:
    with start_edge(echo).connect() as sock:
        for byte in b"\r\nPUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello":
            sock.sendall(bytes([byte]))
        assert read_until(sock, b"hello").endswith(b"PUT /a ? 5 hello")


@pytest.mark.parametrize("name", REFUSED)
def test_smuggling_ends_in_one_answer_and_a_closed_connection(smuggled: Edge, name: str) -> None:
    before = smuggled.server.stats.requests
    heard = smuggled.talk(REFUSED[name][0] + b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n", half_close=True)
    assert heard.count(b"HTTP/1.1 ") == 1, heard
    assert heard.split()[1] in (b"400", b"405", b"414", b"417", b"431", b"505")
    assert b"Connection: close" in heard
    assert b"<Error><Code>" in heard
    assert b"/smuggled" not in heard
    assert smuggled.server.stats.requests == before


@pytest.fixture(scope="module")
def smuggled() -> Iterator[Edge]:
    edge = Edge(echo, LIMITS)
    yield edge
    edge.close()


def test_bare_line_feeds_are_refused_at_once(start_edge: Start) -> None:
    began = time.monotonic()
    heard = start_edge(echo).talk(b"GET / HTTP/1.1\nHost: x\n\n")
    assert heard.startswith(b"HTTP/1.1 400 ")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("head", [b"A: " + b"b" * 40_000, b"A: b\r\n" * 7000])
def test_an_oversize_head_is_refused(start_edge: Start, head: bytes) -> None:
    heard = start_edge(echo).talk(b"GET / HTTP/1.1\r\nHost: x\r\n" + head)
    assert heard.startswith(b"HTTP/1.1 431 ")
    assert b"Connection: close" in heard


def test_an_oversize_head_that_is_whole_is_refused(start_edge: Start) -> None:
    limits = Limits(head_bytes=100)
    heard = start_edge(echo, limits).talk(b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 100 + b"\r\n\r\n")
    assert heard.startswith(b"HTTP/1.1 431 ")


def test_continue_is_said_when_the_body_is_first_read(start_edge: Start) -> None:
    with start_edge(echo).connect() as sock:
        sock.sendall(b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert read_until(sock, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"hello")
        assert read_until(sock, b"hello").startswith(b"HTTP/1.1 200 OK\r\n")
        sock.sendall(GET)
        assert read_until(sock, b"GET /a ? 0 ")


def test_who_does_not_read_says_no_continue_and_closes(start_edge: Start) -> None:
    said = b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    heard = start_edge(ignore).talk(said)
    assert heard.startswith(b"HTTP/1.1 403 ")
    assert b"100 Continue" not in heard
    assert b"Connection: close" in heard


def test_no_continue_for_who_sends_at_once(start_edge: Start) -> None:
    said = b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello"
    heard = start_edge(echo).talk(said, half_close=True)
    assert heard.startswith(b"HTTP/1.1 200 ")


def test_a_small_unread_body_is_drained_and_the_connection_kept(start_edge: Start) -> None:
    with start_edge(ignore).connect() as sock:
        for _ in range(2):
            sock.sendall(b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
            assert b"Connection: close" not in read_until(sock, b"no")
            sock.sendall(b"x" * 100_000)


def test_a_large_unread_body_closes_and_the_answer_arrives(start_edge: Start) -> None:
    edge = start_edge(ignore)
    with edge.connect() as sock:
        sender = threading.Thread(target=_send_quietly, args=(sock, 30 << 20))
        sock.sendall(b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (30 << 20))
        sender.start()
        heard = read_all(sock)
        sender.join()
    assert heard.startswith(b"HTTP/1.1 403 ")
    assert b"Connection: close" in heard
    assert heard.endswith(b"no")


def _send_quietly(sock: socket.socket, count: int) -> None:
    with contextlib.suppress(OSError):
        sock.sendall(bytes(count))
        sock.shutdown(socket.SHUT_WR)


def test_who_sends_for_ever_is_cut(start_edge: Start) -> None:
    edge = start_edge(ignore, Limits(linger_bytes=1 << 20))
    with edge.connect() as sock:
        sock.sendall(b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (1 << 30))
        with pytest.raises(OSError):  # noqa: PT011 - a reset or a broken pipe, as the system likes
            sock.sendall(bytes(1 << 30))


@pytest.mark.parametrize("chunks", [[b"abc"], [b"a" * 70_000, b"b" * 200_000, b"c"], []])
def test_chunked_bodies_are_read(start_edge: Start, chunks: list[bytes]) -> None:
    raw = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    said = b"PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + raw
    with start_edge(echo).connect() as sock:
        for _ in range(2):
            sock.sendall(said)
            read_until(sock, b"PUT /a ? %d %b" % (sum(map(len, chunks)), b"".join(chunks)[:64]))
    heard = start_edge(echo).talk(said + said + GET, half_close=True)
    assert heard.count(b"HTTP/1.1 200") == 3


def test_a_chunked_body_that_nobody_reads_closes(start_edge: Start) -> None:
    said = b"PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n"
    heard = start_edge(ignore).talk(said)
    assert b"Connection: close" in heard


@pytest.mark.parametrize("raw", [b"5;x\r\nhello\r\n0\r\n\r\n", b"5\nhello\r\n", b"5\r\nhelloX\r\n0\r\n\r\n"])
def test_a_malformed_chunk_is_refused_in_the_handlers_place(start_edge: Start, raw: bytes) -> None:
    heard = start_edge(echo).talk(b"PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + raw)
    assert heard.startswith(b"HTTP/1.1 400 ")
    assert heard.count(b"HTTP/1.1") == 1


def test_a_fault_in_the_body_wins_over_the_handlers_answer(start_edge: Start) -> None:
    async def forgiving(request: Request) -> Response:
        try:
            while await request.body.read():
                pass
        except ConnectionError:
            return Response(200, [], b"fine")
        return Response(200)

    heard = start_edge(forgiving).talk(b"PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n")
    assert heard.startswith(b"HTTP/1.1 400 ")


def test_a_peer_that_leaves_early_is_noticed_by_the_reader(start_edge: Start) -> None:
    noticed = threading.Event()

    async def careful(request: Request) -> Response:
        try:
            while await request.body.read():
                pass
        except ConnectionError:
            noticed.set()
            raise
        return Response(200)

    edge = start_edge(careful)
    edge.talk(b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", half_close=True)
    assert noticed.wait(5)


def test_a_crash_is_a_500_without_details(start_edge: Start) -> None:
    async def broken(_: Request) -> Response:
        raise ValueError("the secret detail")

    edge = start_edge(broken)
    heard = edge.talk(GET)
    assert heard.startswith(b"HTTP/1.1 500 ")
    assert b"<Code>InternalError</Code>" in heard
    assert b"detail" not in heard
    assert b"Connection: close" in heard
    assert edge.server.stats.crashed == 1


def test_an_answer_that_cannot_be_framed_is_a_500(start_edge: Start) -> None:
    async def bad(_: Request) -> Response:
        return Response(200, [("A", "b\r\nC: d")], b"x")

    heard = start_edge(bad).talk(GET)
    assert heard.startswith(b"HTTP/1.1 500 ")
    assert b"C: d" not in heard


def test_head_and_bodiless_statuses_send_no_body(start_edge: Start) -> None:
    async def by_path(request: Request) -> Response:
        status = int(request.path[1:])
        return Response(status, [], b"" if status != 200 else b"hello")

    said = b"".join(
        b"%b /%d HTTP/1.1\r\nHost: x\r\n\r\n" % pair
        for pair in [(b"HEAD", 200), (b"GET", 204), (b"GET", 304), (b"GET", 200)]
    )
    heard = start_edge(by_path).talk(said, half_close=True)
    assert heard.count(b"hello") == 1
    assert heard.count(b"Content-Length: 5") == 2
    assert heard.count(b"HTTP/1.1 ") == 4


def test_http_1_0_is_answered_and_closed_unless_kept(start_edge: Start) -> None:
    edge = start_edge(echo)
    assert b"Connection: close" in edge.talk(b"GET / HTTP/1.0\r\n\r\n")
    with edge.connect() as sock:
        sock.sendall(b"GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n")
        assert b"Connection: keep-alive" in read_until(sock, b"GET / ? 0 ")


def test_the_handler_sees_who_asks(start_edge: Start) -> None:
    seen: list[Request] = []

    async def note(request: Request) -> Response:
        seen.append(request)
        return Response(200)

    start_edge(note).talk(GET + b"", half_close=True)
    assert (seen[0].peer, seen[0].secure, seen[0].content_length) == ("127.0.0.1", False, 0)


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 300000\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"]
)
def test_a_half_closed_peer_is_told_that_its_body_is_incomplete(
    start_edge: Callable[..., Edge], framing: bytes
) -> None:
    heard = start_edge(echo).talk(b"PUT /a HTTP/1.1\r\nHost: x\r\n" + framing, half_close=True)
    assert heard.startswith(b"HTTP/1.1 400 ")
    assert b"<Code>IncompleteBody</Code>" in heard

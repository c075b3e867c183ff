"""The HTTP of the client, against a server that answers byte by byte what a test wants."""

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from cybous3.client.stores.errors import ConnectionLost, ServerFailed, StoreError, Unreachable
from cybous3.client.stores.port import Buffer
from cybous3.client.stores.s3 import connection as module
from cybous3.client.stores.s3.connection import Connection, Timeouts, connect
from cybous3.client.stores.s3.endpoint import parse_endpoint

REQUEST = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n"


@contextmanager
def wire(*sent: bytes, hang_up: bool = True) -> Iterator[tuple[Connection, socket.socket]]:
    """Give a connection whose other end sends all this, piece by piece."""
    ours, theirs = socket.socketpair()
    ours.settimeout(2)
    connection = Connection(ours, "http://h")

    def send() -> None:
        with suppress(OSError):  # a test may be done before all is sent
            for piece in sent:
                theirs.sendall(piece)
            if hang_up:
                theirs.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield connection, theirs
    finally:
        connection.close()
        theirs.close()
        thread.join(5)


def body_of(connection: Connection, step: int = 7) -> bytes:
    got, buffer = b"", memoryview(bytearray(step))
    while count := connection.readinto(buffer):
        got += bytes(buffer[:count])
    return got


def whole_answer(connection: Connection) -> bytes:
    connection.receive_head("GET")
    return body_of(connection, 1000)


@pytest.mark.parametrize("step", [1, 3, 1000])
@pytest.mark.parametrize(
    ("sent", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n02\r\nlo\r\n0\r\nt: r\r\n\r\n",
            b"hello",
        ),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 H\r\na:b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            b"hi",
        ),
    ],
)
def test_every_framing_gives_its_body_and_leaves_the_connection_usable(sent: bytes, body: bytes, step: int) -> None:
    pieces = [sent[i : i + step] for i in range(0, len(sent), step)]
    with wire(*pieces, hang_up=False) as (connection, _):
        connection.receive_head("GET")
        assert body_of(connection) == body
        assert connection.reusable
        assert connection.readinto(memoryview(bytearray(1))) == 0


def test_a_body_without_length_ends_with_the_connection() -> None:
    with wire(b"HTTP/1.1 200 OK\r\n\r\n", b"all ", b"of it") as (connection, _):
        connection.receive_head("GET")
        assert body_of(connection) == b"all of it"
        assert not connection.reusable


def test_the_answer_to_head_has_no_body_whatever_it_says() -> None:
    with wire(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n", hang_up=False) as (connection, _):
        head = connection.receive_head("HEAD")
        assert head.headers["content-length"] == "500"
        assert body_of(connection) == b""
        assert connection.reusable


def test_a_large_body_comes_into_the_callers_buffer() -> None:
    data = bytes(range(256)) * 4096
    with wire(b"HTTP/1.1 200 OK\r\ncontent-length: 1048576\r\n\r\n" + data) as (connection, _):
        connection.receive_head("GET")
        assert body_of(connection, 300_000) == data


@pytest.mark.parametrize("line", ["connection: close", "connection: Keep-Alive, Close"])
def test_a_server_that_closes_is_not_asked_again(line: str) -> None:
    with wire(f"HTTP/1.1 200 OK\r\n{line}\r\ncontent-length: 0\r\n\r\n".encode()) as (connection, _):
        connection.receive_head("GET")
        assert not connection.reusable


def test_http_1_0_is_understood_and_not_kept() -> None:
    with wire(b"HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx") as (connection, _):
        connection.receive_head("GET")
        assert body_of(connection) == b"x"
        assert not connection.reusable


def test_repeated_fields_are_joined() -> None:
    with wire(b"HTTP/1.1 200 OK\r\nA: 1\r\na:2 \r\ncontent-length: 0\r\n\r\n") as (connection, _):
        assert connection.receive_head("GET").headers["a"] == "1, 2"


@pytest.mark.parametrize(
    "sent",
    [
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"1" * 5000,
        b"HTTP/1.1 200 OK\r\n" + b"a: " + b"b" * module.HEAD_BYTES_MAX,
    ],
)
def test_what_is_not_http_is_the_servers_failure(sent: bytes) -> None:
    with wire(sent) as (connection, _):
        with pytest.raises(ServerFailed):
            whole_answer(connection)
        assert not connection.reusable


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
)
def test_an_early_end_is_never_the_end(sent: bytes) -> None:
    with wire(sent) as (connection, _), pytest.raises(ConnectionLost):
        whole_answer(connection)


def test_a_silent_server_is_given_up() -> None:
    ours, theirs = socket.socketpair()
    ours.settimeout(0.05)
    connection = Connection(ours, "http://h")
    with pytest.raises(ConnectionLost, match="in time"):
        connection.receive_head("GET")
    with pytest.raises(ConnectionLost, match="stopped taking"):
        connection.send(REQUEST, [bytes(64 * 1024 * 1024)])
    connection.close()
    theirs.close()


def test_small_bodies_leave_with_their_head_and_large_ones_in_their_own_buffers() -> None:
    bodies: list[list[Buffer]] = [[b"ab", bytearray(b"c")], [memoryview(bytes(100_000)), b"z"]]
    for body in bodies:
        with wire(hang_up=False) as (connection, theirs):
            wanted = REQUEST + b"".join(bytes(piece) for piece in body)
            received = bytearray()

            def receive(into: bytearray = received, upto: int = len(wanted), end: socket.socket = theirs) -> None:
                while len(into) < upto:
                    into += end.recv(65536)

            thread = threading.Thread(target=receive)
            thread.start()
            connection.send(REQUEST, body)
            thread.join(5)
            assert bytes(received) == wanted


def test_an_early_refusal_is_heard_although_sending_failed() -> None:
    """A server that has read enough answers and closes; what it said counts, not the broken pipe."""
    with wire(b"HTTP/1.1 503 Slow\r\ncontent-length: 0\r\nconnection: close\r\n\r\n") as (connection, theirs):
        theirs.shutdown(socket.SHUT_RD)
        connection.send(REQUEST, [bytes(8 * 1024 * 1024)])
        assert connection.receive_head("PUT").status == 503
        assert not connection.reusable


def test_sending_into_a_dead_connection_is_lost() -> None:
    with wire() as (connection, theirs):
        theirs.close()
        with pytest.raises(ConnectionLost):
            connection.send(REQUEST, [bytes(8 * 1024 * 1024)])


def test_an_idle_connection_is_alive_until_the_other_end_says_otherwise() -> None:
    with wire(hang_up=False) as (connection, theirs):
        assert connection.seems_alive()
        theirs.close()
        assert not connection.seems_alive()
        connection.close()
        assert not connection.seems_alive()


def test_without_poll_select_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has no poll()."""
    monkeypatch.delattr(select, "poll", raising=False)
    with wire(hang_up=False) as (connection, theirs):
        assert connection.seems_alive()
        theirs.close()
        assert not connection.seems_alive()


@pytest.mark.parametrize(
    ("url", "host", "says"),
    [("http://127.0.0.1:1", "127.0.0.1", "refused"), ("http://nowhere.invalid", "nowhere.invalid", "no host")],
)
def test_what_cannot_be_reached_says_why(url: str, host: str, says: str) -> None:
    with pytest.raises(Unreachable, match=says) as caught:
        connect(parse_endpoint(url), host, None, Timeouts(2, 2))
    assert caught.value.hint


def test_connect_failures_of_every_kind_are_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(error: OSError) -> Callable[..., socket.socket]:
        def create(*_: object, **__: object) -> socket.socket:
            raise error

        return create

    for error in (TimeoutError("slow"), OSError(101, "Network is unreachable")):
        monkeypatch.setattr(socket, "create_connection", failing(error))
        with pytest.raises(StoreError) as caught:
            connect(parse_endpoint("http://h"), "h", None, Timeouts())
        assert type(caught.value) is Unreachable


def test_a_slow_line_is_no_silent_one() -> None:
    """The whole takes longer than the idle time; what counts is that bytes go on."""
    near, far = socket.socketpair()
    for end, option in ((near, socket.SO_SNDBUF), (far, socket.SO_RCVBUF)):
        end.setsockopt(socket.SOL_SOCKET, option, 16 * 1024)
    near.settimeout(0.4)
    body, got = bytes(range(256)) * 4096, bytearray()

    def read_slowly() -> None:
        while len(got) < len(body) + 1:
            got.extend(far.recv(64 * 1024))
            time.sleep(0.02)

    thread = threading.Thread(target=read_slowly)
    thread.start()
    began = time.monotonic()
    Connection(near, "there").send(b"h", (body,))
    thread.join()
    assert time.monotonic() - began > 0.4
    assert bytes(got) == b"h" + body
    near.close()
    far.close()

"""Large transfers: the bytes that came are the bytes that were sent, or it is an error and no figure."""

import socket
import threading

import pytest

from cybous3.lab.bench.streams import Line, StreamFailed
from tests.support.tiny_http import Answer, ok, tiny_http

BODY = bytes(range(256)) * 2000


def get(answer: Answer, expected: bytes = BODY) -> float:
    with tiny_http(answer) as server:
        line = Line(server.endpoint)
        try:
            return line.get("/b/k", expected)
        finally:
            line.close()


def test_what_is_put_arrives_and_the_connection_is_kept() -> None:
    arrived: list[bytes] = []

    def answer(_head: bytes, body: bytes) -> bytes:
        arrived.append(body)
        return ok(b"thanks")

    with tiny_http(answer) as server:
        line = Line(server.endpoint)
        assert line.put("/b/k?signed", BODY) > 0
        assert line.put("/b/k?signed", b"") > 0
        line.close()
    assert arrived == [BODY, b""]
    assert server.heads[0].startswith(b"PUT /b/k?signed HTTP/1.1\r\n")


def test_what_is_fetched_is_compared() -> None:
    assert get(lambda _head, _body: ok(BODY)) > 0
    with pytest.raises(StreamFailed, match="wrong bytes"):
        get(lambda _head, _body: ok(BODY[:-1] + b"!"))
    with pytest.raises(StreamFailed, match="5 bytes came instead of 512000"):
        get(lambda _head, _body: ok(b"short"))


def test_a_server_that_ends_the_connection_gets_another_one() -> None:
    """It says so and leaves the closing to the client."""
    with tiny_http(lambda _head, _body: ok(BODY, "Connection: close\r\n")) as server:
        line = Line(server.endpoint)
        first = line._socket
        assert line.get("/b/k", BODY) > 0
        assert line.get("/b/k", BODY) > 0
        assert line._socket is not first
        line.close()


def test_a_refusal_is_told() -> None:
    with pytest.raises(StreamFailed, match="403 Forbidden"):
        get(lambda _head, _body: ok(status="403 Forbidden"))


@pytest.mark.parametrize("cut", [b"HTTP/1.1 200 OK\r\n", ok(BODY)[:-100]])
def test_a_connection_that_stalls_is_given_up(cut: bytes) -> None:
    """Either in the head or in the body."""
    with tiny_http(lambda _head, _body: cut) as server:
        line = Line(server.endpoint)
        line._socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            line.get("/b/k", BODY)
        line.close()


def test_a_connection_that_is_closed_is_told() -> None:
    with pytest.raises(StreamFailed, match="cut off"):
        get(lambda _head, _body: None)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        half = threading.Thread(target=_answers_half, args=(listener,))
        half.start()
        line = Line(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(StreamFailed, match="cut off"):
            line.get("/b/k", BODY)
        line.close()
        half.join()


def _answers_half(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(ok(BODY)[:-100])

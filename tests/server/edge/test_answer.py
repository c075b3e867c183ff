"""The head of an answer: framed, dated, and never a way to smuggle a second answer (attacks.md C2a)."""

import pytest

from cybous3.server.edge.answer import BadAnswerError, encode_head
from cybous3.server.wire.message import Response


def lines(response: Response, *, method: str = "GET", close: bool = False, modern: bool = True) -> list[str]:
    raw = encode_head(response, method=method, close=close, modern=modern)
    assert raw.endswith(b"\r\n\r\n")
    return raw.decode("latin-1").split("\r\n")[:-2]


def test_an_answer_is_framed_and_dated() -> None:
    got = lines(Response(200, [("ETag", '"a"')], b"abc"))
    assert got[0] == "HTTP/1.1 200 OK"
    assert 'ETag: "a"' in got
    assert "Content-Length: 3" in got
    assert "Server: SwiftS3" in got
    assert sum(line.startswith("Date: ") and line.endswith(" GMT") for line in got) == 1
    assert not any(line.lower().startswith("connection") for line in got)


def test_a_date_or_length_that_the_handler_gives_stands() -> None:
    got = lines(Response(200, [("date", "yesterday"), ("content-length", "3")], b"abc"))
    assert sum(line.lower().startswith("date:") for line in got) == 1
    assert sum(line.lower().startswith("content-length:") for line in got) == 1


def test_a_date_of_another_name_is_not_the_date() -> None:
    assert any(line.startswith("Date: ") for line in lines(Response(200, [("x-amz-date", "y")])))


@pytest.mark.parametrize(
    ("close", "modern", "said"), [(True, True, "close"), (True, False, "close"), (False, False, "keep-alive")]
)
def test_the_connection_is_said(close: bool, modern: bool, said: str) -> None:
    assert f"Connection: {said}" in lines(Response(200), close=close, modern=modern)


def test_head_states_the_length_that_get_would_send() -> None:
    assert "Content-Length: 1000" in lines(Response(200, [("Content-Length", "1000")]), method="HEAD")


@pytest.mark.parametrize("status", [204, 304])
def test_no_length_where_there_is_no_body(status: int) -> None:
    assert not any(line.startswith("Content-Length") for line in lines(Response(status)))


@pytest.mark.parametrize(
    "response",
    [
        Response(200, [("A", "b\r\nSet-Cookie: c")]),
        Response(200, [("A", "b\nc")]),
        Response(200, [("A", "b\rc")]),
        Response(200, [("A", "b\0c")]),
        Response(200, [("A\r\nB", "c")]),
        Response(200, [("A", "\u20ac")]),
        Response(200, [("Connection", "close")]),
        Response(200, [("transfer-encoding", "chunked")]),
        Response(200, [("Content-Length", "4")], b"abc"),
        Response(200, [("Content-Length", "3"), ("content-length", "3")], b"abc"),
        Response(100),
        Response(299),
    ],
)
def test_what_would_break_the_framing_is_not_sent(response: Response) -> None:
    with pytest.raises(BadAnswerError):
        encode_head(response, method="GET", close=False)

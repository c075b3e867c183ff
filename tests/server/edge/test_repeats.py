"""The same head again: the same answer but for what is new in it, and only as long as it holds."""

import socket
import time
from collections.abc import Callable

import pytest

from cybous3.server.edge import repeats as module
from cybous3.server.edge.limits import Limits
from cybous3.server.edge.repeats import Repeats
from cybous3.server.wire.message import Again, Request, Response
from tests.server.edge.conftest import Edge

StartEdge = Callable[..., Edge]
HEAD = b"GET /b/k HTTP/1.1\r\nHost: x\r\n\r\n"


class Site:
    """A handler that counts what it makes and what it lets repeat."""

    def __init__(self, body: bytes = b"hello", status: int = 200) -> None:
        self.made = self.renewed = 0
        self.holds = True
        self.body, self.status = body, status

    def renew(self) -> bytes | None:
        if not self.holds:
            return None
        self.renewed += 1
        return b"renewed-%d" % self.renewed

    async def __call__(self, request: Request) -> Response:
        self.made += 1
        fields = [("etag", '"e"'), ("x-path", request.path)]
        again = Again([*fields, ("x-host", "h")], b"x-id", self.renew)
        return Response(self.status, [*fields, ("x-id", "first"), ("x-host", "h")], self.body, again=again)


def fields_of(answer: bytes) -> dict[bytes, bytes]:
    lines = answer.split(b"\r\n\r\n", 1)[0].split(b"\r\n")[1:]
    return dict(line.split(b": ", 1) for line in lines)


def answers(edge: Edge, count: int, head: bytes = HEAD) -> list[bytes]:
    with edge.connect() as sock:
        found = []
        for _ in range(count):
            sock.sendall(head)
            found.append(one_answer(sock))
        return found


def one_answer(sock: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\r\n\r\n"):  # byte by byte: what comes behind is the next answer
        data += sock.recv(1)
    head, _, rest = data.partition(b"\r\n\r\n")
    length = int(fields_of(head + b"\r\n\r\n")[b"Content-Length"])
    while len(rest) < length:
        rest += sock.recv(length - len(rest))
    return head + b"\r\n\r\n" + rest


def test_a_repeated_head_is_answered_without_the_handler(start_edge: StartEdge) -> None:
    site = Site()
    edge = start_edge(site)
    first, second, third = answers(edge, 3)
    assert edge.server.stats.requests == 3
    assert (site.made, site.renewed) == (1, 2)
    assert first.endswith(b"\r\n\r\nhello")
    assert second.endswith(b"\r\n\r\nhello")
    told = [fields_of(answer) for answer in (first, second, third)]
    assert [fields[b"x-id"] for fields in told] == [b"first", b"renewed-1", b"renewed-2"]
    for fields in told:
        del fields[b"x-id"]
        assert fields.pop(b"Date")
    assert told[0] == told[1] == told[2]


def test_an_answer_that_does_not_hold_any_more_is_made_anew(start_edge: StartEdge) -> None:
    site = Site()
    edge = start_edge(site)
    answers(edge, 2)
    site.holds = False
    site.body = b"changed"
    assert answers(edge, 1)[0].endswith(b"changed")
    assert site.made == 2


def test_another_head_is_another_request(start_edge: StartEdge) -> None:
    site = Site()
    edge = start_edge(site)
    answers(edge, 1)
    answers(edge, 1, HEAD.replace(b"/k", b"/l"))
    answers(edge, 1, HEAD.replace(b"Host: x", b"Host: y"))
    assert (site.made, site.renewed) == (3, 0)


def test_a_head_in_two_pieces_and_two_heads_in_one_are_answered_all_the_same(start_edge: StartEdge) -> None:
    site = Site()
    edge = start_edge(site)
    answers(edge, 1)
    with edge.connect() as sock:
        sock.sendall(HEAD[:10])
        time.sleep(0.05)
        sock.sendall(HEAD[10:] + HEAD + HEAD)
        for _ in range(3):
            assert one_answer(sock).endswith(b"hello")


def test_who_asks_to_close_is_not_answered_from_memory(start_edge: StartEdge) -> None:
    site = Site()
    closing = HEAD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    edge = start_edge(site)
    for _ in range(2):
        assert b"Connection: close" in edge.talk(closing)
    assert site.made == 2


def test_the_older_version_of_the_protocol_is_not_answered_from_memory(start_edge: StartEdge) -> None:
    site = Site()
    older = b"GET /b/k HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"
    edge = start_edge(site)
    answers(edge, 2, older)
    assert site.made == 2


def test_a_body_is_no_part_of_a_head(start_edge: StartEdge) -> None:
    site = Site()
    with_body = b"GET /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
    edge = start_edge(site)
    answers(edge, 2, with_body)
    assert site.made == 2


def test_a_repeated_answer_keeps_the_connection_alive(start_edge: StartEdge) -> None:
    site = Site()
    edge = start_edge(site, Limits(idle_s=0.6, head_s=0.6, sweep_s=0.1))
    with edge.connect() as sock:
        for _ in range(8):
            sock.sendall(HEAD)
            assert one_answer(sock).endswith(b"hello")
            time.sleep(0.2)
    assert site.made == 1


def made(body: bytes, again: Again | None) -> Response:
    return Response(200, [("a", "b")], body, again=again)


def again() -> Again:
    return Again([("a", "b")], b"id", lambda: b"x")


def test_nothing_is_kept_that_may_not_be_repeated_or_is_large() -> None:
    repeats = Repeats()
    repeats.keep(b"one", "GET", made(b"", None), b"")
    repeats.keep(b"two", "GET", made(b"", again()), bytes(module.BODY_BYTES_MAX + 1))
    assert repeats.answer(b"one") is None
    assert repeats.answer(b"two") is None


def test_what_is_kept_is_bounded_and_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BYTES_MAX", 7_000)
    repeats = Repeats()
    for number in range(5):
        repeats.keep(b"%d" % number, "GET", made(bytes(1000), again()), bytes(1000))
    assert [repeats.answer(b"%d" % number) is not None for number in range(5)] == [False, False, True, True, True]
    assert repeats._bytes == sum(kept.size for kept in repeats._kept.values())


def test_many_and_long_fields_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BYTES_MAX", 20_000)
    metadata = [(f"x-amz-meta-{number}", "v" * 40) for number in range(40)]
    for fields in (metadata, [("x-amz-meta-long", "v" * 3_000)]):
        repeats = Repeats()
        for number in range(6):
            response = Response(200, [], b"", again=Again(fields, b"id", lambda: b"x"))
            repeats.keep(b"%d" % number, "GET", response, b"")
        assert 1 < len(repeats._kept) < 4


def test_a_kept_answer_is_replaced_not_added() -> None:
    repeats = Repeats()
    for body in (b"old", b"new"):
        repeats.keep(b"head", "GET", made(body, again()), body)
    found = repeats.answer(b"head")
    assert found is not None
    assert found.endswith(b"\r\n\r\nnew")
    assert len(repeats._kept) == 1


def test_the_answer_to_head_states_a_length_and_has_no_body() -> None:
    repeats = Repeats()
    response = Response(
        200, [("content-length", "5")], b"", again=Again([("content-length", "5")], b"id", lambda: b"x")
    )
    repeats.keep(b"head", "HEAD", response, b"")
    found = repeats.answer(b"head")
    assert found is not None
    assert b"content-length: 5\r\n" in found
    assert found.endswith(b"\r\n\r\n")

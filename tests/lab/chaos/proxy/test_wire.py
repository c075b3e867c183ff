"""Rules and lies, looked at from both ends: the client's answer, and what a real store over HTTP was asked."""

import http.client
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cybous3.lab.chaos.proxy.lies import DropPut, Hide, Lie, Metadata, Reorder, Rollback, Shorten, Swap, Truncate
from cybous3.lab.chaos.proxy.rules import (
    Act,
    CutAnswer,
    CutRequest,
    Delay,
    DropAnswer,
    DropRequest,
    Duplicate,
    Match,
    Refuse,
    Rule,
    When,
    WrongEtag,
)
from cybous3.lab.chaos.proxy.toxics import Latency
from cybous3.lab.chaos.proxy.wire import Wire
from tests.lab.chaos.proxy.conftest import timed

ENTRY = "<Contents><Key>{}</Key><Size>{}</Size><ETag>&quot;e{}&quot;</ETag></Contents>"


@dataclass
class Shelf:
    """A server that keeps what it is given and notes what it was asked."""

    kept: dict[str, tuple[bytes, dict[str, str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    broken: int = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    shelf: Shelf

    def log_message(self, *_: object) -> None:
        pass

    def _say(self, status: int, body: bytes = b"", **more: str) -> None:
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.command != "HEAD" else b"")

    def do_PUT(self) -> None:
        body = self.rfile.read(length := int(self.headers["content-length"]))
        if len(body) < length:
            self.shelf.broken += 1
            self.close_connection = True
            return
        self.shelf.asked.append(f"PUT {self.path}")
        meta = {name: value for name, value in self.headers.items() if name.lower().startswith("x-amz-meta-")}
        self.shelf.kept[self.path] = (body, meta)
        self._say(200, ETag=f'"e{len(body)}"')

    def do_GET(self) -> None:
        self.shelf.asked.append(f"{self.command} {self.path}")
        if "list-type" in self.path:
            items = sorted((path[3:], len(body)) for path, (body, _) in self.shelf.kept.items())
            listed = "".join(ENTRY.format(key, size, size) for key, size in items)
            self._say(200, f"<L><KeyCount>{len(items)}</KeyCount>{listed}<IsTruncated>true</IsTruncated></L>".encode())
        elif self.path in self.shelf.kept:
            body, meta = self.shelf.kept[self.path]
            self._say(200, body, ETag=f'"e{len(body)}"', **meta)
        else:
            self._say(404, b"<Error><Code>NoSuchKey</Code></Error>")

    do_HEAD = do_GET  # noqa: N815  # as the library calls it

    def do_DELETE(self) -> None:
        self.shelf.asked.append(f"DELETE {self.path}")
        self.shelf.kept.pop(self.path, None)
        self._say(204)


Answer = tuple[int, bytes, dict[str, str]]


@dataclass
class Talk:
    wire: Wire
    shelf: Shelf

    def ask(self, method: str, path: str, body: bytes | None = None, **more: str) -> Answer:
        host, port = self.wire.endpoint.removeprefix("http://").split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=5)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in more.items()})
            answer = connection.getresponse()
            return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()

    def rule(self, act: Act, match: Match = Match(), when: When = When()) -> None:  # noqa: B008  # frozen
        self.wire.add(Rule("rule", act, match, when))

    def keys(self) -> list[str]:
        _, body, _ = self.ask("GET", "/b?list-type=2")
        return [piece.split("</Key>")[0] for piece in body.decode().split("<Key>")[1:]]


@pytest.fixture
def talk() -> Iterator[Talk]:
    shelf = Shelf()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"shelf": shelf}))
    server.daemon_threads = True
    thread = threading.Thread(target=lambda: server.serve_forever(0.01))
    thread.start()
    with Wire(("127.0.0.1", server.server_address[1]), seed=3, learn=True) as wire:
        yield Talk(wire, shelf)
    server.shutdown()
    thread.join()
    server.server_close()


def test_without_a_rule_everything_passes(talk: Talk) -> None:
    assert talk.ask("PUT", "/b/k", b"body", x_amz_meta_a="1")[0] == 200
    status, body, fields = talk.ask("GET", "/b/k")
    assert (status, body, fields["etag"], fields["x-amz-meta-a"]) == (200, b"body", '"e4"', "1")
    assert talk.ask("HEAD", "/b/k")[1] == b""
    assert talk.ask("DELETE", "/b/k")[0] == 204
    assert talk.wire.journal.counts["requests"] == 4
    assert talk.wire.journal.deeds == ()


def test_connections_are_kept_as_both_sides_wish(talk: Talk) -> None:
    host, port = talk.wire.endpoint.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=5)
    for number in range(30):
        connection.request("PUT", "/b/k", bytes(number * 1000))
        connection.getresponse().read()
    assert talk.wire.journal.counts["connections"] == 2, "one at each of the two proxies"
    connection.request("GET", "/b/k", headers={"Connection": "close"})
    assert connection.getresponse().read() == bytes(29_000)
    connection.close()


def test_a_refusal_is_not_forwarded_and_names_when_to_come_back(talk: Talk) -> None:
    talk.rule(Refuse(503, "SlowDown", after_s=2))
    status, body, fields = talk.ask("PUT", "/b/k", b"body")
    assert (status, fields["retry-after"]) == (503, "2")
    assert b"SlowDown" in body
    assert talk.shelf.asked == []
    talk.wire.remove("rule")
    assert talk.ask("PUT", "/b/k", b"body")[0] == 200


def test_the_client_is_told_otherwise(talk: Talk) -> None:
    talk.rule(Refuse(500, "InternalError", forward=True))
    assert talk.ask("PUT", "/b/k", b"body")[0] == 500
    assert talk.shelf.kept["/b/k"][0] == b"body"
    (deed,) = talk.wire.journal.deeds
    assert (deed.fault, deed.what, deed.operation) == ("rule", "500 InternalError after it was done", "PutObject")


def test_a_request_is_delivered_twice(talk: Talk) -> None:
    talk.rule(Duplicate(2), Match(operations=frozenset({"PutObject"})))
    assert talk.ask("PUT", "/b/k", b"body")[0] == 200
    assert talk.shelf.asked == ["PUT /b/k"] * 2


@pytest.mark.parametrize("reset", [False, True])
def test_a_lost_answer_is_an_end_after_the_deed(talk: Talk, *, reset: bool) -> None:
    talk.rule(DropAnswer(reset))
    with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
        talk.ask("PUT", "/b/k", b"body")
    assert talk.shelf.asked == ["PUT /b/k"]


def test_a_lost_request_is_an_end_without_it(talk: Talk) -> None:
    talk.rule(DropRequest())
    with pytest.raises(http.client.RemoteDisconnected):
        talk.ask("PUT", "/b/k", b"body")
    assert talk.shelf.asked == []


def test_the_etag_is_another_one(talk: Talk) -> None:
    talk.ask("PUT", "/b/k", b"body")
    talk.rule(WrongEtag())
    assert talk.ask("GET", "/b/k")[2]["etag"] == '"f5"'
    assert b"&quot;f5&quot;" in talk.ask("GET", "/b?list-type=2")[1]
    assert talk.ask("DELETE", "/b/k")[0] == 204


def test_an_answer_is_held_back(talk: Talk) -> None:
    talk.rule(Delay(0.2))
    assert timed(lambda: talk.ask("GET", "/b/k")) > 0.19


def test_the_answer_is_cut(talk: Talk) -> None:
    talk.ask("PUT", "/b/k", bytes(1000))
    talk.rule(CutAnswer(10))
    with pytest.raises(http.client.IncompleteRead) as cut:
        talk.ask("GET", "/b/k")
    assert (len(cut.value.partial), cut.value.expected) == (10, 990)


def test_the_request_is_cut(talk: Talk) -> None:
    talk.rule(CutRequest(10))
    with pytest.raises(ConnectionResetError):
        talk.ask("PUT", "/b/k", bytes(1000))
    talk.wire.remove("rule")
    talk.ask("GET", "/b/k")
    assert talk.shelf.asked == ["GET /b/k"]


def test_rules_choose_by_operation_key_and_turn(talk: Talk) -> None:
    talk.rule(Refuse(500, "InternalError"), Match(key="a*"), When(nth=frozenset({2})))
    assert [talk.ask("GET", f"/b/{key}")[0] for key in ("a1", "b1", "a2", "a3")] == [404, 404, 500, 404]
    talk.wire.remove("rule")
    talk.rule(Refuse(500, "InternalError"), Match(methods=frozenset({"PUT"})), When(times_max=1))
    assert [talk.ask("PUT", "/b/k", b"x")[0] for _ in range(3)] == [500, 200, 200]


def test_the_same_seed_means_the_same_requests_in_whatever_order(talk: Talk) -> None:
    talk.rule(Refuse(500, "InternalError"), when=When(probability=0.5))
    keys = [f"/b/{number}" for number in range(20)]
    first = {key: talk.ask("GET", key)[0] for key in keys}
    assert set(first.values()) == {404, 500}
    with Wire(talk.wire._upstream, seed=3) as again:
        again.add(Rule("rule", Refuse(500, "InternalError"), when=When(probability=0.5)))
        assert {key: Talk(again, talk.shelf).ask("GET", key)[0] for key in reversed(keys)} == first


def test_names_are_taken_once(talk: Talk) -> None:
    talk.wire.add(Hide("one"))
    with pytest.raises(ValueError, match="one"):
        talk.wire.add(Rule("one", DropRequest()))


def test_a_toxic_lies_before_the_rules(talk: Talk) -> None:
    talk.wire.add(Latency(name="slow", latency_s=0.2))
    assert timed(lambda: talk.ask("GET", "/b/k")) > 0.19
    talk.wire.remove("slow")
    assert timed(lambda: talk.ask("GET", "/b/k")) < 0.19


# lies


@pytest.fixture
def told(talk: Talk) -> Talk:
    talk.ask("PUT", "/b/a", b"first", x_amz_meta_of="a1")
    talk.ask("PUT", "/b/a", b"second!", x_amz_meta_of="a2")
    talk.ask("PUT", "/b/c", b"other", x_amz_meta_of="c")
    return talk


def show(talk: Talk, lie: Lie, path: str = "/b/a") -> tuple[int, bytes, str | None]:
    talk.wire.add(lie)
    status, body, fields = talk.ask("GET", path)
    return status, body, fields.get("x-amz-meta-of")


def test_an_older_state_is_shown_with_its_own_fields(told: Talk) -> None:
    assert show(told, Rollback("lie")) == (200, b"first", "a1")
    assert told.ask("GET", "/b/c")[1] == b"other"
    status, body, fields = told.ask("GET", "/b/a", Range="bytes=1-2")
    assert (status, body, fields["content-range"]) == (206, b"ir", "bytes 1-2/5")
    assert told.ask("GET", "/b/a", Range="bytes=9-")[0] == 416
    assert told.ask("GET", "/b/a", If_Match='"e7"')[0] == 412
    assert told.ask("HEAD", "/b/a")[2]["etag"] == '"e5"'
    assert b"<Key>a</Key><Size>5</Size>" in told.ask("GET", "/b?list-type=2")[1]


def test_the_world_of_a_mark_knows_nothing_later(told: Talk) -> None:
    mark = told.wire.mark()
    told.ask("PUT", "/b/new", b"x")
    told.ask("DELETE", "/b/c")
    told.wire.add(Rollback("lie", mark=mark))
    assert told.ask("GET", "/b/new")[0] == 404
    assert told.ask("GET", "/b/c")[1] == b"other"
    assert told.keys() == ["a"]


def test_neighbours_are_swapped_in_whole_or_in_their_metadata(told: Talk) -> None:
    assert show(told, Swap("lie")) == (200, b"other", "c")
    assert told.ask("GET", "/b/c")[1] == b"second!"
    assert told.keys() == ["a", "c"]
    told.wire.remove("lie")
    assert show(told, Metadata("lie")) == (200, b"second!", "c")


def test_objects_end_early_and_look_whole(told: Talk) -> None:
    assert show(told, Truncate("lie", at=-2)) == (200, b"secon", "a2")


def test_what_is_hidden_is_neither_there_nor_listed(told: Talk) -> None:
    assert show(told, Hide("lie", key="a"))[0] == 404
    assert told.keys() == ["c"]
    assert {deed.what for deed in told.wire.journal.deeds} == {"another state", "another listing"}


def test_listings_are_shortened_and_shuffled(told: Talk) -> None:
    told.wire.add(Shorten("short", keep=1))
    page = told.ask("GET", "/b?list-type=2")[1]
    assert (told.keys(), b"<IsTruncated>false<" in page, b"<KeyCount>1<" in page) == (["a"], True, True)
    told.wire.remove("short")
    for key in "defgh":
        told.ask("PUT", f"/b/{key}", b"x")
    told.wire.add(Reorder("shuffled", seed=1))
    assert sorted(told.keys()) == list("acdefgh")
    assert told.keys() != list("acdefgh")


def test_a_write_is_pretended(told: Talk) -> None:
    told.wire.add(DropPut("lie", key="a"))
    assert told.ask("PUT", "/b/a", b"third")[2]["etag"].strip('"').isalnum()
    assert told.ask("GET", "/b/a")[1] == b"second!"
    assert told.ask("PUT", "/b/c", b"third")[0] == 200
    assert told.shelf.kept["/b/c"][0] == b"third"

"""What became of every operation is told, once, by its code: against a server that answers as the test wants."""

import asyncio
import re
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from cybous3.core.sigv4.credentials import Credentials
from cybous3.lab.bench.generator import Load, crew
from cybous3.lab.bench.generator.contents import Contents
from cybous3.lab.bench.generator.crew import Alone, Orders
from cybous3.lab.bench.recorder import block_of
from cybous3.lab.bench.result import Block
from cybous3.lab.bench.workload import Kind, Workload, parse_sizes
from tests.support.tiny_http import HANG, Answer, Tiny, ok, refusal, tiny_http

SIZE = 1000
CONTENTS = Contents(1)
TWO = Load(2)


@pytest.fixture(params=["uvloop", "asyncio"])
def any_loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run on both kinds of event loop."""
    if request.param == "asyncio":
        monkeypatch.setattr(crew, "event_loop_factory", lambda: asyncio.new_event_loop)


def orders(endpoint: str, kind: Kind, load: Load, size: str = f"{SIZE}", **more: Any) -> Orders:
    workload = Workload(kind, parse_sizes(size), objects=more.pop("objects", 5), **more)
    return Orders(endpoint, "us-east-1", Credentials("A", "b"), "bucket", "o/", workload, load)


def worked(answer: Answer, kind: Kind, load: Load = TWO, operations: int = 20, **more: Any) -> tuple[Block, Tiny]:
    """Do so many operations against a server that answers so."""
    with tiny_http(answer) as server, closing(Alone(orders(server.endpoint, kind, load, **more))) as alone:
        return block_of(alone.run(None, operations)), server


def body_of(head: bytes) -> bytes:
    """Return the object that a GET asks for."""
    found = re.match(rb"GET /bucket/(\S+?)\?", head)
    assert found
    start = CONTENTS.start(found[1].decode(), SIZE)
    return b"".join(CONTENTS.pieces(start, 0, SIZE))


def ranged(head: bytes) -> bytes:
    found = re.search(rb"Range: bytes=(\d+)-(\d+)", head)
    assert found
    return ok(body_of(head)[int(found[1]) : int(found[2]) + 1], status="206 Partial Content")


def page(keys: int) -> bytes:
    return ok(b"<ListBucketResult>" + b"<Contents><Key>k</Key></Contents>" * keys + b"</ListBucketResult>")


def sized(size: int) -> bytes:
    return ok().replace(b"Length: 0", b"Length: %d" % size)


GOOD: dict[Kind, Answer] = {
    "put": lambda _head, body: ok() if len(body) == SIZE else None,
    "get": lambda head, _body: ok(body_of(head)),
    "range": lambda head, _body: ranged(head),  # range_size is less than SIZE there
    "stat": lambda _head, _body: sized(SIZE),
    "delete": lambda head, _body: ok(status="204 No Content") if head.startswith(b"DELETE") else ok(),
}


@pytest.mark.usefixtures("any_loop")
@pytest.mark.parametrize("kind", GOOD)
def test_good_answers_are_counted_and_nothing_else_happens(kind: Kind) -> None:
    """Exactly as many operations as asked reach the server, each once, and none counts as failed."""
    block, server = worked(GOOD[kind], kind, operations=5, range_size=SIZE // 2)
    assert (block.count, block.errors) == (5, {})
    assert len(server.heads) == 5
    moved = {"put": SIZE, "get": SIZE, "range": SIZE // 2}.get(kind, 0)
    assert block.ops[0].bytes == 5 * moved
    assert block.ops[0].response == block.ops[0].service


def flipped(head: bytes, _body: bytes) -> bytes:
    right = body_of(head)
    return ok(right[:500] + bytes([right[500] ^ 1]) + right[501:])


@pytest.mark.usefixtures("any_loop")
@pytest.mark.parametrize(
    ("kind", "answer", "code"),
    [
        ("get", flipped, "wrong bytes"),
        ("get", lambda head, _body: ok(body_of(head)[:-1]), "wrong bytes"),
        ("get", lambda _head, _body: ok(b""), "wrong bytes"),
        ("get", lambda _head, _body: refusal("SlowDown"), "SlowDown"),
        ("get", lambda _head, _body: ok(b"a proxy's page", status="502 Bad Gateway"), "status 502"),
        ("get", lambda _head, _body: None, "connection"),
        ("get", lambda head, _body: ok(body_of(head))[:-10].replace(b"1000", b"1010"), "timeout"),
        ("get", lambda _head, _body: b"SSH-2.0-no\r\n\r\n", "not HTTP"),
        ("put", lambda _head, _body: HANG, "timeout"),
        ("put", lambda _head, _body: refusal("InsufficientStorage", "507 Full"), "InsufficientStorage"),
        ("stat", lambda _head, _body: sized(SIZE + 1), "wrong bytes"),
        ("stat", lambda _head, _body: sized(3).replace(b"200 OK", b"404 Not Found"), "status 404"),
        ("range", lambda head, _body: ok(body_of(head)), "status 200"),
        ("delete", lambda _head, _body: refusal("AccessDenied", "403 Forbidden"), "AccessDenied"),
        ("list", lambda _head, _body: page(77), "wrong bytes"),
    ],
)
def test_every_kind_of_failure_has_its_code(kind: Kind, answer: Answer, code: str) -> None:
    load = Load(2, timeout_s=0.15 if code == "timeout" else 10.0)
    block, _ = worked(answer, kind, load, operations=4, range_size=SIZE // 2)
    assert (block.count, block.errors) == (4, {code: 4})
    assert (block.ops[0].bytes, block.throughput) == (0, 0.0)
    assert block.ops[0].response.count == 4  # failed operations have a latency too


def test_a_failure_is_one_operation_and_is_not_tried_again() -> None:
    answers = iter([refusal("SlowDown"), None, *[ok()] * 8])
    block, server = worked(lambda _head, _body: next(answers), "put", Load(1), operations=10)
    assert (block.count, block.errors, len(server.heads)) == (10, {"SlowDown": 1, "connection": 1}, 10)
    assert len({head.split(b"?")[0] for head in server.heads}) == 10  # ten keys: none was sent twice


def test_a_server_that_closes_after_each_answer_costs_a_connection_and_no_error() -> None:
    block, server = worked(lambda _head, _body: ok(fields="Connection: close\r\n"), "put", Load(2), operations=6)
    assert (block.count, block.errors, len(server.heads)) == (6, {}, 6)


def test_an_early_refusal_of_a_large_body_is_told_and_the_connection_given_up() -> None:
    """The answer comes while the body is still on its way: the rest is not sent into the next operation."""
    full = refusal("InsufficientStorage", "507 Full")
    load = Load(1, timeout_s=5)
    with (
        tiny_http(lambda _head, _body: full, reads_bodies=False) as server,
        closing(Alone(orders(server.endpoint, "put", load, "64MiB"))) as alone,
    ):
        block = block_of(alone.run(None, 2))
    assert block.errors == {"InsufficientStorage": 2}


def test_a_range_that_leaves_nothing_out_is_read_without_one() -> None:
    """Servers differ in whether they call it 206 or 200."""
    block, server = worked(GOOD["get"], "range", operations=5, range_size=SIZE)
    assert (block.count, block.errors, block.ops[0].name) == (5, {}, "range")
    assert not any(b"Range:" in head for head in server.heads)


def test_large_bodies_arrive_whole() -> None:
    sizes: list[int] = []

    def answer(_head: bytes, body: bytes) -> bytes:
        sizes.append(len(body))
        return ok()

    block, _ = worked(answer, "put", operations=3, size="20MiB")
    assert (block.count, block.errors, sizes) == (3, {}, [20 * 1024 * 1024] * 3)


def test_pages_are_counted() -> None:
    def answer(head: bytes, _body: bytes) -> bytes:
        behind = re.search(rb"start-after=o%2F(\d+)", head)
        assert behind
        return page(5 - int(behind[1]) - 1)

    block, _ = worked(answer, "list")
    assert (block.count, block.errors) == (20, {})


def test_mixed_deletes_only_what_it_wrote_and_keeps_the_weights() -> None:
    written: set[bytes] = set()

    def answer(head: bytes, _body: bytes) -> bytes:
        method, target, _ = head.split(b" ", 2)
        key = target.partition(b"?")[0]
        if method == b"PUT":
            written.add(key)
        if method == b"DELETE":
            written.remove(key)  # KeyError ends the connection, and the test sees it
            return ok(status="204 No Content")
        return {b"GET": ok(body_of(head)) if method == b"GET" else b"", b"HEAD": sized(SIZE)}.get(method, ok())

    block, _ = worked(answer, "mixed", Load(4), operations=600)
    shares = {op.name: op.count / 600 for op in block.ops}
    assert block.errors == {}
    assert 0.38 < shares["get"] < 0.52
    assert 0.23 < shares["stat"] < 0.37
    assert shares["put"] > shares["delete"] > 0.03


class Parts:
    """The server's side of multipart uploads."""

    def __init__(self, *, broken: bytes = b"") -> None:
        self.broken = broken
        self.parts: list[int] = []

    def __call__(self, head: bytes, body: bytes) -> bytes:
        """Create, take a part, or complete."""
        if b"uploads=" in head:
            return ok(b"<R><UploadId>an/id</UploadId></R>" if self.broken != b"create" else b"<R/>")
        assert b"uploadId=an%2Fid" in head
        if head.startswith(b"PUT"):
            self.parts.append(len(body))
            return refusal("NoSuchUpload", "404 No") if self.broken == b"part" else ok(fields='ETag: "e"\r\n')
        assert body.count(b'<ETag>"e"</ETag>') == 3
        error = b"<Error><Code>InternalError</Code></Error>"
        return ok(error if self.broken == b"complete" else b"<CompleteMultipartUploadResult/>")


@pytest.mark.usefixtures("any_loop")
def test_a_multipart_upload_is_one_operation_of_many_requests() -> None:
    parts = Parts()
    block, server = worked(parts, "multipart", operations=4, part_size=400)
    assert (block.count, block.errors, block.ops[0].bytes) == (4, {}, 4 * SIZE)
    assert len(server.heads) == 4 * 5
    assert sorted(parts.parts) == [200] * 4 + [400] * 8


@pytest.mark.parametrize(
    ("broken", "code"), [(b"create", "no upload id"), (b"part", "NoSuchUpload"), (b"complete", "InternalError")]
)
def test_a_multipart_upload_that_fails_anywhere_is_one_failure(broken: bytes, code: str) -> None:
    block, _ = worked(Parts(broken=broken), "multipart", operations=3, part_size=400)
    assert (block.count, block.errors) == (3, {code: 3})


def test_deletes_end_when_nothing_is_left_and_are_put_back_before_the_next_block() -> None:
    with tiny_http(GOOD["delete"]) as server, closing(Alone(orders(server.endpoint, "delete", Load(2)))) as alone:
        alone.setup()
        blocks = [block_of(alone.run(5.0, None)), block_of(alone.run(None, 100))]
    assert [block.ops[0].count for block in blocks[1:]] == [5]
    assert blocks[0].seconds < 2
    assert [head.split(b" ")[0] for head in server.heads] == ([b"PUT"] * 5 + [b"DELETE"] * 5) * 2


def test_objects_that_cannot_be_put_back_are_told() -> None:
    puts = iter([ok()] * 5)

    def answer(head: bytes, _body: bytes) -> bytes:
        return next(puts, refusal("SlowDown")) if head.startswith(b"PUT") else ok(status="204 No Content")

    with tiny_http(answer) as server, closing(Alone(orders(server.endpoint, "delete", Load(2)))) as alone:
        alone.setup()
        blocks = [block_of(alone.run(None, 5)) for _ in range(2)]
    assert [block.errors for block in blocks] == [{}, {"SlowDown": 5}]


def test_a_target_that_is_not_there_fails_every_operation_slowly() -> None:
    with tiny_http(lambda _head, _body: None) as server:
        endpoint = server.endpoint
    with closing(Alone(orders(endpoint, "put", Load(2)))) as alone:
        begun = time.monotonic()
        block = block_of(alone.run(None, 6))
        timed = block_of(alone.run(0.2, None))
    assert block.errors == {"connection": 6}
    assert time.monotonic() - begun > 0.1
    assert timed.errors.keys() == {"connection"}
    assert timed.count == timed.failed


@pytest.mark.parametrize("load", [Load(2), Load(2, rate=300, connections_max=4)], ids=str)
def test_an_interruption_ends_the_block_and_keeps_what_there_is(load: Load) -> None:
    with tiny_http(GOOD["stat"]) as server, closing(Alone(orders(server.endpoint, "stat", load))) as alone:
        threading.Timer(0.3, alone.stop).start()
        block = block_of(alone.run(60.0, None))
    assert block.interrupted
    assert block.count > 10
    assert block.errors == {}
    assert 0.2 < block.seconds < 5


def test_what_does_not_end_after_an_interruption_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cybous3.lab.bench.generator.engine.GRACE_S", 0.1)
    load = Load(1, rate=100, connections_max=2)
    hangs: Callable[[bytes, bytes], bytes] = lambda _head, _body: HANG  # noqa: E731  # an answer, not a function of ours
    with tiny_http(hangs) as server, closing(Alone(orders(server.endpoint, "stat", load))) as alone:
        threading.Timer(0.3, alone.stop).start()
        block = block_of(alone.run(60.0, None))
    assert block.interrupted
    assert block.errors == {"interrupted": block.count}
    assert block.late == block.count - 2  # the rest waited for one of the two connections, and is told as well


def test_the_warm_up_ends_when_everybody_has_finished_one_operation() -> None:
    slow = iter([0.2])

    def answer(_head: bytes, _body: bytes) -> bytes:
        time.sleep(next(slow, 0.0))
        return ok()

    with tiny_http(answer) as server, closing(Alone(orders(server.endpoint, "put", Load(3)))) as alone:
        block = block_of(alone.run(0.2, None))
    assert block.warmup_s >= 0.2
    assert block.ops[0].response.max_us < 150_000
    assert block.seconds < 0.4

"""What each step of a small request costs: the figures of docs/adr/0008. Run it; it is not collected as a test.

    python -m tests.server.service.measure_steps

Each step is run over 400 different requests, twelve times; the table shows the least time a request, in microseconds.
Steps that read the query of a presigned URL each read it here; within one request it is read once.
In a server that has slept between two requests the same code takes two to three times as long: the processor's caches
have forgotten it.
"""

import os
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from cybous3.core.sigv4.credentials import Credentials
from cybous3.core.sigv4.sign import presign, sign
from cybous3.server.authn.identity import Identity, authenticate
from cybous3.server.edge.answer import encode_head
from cybous3.server.edge.head import Head, Parser
from cybous3.server.edge.limits import DEFAULT_LIMITS
from cybous3.server.model.accounts import Credential, User
from cybous3.server.service.presented import presented
from cybous3.server.store.digests import Digests
from cybous3.server.store.spec import Expected
from cybous3.server.wire.message import EmptyBody, Request, Response
from cybous3.server.wire.route import route

T = TypeVar("T")

HOST = "127.0.0.1:9000"
REGION = "us-east-1"
KEYS = Credentials("MEASURED000000000000", "not-a-secret-0000000000000000000000000000")
NOW = time.time()
COUNT, ROUNDS = 400, 12
DATA = os.urandom(4096)
ANSWER = [
    ("etag", '"d41d8cd98f00b204e9800998ecf8427e"'),
    ("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"),
    ("x-amz-request-id", "0123456789ABCDEF"),
    ("x-amz-id-2", "0" * 64),
]


def linked(number: int) -> bytes:
    """Return the head of a PUT by a presigned URL."""
    path = f"/bucket/key-{number:06}"
    query = presign("PUT", HOST, path, "", KEYS, REGION, 86_400, NOW)
    return f"PUT {path}?{query} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 4096\r\n\r\n".encode()


def signed(number: int) -> bytes:
    """Return the head of a PUT that is signed in its headers."""
    path = f"/bucket/key-{number:06}"
    made = sign("PUT", path, "", [("host", HOST)], "UNSIGNED-PAYLOAD", KEYS, REGION, NOW)
    fields = {"host": HOST, **dict(made.headers), "user-agent": "client", "accept": "*/*", "content-length": "4096"}
    return (f"PUT {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items()) + "\r\n").encode()


def least_us(step: Callable[[T], object], items: Sequence[T]) -> float:
    """Return the least time of `step` for one of `items`, in microseconds."""
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for item in items:
            step(item)
        times.append((time.perf_counter() - begun) / len(items) * 1e6)
    return min(times)


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as ended:
        value: T = ended.value
        return value
    raise AssertionError("it waited")


async def find(_: str) -> Credential:
    """Return the one credential there is."""
    return Credential(KEYS.access_key, User("a" * 64, "a", "A"), KEYS.secret_key)


def authenticated(request: Request) -> Identity:
    """Return who sent the request."""
    return at_once(authenticate(request, find, now=NOW, region=REGION))


def request_of(head: Head) -> Request:
    """Return the request of a head."""
    return Request(head.method, head.path, head.query, head.headers, EmptyBody(), head.length)


def digested(_: int) -> object:
    """Hash 4 KiB as a PUT does."""
    digests = Digests(Expected(len(DATA)))
    digests.update(DATA)
    return digests.judge(len(DATA))


def main() -> None:
    """Print the table."""
    for name, make in (("presigned URL", linked), ("signed headers", signed)):
        parser = Parser(DEFAULT_LIMITS)
        raw = [make(number) for number in range(COUNT)]
        requests = [request_of(parser.parse(head)) for head in raw]
        targets = [route(request) for request in requests]
        steps = {
            "parse the head": least_us(parser.parse, raw),
            "query to headers": least_us(presented, requests),
            "route": least_us(route, requests),
            "authenticate": least_us(authenticated, requests),
            "decode parameters": least_us(lambda target: target.decode(), targets),
            "MD5 and CRC64 of 4 KiB": least_us(digested, range(COUNT)),
            "encode the answer": least_us(
                lambda _: encode_head(Response(200, ANSWER), method="PUT", close=False), range(COUNT)
            ),
        }
        print(name)  # noqa: T201  # a tool
        for step, cost in steps.items():
            print(f"  {step:24} {cost:6.1f} us")  # noqa: T201  # a tool


if __name__ == "__main__":
    main()

"""A server that stalls for a second is seen by the open loop, and hidden by the closed one.

This is the promise that makes latencies worth reading: under 200 requests a second, a stall of one second delays 200
requests, and a client that waits for its answer before it asks again notices one of them.
"""

import time

import pytest

from cybous3.core.sigv4.credentials import Credentials
from cybous3.lab.bench.generator import Load
from cybous3.lab.bench.generator.crew import Alone, Orders
from cybous3.lab.bench.recorder import block_of
from cybous3.lab.bench.result import Block
from cybous3.lab.bench.workload import Workload, parse_sizes
from tests.support.tiny_http import ok, tiny_http

SECONDS = 1.8
STALL_AFTER = 100


class Stalling:
    """Answers at once, but for one second in which it answers nobody."""

    def __init__(self) -> None:
        self.answered = 0

    def __call__(self, _head: bytes, _body: bytes) -> bytes:
        self.answered += 1
        if self.answered == STALL_AFTER:
            time.sleep(1.0)
        return ok(b"").replace(b"Length: 0", b"Length: 4")  # to HEAD, of an object of four bytes


def measured(load: Load) -> Block:
    with tiny_http(Stalling()) as server:
        workload = Workload("stat", parse_sizes("4"), objects=10)
        orders = Orders(server.endpoint, "us-east-1", Credentials("A", "b"), "bucket", "o/", workload, load)
        crew = Alone(orders)
        try:
            return block_of(crew.run(SECONDS, None))
        finally:
            crew.close()


@pytest.mark.slow
def test_the_open_loop_counts_the_wait_of_everybody_and_the_closed_one_cannot() -> None:
    opened = measured(Load(concurrency=4, rate=200))
    closed = measured(Load(concurrency=2))
    assert opened.failed == closed.failed == 0
    assert opened.count >= 200 * SECONDS * 0.7
    seen = opened.ops[0].response
    assert seen.p99_us >= 900_000
    assert seen.max_us >= 950_000
    assert closed.ops[0].response.p99_us < 100_000
    assert closed.ops[0].response.max_us >= 950_000  # it met the stall, once for each client


@pytest.mark.slow
def test_with_few_connections_the_wait_is_in_the_response_time_and_not_in_the_service_time() -> None:
    """Operations that find no connection are late, not lost: both clocks are told, and they differ."""
    block = measured(Load(concurrency=2, connections_max=2, rate=200, arrivals="constant"))
    op = block.ops[0]
    assert block.late > 100
    assert op.count >= 200 * SECONDS * 0.7
    assert op.response.p99_us >= 900_000
    assert op.service.p99_us < 100_000

"""The sending half, looked at on its own."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from cybous3.server.edge.body import BufferPool
from cybous3.server.edge.limits import Limits
from cybous3.server.edge.outgoing import Outgoing
from cybous3.server.edge.shared import Outbox, Shared
from cybous3.server.wire.message import Request, Response


class Sink:
    """A transport that takes everything at once."""

    def __init__(self) -> None:
        self.written = b""

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes) -> None:
        self.written += data


async def _nobody(_request: Request) -> Response:
    return Response(200)


def test_an_answer_that_is_held_for_a_moment_is_no_stalled_peer() -> None:
    """The sweep may come between an answer and the end of its turn of the loop; on a new connection it cut that off."""

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as threads:
            shared = Shared(_nobody, Limits(), threads, BufferPool(1024), Outbox(loop))
            sink = Sink()
            out = Outgoing(shared, cast("asyncio.Transport", sink))
            out.send_bytes(b"head", b"body")
            assert out.unsent()
            assert not out.stalled(loop.time())
            await asyncio.sleep(0)
            assert sink.written == b"headbody"
            assert not out.unsent()

    asyncio.run(scene())


def test_a_peer_that_takes_nothing_is_stalled_after_the_limit_and_not_before() -> None:
    class Full(Sink):
        def get_write_buffer_size(self) -> int:
            return 7

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as threads:
            limits = Limits(write_stall_s=60.0)
            shared = Shared(_nobody, limits, threads, BufferPool(1024), Outbox(loop))
            out = Outgoing(shared, cast("asyncio.Transport", Full()))
            now = loop.time()
            assert not out.stalled(now)
            assert not out.stalled(now + 59)
            assert out.stalled(now + 61)

    asyncio.run(scene())

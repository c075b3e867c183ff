"""How fast the generator itself can go on this machine: the same requests, against a server that does nothing.

The responder is a few lines on the event loop, in a process of its own; it parses nothing but the end of a head and
answers from a prepared block. What is measured then is the generator, and no figure it takes of a real server can be
above that. Started as a program, this module is the responder: it prints its port and serves until its input ends.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from cybous3.core.sigv4.credentials import Credentials
from cybous3.lab.bench.generator.contents import Contents
from cybous3.lab.bench.generator.crew import Alone, Orders, event_loop_factory
from cybous3.lab.bench.generator.load import Load
from cybous3.lab.bench.recorder import block_of
from cybous3.lab.bench.result import Block
from cybous3.lab.bench.workload import Kind, Workload, parse_sizes

SIZE: Final = 4096
_KEY: Final = "o/00000000"
_SEED: Final = 1
_END: Final = b"\r\n\r\n"


def ceiling(seconds: float, concurrency: int) -> dict[str, Block]:
    """Measure put and get of 4 KiB against a responder that does nothing; returns a block for each."""
    found: dict[str, Block] = {}
    kinds: tuple[Kind, ...] = ("put", "get")
    for kind in kinds:
        workload = Workload(kind, parse_sizes(str(SIZE)), objects=1, seed=_SEED)
        with _responder() as endpoint:
            orders = Orders(endpoint, "us-east-1", Credentials("A", "b"), "b", "o/", workload, Load(concurrency))
            crew = Alone(orders)
            try:
                found[kind] = block_of(crew.run(seconds, None))
            finally:
                crew.close()
    return found


@contextmanager
def _responder() -> Iterator[str]:
    command = [sys.executable, "-m", "cybous3.lab.bench.generator.responder"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:  # noqa: S603  # our own
        try:
            port = int(child.stdout.readline()) if child.stdout else 0
            yield f"http://127.0.0.1:{port}"
        finally:
            if child.stdin:
                child.stdin.close()
            child.wait()  # its input has ended, and so does it


class Responder(asyncio.Protocol):
    """Answers a GET with one object's bytes and a PUT with nothing, as soon as the request is there."""

    def __init__(self) -> None:
        contents = Contents(_SEED)
        body = b"".join(contents.pieces(contents.start(_KEY, SIZE), 0, SIZE))
        self._get = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (SIZE, body)
        self._put = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        self._held = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready."""
        self._transport = transport  # type: ignore[assignment]  # a stream's transport, which asyncio types loosely

    def data_received(self, data: bytes) -> None:
        """Answer a request that is whole; of a PUT the body's bytes are counted, not kept."""
        if self._transport is None:
            return
        if self._held:
            self._held -= len(data)
        elif data.startswith(b"GET"):
            self._transport.write(self._get)
            return
        else:
            self._held = SIZE - (len(data) - data.index(_END) - len(_END))
        if self._held == 0:
            self._transport.write(self._put)


async def serve() -> None:
    """Print the port and serve until this process is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Responder, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)  # ends with the parent


def main() -> None:
    """Be the responder."""
    with asyncio.Runner(loop_factory=event_loop_factory()) as runner:
        runner.run(serve())

"""A server of a few lines that answers whatever a test wants: late, wrongly, never, or not at all.

It runs in a thread of the test's process. `answer` is called with each request's head and body, in the server's event
loop, so that an `answer` that sleeps stalls every connection, as a server stalls that waits for its disk.
"""

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Answer = Callable[[bytes, bytes], bytes | None]
HANG = b""
"""What `answer` returns to leave a request without an answer; None closes the connection."""

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass
class Tiny:
    """What the server has seen: the heads of all requests, in order."""

    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    reads_bodies: bool = True

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"


def ok(body: bytes = b"", fields: str = "", status: str = "200 OK") -> bytes:
    """Return a whole answer."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{fields}\r\n".encode() + body


def refusal(code: str, status: str = "503 Slow Down") -> bytes:
    """Return an S3 error."""
    return ok(f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode(), status=status)


@contextmanager
def tiny_http(answer: Answer, *, reads_bodies: bool = True) -> Iterator[Tiny]:
    """Serve on a free loopback port until the block is left; without `reads_bodies`, answer as soon as a head came."""
    seen, ready = Tiny(reads_bodies=reads_bodies), threading.Event()
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await _one(reader, writer, seen, answer):
                pass
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass  # the client left, or the test is over
        finally:
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
        seen.port = server.sockets[0].getsockname()[1]
        ready.set()
        await ended.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    ready.wait()
    try:
        yield seen
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


async def _one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Tiny, answer: Answer) -> bool:
    """Serve one request; return whether the connection lives on."""
    head = await reader.readuntil(b"\r\n\r\n")
    if not seen.reads_bodies:
        writer.write(answer(head, b"") or b"")
        while await reader.read(1 << 16):  # what comes now, a next request too, goes nowhere
            pass
        return False
    length = _LENGTH.search(head)
    body = await reader.readexactly(int(length[1])) if length and not head.startswith(b"HEAD") else b""
    seen.heads.append(head)
    said = answer(head, body)
    if said is None:
        return False
    writer.write(said)
    return True

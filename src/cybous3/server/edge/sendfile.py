"""File content to a plain socket without passing through Python: sendfile(2) from a thread.

The thread never waits for the peer: the socket does not block, and when it is full the event loop waits for it, so a
slow peer holds a file descriptor and no thread. Only the disk is waited for there. Linux only: macOS's sendfile loses
the count of what it sent when it would block, and elsewhere there is none; `AVAILABLE` tells, and the caller falls back
to chunks.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from cybous3.server.wire.message import FileSpan

AVAILABLE = sys.platform == "linux"

# What one visit to the thread may send; long enough that the way there does not count, short enough for fairness.
_VISIT_BYTES = 16 * 1024 * 1024
# Below this a read from the page cache and one write beat the way through a thread.
CACHED_BYTES_MAX = 256 * 1024


class TruncatedError(OSError):
    """A file ended before the bytes that were announced: the connection must be cut, so that the peer knows."""


@dataclass(slots=True)
class _Rest:
    """What is still to be sent: a head, then spans."""

    head: memoryview
    spans: list[FileSpan]
    sent: int = 0  # since somebody last asked

    def asked(self) -> int:
        """Return `sent` and begin anew."""
        sent, self.sent = self.sent, 0
        return sent


def read_cached(spans: Sequence[FileSpan]) -> bytes | None:
    """Return the spans' bytes if all of them lie in the page cache, without ever waiting for a disk; else None."""
    if not AVAILABLE:
        return None
    pieces = []
    for span in spans:
        buffer = bytearray(span.length)
        try:
            count = os.preadv(span.fd, [buffer], span.offset, os.RWF_NOWAIT)
        except (
            OSError
        ):  # EAGAIN: not cached; EOPNOTSUPP: a file system that cannot say. The thread will see any real error.
            return None
        if count != span.length:
            return None
        pieces.append(buffer)
    return b"".join(pieces)


def _push(sock: socket.socket, rest: _Rest) -> bool:
    """Send until all is sent (True), the socket is full, or the visit is long enough (False). Runs in a thread."""
    budget = _VISIT_BYTES
    try:
        while rest.head:
            more = socket.MSG_MORE if rest.spans else 0
            count = sock.send(rest.head, more)
            rest.head = rest.head[count:]
            rest.sent += count
        while rest.spans and budget > 0:
            span = rest.spans[0]
            count = os.sendfile(sock.fileno(), span.fd, span.offset, min(span.length, budget))
            if count == 0:
                raise TruncatedError("a file is shorter than the answer announced")
            budget -= count
            rest.sent += count
            if count == span.length:
                rest.spans.pop(0)
            else:
                rest.spans[0] = FileSpan(span.fd, span.offset + count, span.length - count)
    except BlockingIOError:
        return False
    return not rest.spans


async def send_spans(
    sock: socket.socket, head: bytes, spans: Sequence[FileSpan], threads: Executor, progress: Callable[[int], None]
) -> None:
    """Send `head` and the spans through `sock`, a non-blocking duplicate that nobody else writes to meanwhile.

    `progress` is told how many bytes the socket took since last time. To give up, shut the socket down.
    ConnectionError when the peer is gone, TruncatedError when a file is too short, OSError when it cannot be read.
    """
    loop = asyncio.get_running_loop()
    rest = _Rest(memoryview(head), [span for span in spans if span.length])
    while not await loop.run_in_executor(threads, _push, sock, rest):
        progress(rest.asked())
        await _writable(loop, sock)
    progress(rest.asked())


async def _writable(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(sock.fileno(), _set, ready)
    try:
        await ready
    finally:
        loop.remove_writer(sock.fileno())


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)

"""Stored files to a plain socket, past the transport: a thread reads, proves and sends.

Read into a buffer, compared with its checks there, sent from there: the bytes that leave are the very bytes that were
proved, which sendfile(2) cannot say of its pages. What the socket did not take is kept, so nothing is read twice.

The thread never waits for the peer: the socket does not block, and when it is full the event loop waits for it, so a
slow peer holds a file descriptor and one buffer, and no thread. Only the disk is waited for there. On Linux only;
`AVAILABLE` tells, and the caller falls back to chunks.
"""

import asyncio
import socket
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Final

from cybous3.server.wire.message import FileSpan

AVAILABLE = sys.platform == "linux"

# What is read and proved at once. Measured with 128 KiB to 1 MiB: it stays in the processor's cache between being read,
# proved and sent; more gains nothing.
RUN_BYTES: Final = 256 * 1024
# What one visit to the thread may send; long enough that the way there does not count, short enough for fairness.
_VISIT_BYTES = 16 * 1024 * 1024
# Below this a read from the page cache and one write beat the way through a thread.
CACHED_BYTES_MAX = 256 * 1024


class TruncatedError(OSError):
    """An answer is not as long as was announced: the connection must be cut, so that the peer knows."""


@dataclass(slots=True)
class _Rest:
    """What is still to be sent: a head, what was proved and not taken yet, then spans."""

    head: memoryview
    spans: list[FileSpan]
    position: int = 0  # within the first span, of what was not proved yet
    proved: memoryview = field(default_factory=lambda: memoryview(b""))
    buffer: memoryview | None = None
    sent: int = 0  # since somebody last asked

    def asked(self) -> int:
        """Return `sent` and begin anew."""
        sent, self.sent = self.sent, 0
        return sent

    def more(self) -> bool:
        """Have proved bytes at hand, if any are left; false when all is sent. OSError when they cannot be had."""
        if not self.proved and self.spans:
            self._prove()
        return bool(self.head or self.proved)

    def took(self, count: int) -> None:
        """Take note that the socket took `count` bytes."""
        self.sent += count
        of_head = min(count, len(self.head))
        self.head = self.head[of_head:]
        self.proved = self.proved[count - of_head :]

    def _prove(self) -> None:
        if self.buffer is None:
            self.buffer = memoryview(bytearray(RUN_BYTES))
        span = self.spans[0]
        self.proved = span.take(self.position, self.buffer)
        self.position += len(self.proved)
        if self.position == span.length:
            self.spans.pop(0)
            self.position = 0


def read_cached(spans: Sequence[FileSpan]) -> bytes | None:
    """Return the spans' bytes if all of them lie in memory, without ever waiting for a disk; else None.

    OSError when one is not what was stored.
    """
    pieces = []
    for span in spans:
        piece = span.at_hand()
        if piece is None:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def _push(sock: socket.socket, rest: _Rest) -> bool:
    """Send until all is sent (True), the socket is full, or the visit is long enough (False). Runs in a thread."""
    budget = _VISIT_BYTES
    try:
        while budget > 0 and rest.more():
            # Together, so that the head does not travel alone; and after the proof, so that a first piece that is wrong
            # cuts a connection on which no answer has begun.
            count = sock.sendmsg([rest.head, rest.proved]) if rest.head else sock.send(rest.proved)
            rest.took(count)
            budget -= count
    except BlockingIOError:
        return False
    return not rest.more()


async def send_spans(
    sock: socket.socket, head: bytes, spans: Sequence[FileSpan], threads: Executor, progress: Callable[[int], None]
) -> None:
    """Send `head` and the spans through `sock`, a non-blocking duplicate that nobody else writes to meanwhile.

    `progress` is told how many bytes the socket took since last time. To give up, shut the socket down.
    ConnectionError when the peer is gone, OSError when a span cannot be read or is not what was stored.
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

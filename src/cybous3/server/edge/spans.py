"""Stored files to a plain socket, past the transport: read, proved and sent by one hand.

Read into a buffer, compared with its checks there, sent from there: the bytes that leave are the very bytes that were
proved, which sendfile(2) cannot say of its pages. What the socket did not take is kept, so nothing is read twice.

Nobody waits for the peer in a thread: the socket does not block, and when it is full the event loop waits for it, so a
slow peer holds a file descriptor and one buffer, and no thread. Only the disk is waited for there; the first megabytes,
when they lie in memory, are sent from the event loop. On Linux only; `AVAILABLE` tells, and the caller falls back to
chunks.
"""

import asyncio
import socket
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Final

from cybous3.server.wire.message import FileSpan

AVAILABLE = sys.platform == "linux"

# What is read and proved at once. Measured with 128 KiB to 1 MiB: it stays in the processor's cache between being read,
# proved and sent; more gains nothing.
RUN_BYTES: Final = 256 * 1024
# What one visit to the thread may send; long enough that the way there does not count, short enough for fairness.
_VISIT_BYTES: Final = 16 * 1024 * 1024
# What an answer may send from the event loop, of what lies in memory, before a thread takes over; and in one go there,
# which keeps others waiting for a quarter of a millisecond. A thread and the loop fight for the interpreter's lock at
# every call: four answers of 1 MiB at a time cost a third less of the processor without (ADR 0010).
LOOP_BYTES: Final = 2 * 1024 * 1024
_LOOP_VISIT_BYTES: Final = RUN_BYTES
# Below this a read from the page cache and one write beat the way through a thread.
CACHED_BYTES_MAX = 256 * 1024


class TruncatedError(OSError):
    """An answer is not as long as was announced: the connection must be cut, so that the peer knows."""


class _Pause(Enum):
    """Why a visit ended before all was sent."""

    FULL = "the socket takes no more"
    COLD = "a disk would have to be waited for"
    LONG = "it was long enough"


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

    def ready(self, *, wait: bool) -> bool:
        """Have proved bytes at hand; false when a disk would have to be waited for. OSError when they cannot be had."""
        if not self.proved and self.spans:
            self._prove(wait=wait)
        return bool(self.proved or not self.spans)

    def done(self) -> bool:
        """Whether all is sent."""
        return not (self.head or self.proved or self.spans)

    def took(self, count: int) -> None:
        """Take note that the socket took `count` bytes."""
        self.sent += count
        of_head = min(count, len(self.head))
        self.head = self.head[of_head:]
        self.proved = self.proved[count - of_head :]

    def _prove(self, *, wait: bool) -> None:
        if self.buffer is None:
            self.buffer = memoryview(bytearray(RUN_BYTES))
        span = self.spans[0]
        self.proved = span.take(self.position, self.buffer, wait=wait)
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


def _push(sock: socket.socket, rest: _Rest, budget: int, *, wait: bool) -> _Pause | None:
    """Send until all is sent (None) or there is a reason to pause. Waits for a disk only if it may `wait`."""
    try:
        while not rest.done():
            if budget <= 0:
                return _Pause.LONG
            if not rest.ready(wait=wait):
                return _Pause.COLD
            # Together, so that the head does not travel alone; and after the proof, so that a first piece that is wrong
            # cuts a connection on which no answer has begun.
            count = sock.sendmsg([rest.head, rest.proved]) if rest.head else sock.send(rest.proved)
            rest.took(count)
            budget -= count
    except BlockingIOError:
        return _Pause.FULL
    return None


async def send_spans(
    sock: socket.socket, head: bytes, spans: Sequence[FileSpan], threads: Executor, progress: Callable[[int], None]
) -> None:
    """Send `head` and the spans through `sock`, a non-blocking duplicate that nobody else writes to meanwhile.

    `progress` is told how many bytes the socket took since last time. To give up, shut the socket down.
    ConnectionError when the peer is gone, OSError when a span cannot be read or is not what was stored.
    """
    loop = asyncio.get_running_loop()
    rest = _Rest(memoryview(head), [span for span in spans if span.length])
    here, pause = LOOP_BYTES, _push(sock, rest, _LOOP_VISIT_BYTES, wait=False)
    while pause is not None:
        sent = rest.asked()
        here -= sent
        progress(sent)
        if pause is _Pause.FULL:
            await _writable(loop, sock)
        if here > 0 and pause is not _Pause.COLD:
            if pause is _Pause.LONG:
                await asyncio.sleep(0)
            pause = _push(sock, rest, _LOOP_VISIT_BYTES, wait=False)
        else:
            pause = await loop.run_in_executor(threads, partial(_push, sock, rest, _VISIT_BYTES, wait=True))
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

"""The bodies of requests: received as they come, bounded, handed over in large pieces.

What waits for its reader is at most `piece_bytes`; beyond it the connection stops reading, so the peer feels how
fast its bytes are used. A body of known length never takes a byte of what follows it: the buffer it offers to the
transport ends where the body ends.
"""

import asyncio
from typing import Protocol

from cybous3.server.edge.chunked import ChunkDecoder
from cybous3.server.edge.limits import KIB, MIB, Limits
from cybous3.server.edge.refusal import Refusal, too_slow


class Link(Protocol):
    """What a body needs from its connection."""

    def pause(self) -> None:
        """Stop receiving. May be called twice."""
        ...

    def resume(self) -> None:
        """Receive again. May be called twice."""
        ...

    def send_continue(self) -> None:
        """Tell the peer to go on with its body."""
        ...


class BufferPool:
    """Receive buffers for large bodies, kept for the next one: fresh pages would cost as much as the copy.

    Together they hold `_BUDGET` bytes in large buffers; beyond it buffers get small, and beyond twice that very small,
    so that memory is bounded by the budget and not by how many peers stall at once. A body holds a buffer only while
    something lies in it.
    """

    _BUDGET = 32 * MIB
    _KEPT = 16
    _SMALL = 64 * KIB
    _LEAST = 4 * KIB

    def __init__(self, size: int) -> None:
        self._size = size
        self._free: list[bytearray] = []
        self._out = 0  # bytes in buffers that are in use

    def take(self, body_bytes: int) -> bytearray:
        """Return a buffer for a body of which `body_bytes` are still to come."""
        buffer = self._new(body_bytes)
        self._out += len(buffer)
        return buffer

    def _new(self, body_bytes: int) -> bytearray:
        if self._out >= 2 * self._BUDGET:
            return bytearray(min(body_bytes, self._LEAST))
        if self._out + min(body_bytes, self._size) > self._BUDGET:
            return bytearray(min(body_bytes, self._SMALL))
        if body_bytes < self._size // 4:
            return bytearray(body_bytes)
        return self._free.pop() if self._free else bytearray(self._size)

    def give(self, buffer: bytearray) -> None:
        """Take back a buffer that nobody looks at any more."""
        self._out -= len(buffer)
        if len(buffer) == self._size and len(self._free) < self._KEPT:
            self._free.append(buffer)


class _Pull:
    """The waiting side, common to both kinds: one reader, one fault for ever, and a bound on patience."""

    def __init__(self, link: Link, limits: Limits, *, expects_continue: bool) -> None:
        self._link = link
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._waited_s = 0.0
        self.fault: ConnectionError | None = None
        self.expects_continue = expects_continue  # and was not told to
        self.received = 0

    def fail(self, fault: ConnectionError) -> None:
        """Make every read from now on raise `fault`; the first fault stays."""
        if self.fault is None:
            self.fault = fault
        self._wake()

    def check_patience(self, now: float) -> None:
        """Fail if the peer kept its reader waiting for too long, at once or in sum. Called now and then."""
        if self._waiter is None:
            return
        idle_s = now - self._since
        bound_s = self._limits.body_grace_s + self.received / self._limits.body_rate_min
        if idle_s > self._limits.body_idle_s or self._waited_s + idle_s > bound_s:
            self.fail(too_slow("request body"))

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self) -> None:
        """Wait until something was received, ended or failed."""
        if self.fault is not None:
            raise self.fault
        if self.expects_continue:
            self.expects_continue = False
            self._link.send_continue()
        self._waiter = self._loop.create_future()
        started = self._since = self._loop.time()
        try:
            await self._waiter
        finally:
            self._waiter = None
            self._waited_s += self._loop.time() - started
        if self.fault is not None:
            raise self.fault

    def _arrived(self, count: int) -> None:
        self.received += count
        # Once it comes, nobody needs to ask for it.
        self.expects_continue = False
        if self._waiter is not None:
            self._since = self._loop.time()


class SizedBody(_Pull):
    """A body of known length, received straight into a large buffer."""

    def __init__(
        self, link: Link, limits: Limits, pool: BufferPool, length: int, early: bytes, *, expects_continue: bool
    ) -> None:
        """`early` is what came together with the head; at most `length` bytes."""
        super().__init__(link, limits, expects_continue=expects_continue)
        self._pool = pool
        self._early = early
        self.left = length - len(early)  # bytes still to be received
        self._filled = 0
        self._buffer: bytearray | None = None
        self._timer: asyncio.TimerHandle | None = None
        if early:
            self._arrived(len(early))

    @property
    def complete(self) -> bool:
        """Whether everything was received (not: read)."""
        return self.left == 0

    def space(self) -> memoryview:
        """Return where the transport may put the next bytes; never empty while receiving and not paused."""
        if self._buffer is None:
            self._buffer = self._pool.take(self.left)
        return memoryview(self._buffer)[self._filled : self._filled + self.left]

    def arrived(self, count: int) -> None:
        """Take note that `count` bytes were put into `space()`."""
        assert self._buffer is not None  # noqa: S101 - they were put into what `space` returned
        self._filled += count
        self.left -= count
        self._arrived(count)
        if self._filled == len(self._buffer) and self.left:
            self._link.pause()
        if self.complete or self._filled >= min(len(self._buffer), self._limits.coalesce_bytes):
            self._wake()
        elif self._waiter is not None and self._timer is None:
            self._timer = self._loop.call_later(self._limits.coalesce_s, self._time_is_up)

    async def read(self) -> bytes:
        """Return the next piece, b"" at the end; see `Body`."""
        if self._early:
            piece, self._early = self._early, b""
            return piece
        if not self._filled:
            if self.complete:
                return b""
            await self._wait()
        return self._take()

    def close(self) -> None:
        """Give the buffer back. Nothing may be received or read after this."""
        self._cancel_timer()
        self._give_back()

    def _take(self) -> bytes:
        self._cancel_timer()
        if self._buffer is None or not self._filled:
            return b""
        piece = bytes(memoryview(self._buffer)[: self._filled])
        self._filled = 0
        self._give_back()
        if self.left:
            self._link.resume()
        return piece

    def _give_back(self) -> None:
        if self._buffer is not None:
            buffer, self._buffer = self._buffer, None
            self._pool.give(buffer)

    def _time_is_up(self) -> None:
        self._timer = None
        self._wake()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class ChunkedBody(_Pull):
    """A body in the chunked transfer coding."""

    left = None  # nobody knows

    def __init__(
        self, link: Link, limits: Limits, body_bytes_max: int, early: bytes, *, expects_continue: bool
    ) -> None:
        super().__init__(link, limits, expects_continue=expects_continue)
        self._decoder = ChunkDecoder(body_bytes_max)
        self._pieces: list[bytes] = []
        self._waiting = 0
        if early:
            self.arrived(early)

    @property
    def complete(self) -> bool:
        """Whether the end was received (not: read)."""
        return self._decoder.ended

    @property
    def rest(self) -> bytes:
        """The bytes behind the body, once complete."""
        return self._decoder.rest

    def arrived(self, data: bytes) -> None:
        """Decode `data`; a fault in it fails the body."""
        self._arrived(len(data))
        if self.fault is not None:
            return
        try:
            pieces = self._decoder.feed(data)
        except Refusal as refusal:
            self.fail(refusal)
            return
        self._pieces += pieces
        self._waiting += sum(map(len, pieces))
        if self._waiting >= self._limits.piece_bytes and not self.complete:
            self._link.pause()
        if pieces or self.complete:
            self._wake()

    async def read(self) -> bytes:
        """Return the next piece, b"" at the end; see `Body`."""
        while not self._pieces:
            if self.complete:
                return b""
            await self._wait()
        piece = self._join()
        self._link.resume()
        return piece

    def close(self) -> None:
        """Nothing is held that needs giving back."""

    def _join(self) -> bytes:
        """Return the waiting pieces as one, up to `piece_bytes`."""
        taken = b"".join(self._pieces)
        bound = self._limits.piece_bytes
        taken, left = (taken[:bound], taken[bound:]) if len(taken) > bound else (taken, b"")
        self._pieces, self._waiting = [left] if left else [], len(left)
        return taken

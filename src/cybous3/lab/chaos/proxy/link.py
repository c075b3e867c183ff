"""One direction of one connection: bytes in, bytes out, and what the toxics make of them on the way.

Without a toxic a piece is written on at once, in the callback it arrived in; that is what keeps an idle proxy cheap.
With one, pieces queue and a task takes them through the toxics in the order these were added. A toxic that is removed
no longer touches the next piece; one that keeps silence gives up the connection to silence for as long as it is there.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from cybous3.lab.chaos.proxy.toxics import (
    Bandwidth,
    Direction,
    HalfOpen,
    Latency,
    LimitData,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
    Toxic,
)

QUEUE_BYTES_MAX: Final = 1024 * 1024
"""What may wait in one direction before the sender is no longer read from."""
_TICK_S: Final = 0.05
_RATE_PIECES_PER_S: Final = 50


class Piece(NamedTuple):
    """Bytes and when they came, by the loop's clock; no bytes: the end."""

    data: bytes
    came: float


class Pair(Protocol):
    """What a direction needs of the connection it belongs to."""

    number: int
    seed: int
    silenced: bool

    def active(self, direction: Direction) -> Sequence[Toxic]:
        """Return the toxics that touch this direction now."""
        ...

    def done(self, toxic: Toxic, what: str) -> None:
        """Note what was done."""
        ...

    def close(self) -> None:
        """Close both ends, after what was written to them."""
        ...

    def reset(self) -> None:
        """Reset both ends."""
        ...


class Link:
    """One direction. `write` and `finish` reach the far end, `pause` and `resume` the near one's reading."""

    def __init__(self, pair: Pair, direction: Direction, loop: asyncio.AbstractEventLoop) -> None:
        self._pair, self._direction, self._loop = pair, direction, loop
        self.target: asyncio.Transport | None = None
        self.source: asyncio.Transport | None = None
        self._queue: deque[Piece] = deque()
        self._queued = 0
        self._pump: asyncio.Task[None] | None = None
        self._room = asyncio.Event()  # clear: the far end is full, or not there yet
        self._reading = True
        self._told: set[str] = set()
        self._passed = 0  # bytes let through, for limit_data
        self._chances: dict[str, random.Random] = {}

    def feed(self, data: bytes) -> None:
        """Take bytes; none: the near end said that no more will come."""
        if self._pump is None and self.target is not None and not self._pair.active(self._direction):
            self._write(data)
            return
        self._queue.append(Piece(data, self._loop.time()))
        self._queued += len(data)
        if self._queued > QUEUE_BYTES_MAX:
            self._read(on=False)
        if self._pump is None:
            self._pump = self._loop.create_task(self._run())

    def reached(self, target: asyncio.Transport) -> None:
        """Take note that the far end is there; what came before may go."""
        self.target = target
        self._room.set()

    def far_end_full(self) -> None:
        """Stop until there is room again."""
        self._room.clear()
        self._read(on=False)

    def far_end_ready(self) -> None:
        """Go on."""
        self._room.set()
        if self._queued <= QUEUE_BYTES_MAX:
            self._read(on=True)

    def stop(self) -> None:
        """Let nothing more through."""
        self._queue.clear()
        if self._pump is not None:
            self._pump.cancel()

    def _read(self, *, on: bool) -> None:
        if self.source is None or on is self._reading or self.source.is_closing():
            return
        self._reading = on
        (self.source.resume_reading if on else self.source.pause_reading)()

    def _write(self, data: bytes) -> None:
        if self.target is None or self.target.is_closing():
            return
        if data:
            self._passed += len(data)
            self.target.write(data)
        elif self.target.can_write_eof():
            self.target.write_eof()

    async def _run(self) -> None:
        while self._queue:
            piece = self._queue.popleft()
            await self._through(piece)
            self._queued -= len(piece.data)
            if self._room.is_set() and self._queued <= QUEUE_BYTES_MAX:
                self._read(on=True)
        self._pump = None

    async def _through(self, piece: Piece) -> None:
        """Take one piece through every toxic there is; what comes out is written."""
        await self._room.wait()
        pieces: Sequence[bytes] = (piece.data,)
        for toxic in self._pair.active(self._direction):
            treat = _TREATMENTS[type(toxic)]
            pieces = await treat(self, toxic, piece, pieces)
        for data in pieces:
            await self._room.wait()
            self._write(data)

    def _chance(self, toxic: Toxic) -> random.Random:
        if toxic.name not in self._chances:
            self._chances[toxic.name] = toxic.chance(self._pair.seed, self._pair.number)
        return self._chances[toxic.name]

    def _tell(self, toxic: Toxic, what: str) -> None:
        """Note what a toxic does to this connection, once."""
        if toxic.name not in self._told:
            self._told.add(toxic.name)
            self._pair.done(toxic, what)

    async def _while_there(self, toxic: Toxic, over: float) -> None:
        """Wait until the toxic is removed or the loop's clock says `over`."""
        while toxic in self._pair.active(self._direction) and self._loop.time() < over:  # noqa: ASYNC110  # only the silent wait; an event for each removal would cost all others
            await asyncio.sleep(_TICK_S)

    async def latency(self, toxic: Latency, piece: Piece, pieces: Sequence[bytes]) -> Sequence[bytes]:
        """Hold a piece until its time; those behind it wait, so their order stays."""
        jitter = toxic.jitter_s * (2 * self._chance(toxic).random() - 1)
        self._tell(toxic, f"{toxic.latency_s * 1000:g} ms later")
        await asyncio.sleep(max(0.0, piece.came + toxic.latency_s + jitter - self._loop.time()))
        return pieces

    async def bandwidth(self, toxic: Bandwidth, _piece: Piece, pieces: Sequence[bytes]) -> Sequence[bytes]:
        """Write at a rate: a bit, then the time that bit takes."""
        self._tell(toxic, f"{toxic.bytes_per_s} bytes a second")
        step = max(1, toxic.bytes_per_s // _RATE_PIECES_PER_S)
        for data in pieces:
            for at in range(0, len(data), step):
                bit = data[at : at + step]
                await asyncio.sleep(len(bit) / toxic.bytes_per_s)
                await self._room.wait()
                self._write(bit)
        return tuple(data for data in pieces if not data)

    async def slicer(self, toxic: Slicer, _piece: Piece, pieces: Sequence[bytes]) -> Sequence[bytes]:
        """Cut, and write each slice alone."""
        self._tell(toxic, f"slices of {toxic.average} bytes")
        chance = self._chance(toxic)
        for data in pieces:
            at = 0
            while at < len(data):
                size = max(1, toxic.average + chance.randint(-toxic.variation, toxic.variation))
                await self._room.wait()
                self._write(data[at : at + size])
                at += size
                await asyncio.sleep(toxic.delay_s)
        return tuple(data for data in pieces if not data)

    async def slow_close(self, toxic: SlowClose, piece: Piece, pieces: Sequence[bytes]) -> Sequence[bytes]:
        """Hold the end back."""
        if not piece.data:
            self._tell(toxic, f"end held back for {toxic.delay_s:g} s")
            await asyncio.sleep(toxic.delay_s)
        return pieces

    async def timeout(self, toxic: Timeout, _piece: Piece, _pieces: Sequence[bytes]) -> Sequence[bytes]:
        """Swallow everything; end the connection when the time is over."""
        self._tell(toxic, "silence")
        over = self._loop.time() + (toxic.after_s or float("inf"))
        await self._while_there(toxic, over)
        self._pair.close()
        return ()

    async def reset_peer(self, toxic: ResetPeer, _piece: Piece, _pieces: Sequence[bytes]) -> Sequence[bytes]:
        """Reset both ends."""
        await asyncio.sleep(toxic.after_s)
        self._tell(toxic, "reset")
        self._pair.reset()
        return ()

    async def limit_data(self, toxic: LimitData, _piece: Piece, pieces: Sequence[bytes]) -> Sequence[bytes]:
        """Let so many bytes through and end."""
        data = b"".join(pieces)
        left = toxic.bytes_max - self._passed
        if len(data) < left:
            return pieces
        self._write(data[:left]) if left > 0 else None
        self._tell(toxic, f"closed after {toxic.bytes_max} bytes")
        self._pair.close()
        return ()

    async def half_open(self, toxic: HalfOpen, _piece: Piece, _pieces: Sequence[bytes]) -> Sequence[bytes]:
        """Swallow everything, the end too. A peer that comes back knows nothing of the connection, and says RST."""
        self._pair.silenced = True
        self._tell(toxic, "half open")
        await self._while_there(toxic, float("inf"))
        self._pair.reset()
        return ()


_TREATMENTS: Final[Mapping[type[Toxic], Callable[..., Awaitable[Sequence[bytes]]]]] = {
    Latency: Link.latency,
    Bandwidth: Link.bandwidth,
    Slicer: Link.slicer,
    SlowClose: Link.slow_close,
    Timeout: Link.timeout,
    ResetPeer: Link.reset_peer,
    LimitData: Link.limit_data,
    HalfOpen: Link.half_open,
}

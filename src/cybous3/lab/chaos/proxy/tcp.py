"""A TCP proxy that harms connections as it is told: toxics can be added and removed while bytes are under way.

Runs in one event loop, on loopback. Only `add`, `remove`, `clear`, `down` and `up_again` change what it does; they are
called in its loop (`running.py` does so from other threads). Everything that was done is in the journal.
"""

import asyncio
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, cast

from cybous3.lab.chaos.proxy.journal import Deed, Journal
from cybous3.lab.chaos.proxy.link import Link
from cybous3.lab.chaos.proxy.toxics import Direction, HalfOpen, Toxic

LOOPBACK: Final = "127.0.0.1"
# On, for 0 seconds: closing then sends RST instead of FIN.
_ABORT: Final = struct.pack("ii", 1, 0)
_BACKLOG: Final = 256
# How long a proxy that stops lets the connections come about that it has begun.
_CONNECT_S: Final = 2


class TcpProxy:
    """Listens on loopback and passes connections on to `upstream`."""

    def __init__(self, upstream: tuple[str, int], *, seed: int = 0, journal: Journal | None = None) -> None:
        self.upstream = upstream
        self.seed = seed
        self.journal = journal or Journal()
        self.port = 0
        self._toxics: tuple[Toxic, ...] = ()
        self._server: asyncio.Server | None = None
        self._pairs: set[_Pair] = set()
        self._number = 0

    async def start(self, port: int = 0) -> None:
        """Listen; `port` 0 takes a free one, which `port` then names."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Near(self._pair()), LOOPBACK, port, backlog=_BACKLOG, reuse_address=True
        )
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Listen no more and close every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        connecting = [task for pair in tuple(self._pairs) if (task := pair.abandon()) is not None]
        if connecting:
            _, late = await asyncio.wait(connecting, timeout=_CONNECT_S)
            for task in late:
                task.cancel()

    @property
    def toxics(self) -> tuple[Toxic, ...]:
        """What is active, in the order it was added."""
        return self._toxics

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._pairs)

    def add(self, toxic: Toxic) -> None:
        """Add a toxic; open connections feel it with their next bytes. ValueError: the name is taken."""
        if any(other.name == toxic.name for other in self._toxics):
            raise ValueError(f"there is a toxic {toxic.name!r} already")
        self._toxics = (*self._toxics, toxic)

    def remove(self, name: str) -> None:
        """Remove the toxic of this name, if it is there."""
        self._toxics = tuple(toxic for toxic in self._toxics if toxic.name != name)

    async def down(self, name: str = "down") -> None:
        """Listen no more, and reset what is open: who connects is refused."""
        if self._server is None:
            return
        await self.stop()
        self.journal.did(Deed(0, name, "down"))

    async def up_again(self) -> None:
        """Listen again where it did before."""
        if self._server is None:
            await self.start(self.port)

    def _pair(self) -> "_Pair":
        self._number += 1
        pair = _Pair(self, self._number)
        self._pairs.add(pair)
        self.journal.count("connections")
        return pair

    def forget(self, pair: "_Pair") -> None:
        """Take note that a connection has ended at both ends."""
        self._pairs.discard(pair)


class _Pair:
    """A connection: its two ends, and a link each way."""

    def __init__(self, proxy: TcpProxy, number: int) -> None:
        self._proxy = proxy
        self.number, self.seed = number, proxy.seed
        self.silenced = False
        self._abandoned = False
        loop = asyncio.get_running_loop()
        self.links: dict[Direction, Link] = {"up": Link(self, "up", loop), "down": Link(self, "down", loop)}
        self._ends: list[asyncio.Transport] = []
        self._seen: tuple[Toxic, ...] = ()
        self._active: dict[Direction, Sequence[Toxic]] = {"up": (), "down": ()}
        self._connecting: asyncio.Task[None] | None = None

    def active(self, direction: Direction) -> Sequence[Toxic]:
        """Return the toxics that touch this direction now; found out anew only when they have changed."""
        toxics = self._proxy.toxics
        if toxics is not self._seen:
            self._seen = toxics
            meant = [toxic for toxic in toxics if toxic.meant(self.seed, self.number)]
            for way in self._active:
                self._active[way] = tuple(t for t in meant if t.direction == way or isinstance(t, HalfOpen))
        return self._active[direction]

    def done(self, toxic: Toxic, what: str) -> None:
        """Note what was done."""
        self._proxy.journal.did(Deed(self.number, toxic.name, what))

    def passed(self, direction: Direction, amount: int) -> None:
        """Count bytes that came in."""
        self._proxy.journal.count(f"bytes {direction}", amount)

    def near(self, transport: asyncio.Transport) -> None:
        """Reach for the server: the client is there."""
        self._ends.append(transport)
        if self._abandoned:  # while it was being accepted
            self.reset()
            return
        self.links["up"].source = transport
        self.links["down"].reached(transport)
        self._connecting = asyncio.get_running_loop().create_task(self._connect(transport))

    async def _connect(self, near: asyncio.Transport) -> None:
        try:
            far, _ = await asyncio.get_running_loop().create_connection(lambda: _Far(self), *self._proxy.upstream)
        except OSError:
            self._proxy.journal.count("upstream unreachable")
            self.reset()
            return
        self._ends.append(far)
        self.links["down"].source = far
        self.links["up"].reached(far)
        if self._abandoned:
            self.reset()
        elif near.is_closing():
            self.close()

    def lost(self, transport: asyncio.Transport) -> None:
        """One end is gone: so is the other, unless silence is kept."""
        self._ends = [end for end in self._ends if end is not transport]
        if not self.silenced:
            self.close()
        if not self._ends:
            self._proxy.forget(self)

    def close(self) -> None:
        """Close both ends, after what was written to them."""
        for end in self._ends:
            end.close()

    def reset(self) -> None:
        """Reset both ends; what was under way is lost."""
        for end in tuple(self._ends):
            _reset(end)
        if not self._ends:
            self._proxy.forget(self)

    def abandon(self) -> asyncio.Task[None] | None:
        """End it with the proxy. Return what still reaches for the server, and will reset what it reaches, or None.

        To break that off would be an orderly end for a server that has accepted it already.
        """
        self.silenced = False
        self._abandoned = True
        for link in self.links.values():
            link.stop()
        self.reset()
        return self._connecting if self._connecting is not None and not self._connecting.done() else None


def _reset(transport: asyncio.Transport) -> None:
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):  # it may be closed already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
    transport.abort()


class _End(asyncio.Protocol):
    """One end of a pair. `way` is where its bytes go."""

    way: Direction

    def __init__(self, pair: _Pair) -> None:
        self._pair = pair
        self._link = pair.links[self.way]
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take hold of the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods alone

    def data_received(self, data: bytes) -> None:
        """Pass on."""
        self._pair.passed(self.way, len(data))
        self._link.feed(data)

    def eof_received(self) -> bool:
        """Pass the end on; the other way may still have something to say."""
        self._link.feed(b"")
        return True

    def pause_writing(self) -> None:
        """Slow down the other end."""
        self._pair.links["down" if self.way == "up" else "up"].far_end_full()

    def resume_writing(self) -> None:
        """Let the other end go on."""
        self._pair.links["down" if self.way == "up" else "up"].far_end_ready()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # as asyncio calls it
        """Tell the pair."""
        if self._transport is not None:
            self._pair.lost(self._transport)


class _Near(_End):
    """The client's end."""

    way: Direction = "up"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take hold of it, and reach for the server."""
        super().connection_made(transport)
        if self._transport is not None:
            self._pair.near(self._transport)


class _Far(_End):
    """The server's end."""

    way: Direction = "down"

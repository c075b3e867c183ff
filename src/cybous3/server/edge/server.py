"""The listening side: accept, sweep, drain."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from cybous3.server.edge.body import BufferPool
from cybous3.server.edge.connection import Connection
from cybous3.server.edge.limits import DEFAULT_LIMITS, Limits
from cybous3.server.edge.shared import Handler, Outbox, Shared
from cybous3.server.edge.stats import EdgeStats

_log = structlog.get_logger("cybous3.edge")
_BACKLOG = 1024
_THREADS = 8


class EdgeServer:
    """HTTP/1.1 on some listening sockets. Made by `serve`; belongs to the loop it was made on."""

    def __init__(self, handler: Handler, limits: Limits, tls: ssl.SSLContext | None) -> None:
        self._limits = limits
        self._tls = tls
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="edge-send")
        self._loop = asyncio.get_running_loop()
        self._shared = Shared(
            handler, limits, self._threads, BufferPool(limits.piece_bytes), Outbox(self._loop), secure=tls is not None
        )
        self._connections: set[Connection] = set()
        self._servers: list[asyncio.AbstractServer] = []
        self._sweeper: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()
        self._shared.changed = self._changed
        self.on_change: Callable[[], None] | None = None  # a connection came or went

    @property
    def stats(self) -> EdgeStats:
        """The counters; read them on the loop's thread."""
        return self._shared.stats

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Begin to accept on bound sockets, which become the server's own."""
        for sock in sockets:
            sock.settimeout(0)
            self._servers.append(
                await self._loop.create_server(
                    lambda: Connection(self._shared, self._connections),
                    sock=sock,
                    ssl=self._tls,
                    backlog=_BACKLOG,
                    ssl_handshake_timeout=self._limits.handshake_s if self._tls else None,
                )
            )

    async def drain(self, deadline_s: float) -> bool:
        """Stop accepting, finish what is under way, close. False when connections had to be cut at the deadline."""
        self._shared.draining = True
        for server in self._servers:
            server.close()
        for connection in list(self._connections):
            connection.drain()
        clean = await self._wait_empty(deadline_s)
        if not clean:
            _log.warning("connections were cut at the end of the drain", count=len(self._connections))
            for connection in list(self._connections):
                connection.abort()
            await self._wait_empty(1.0)
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)
        return clean

    async def _wait_empty(self, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                while self._connections:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            return False
        return True

    def _changed(self) -> None:
        if self._connections and self._sweeper is None:
            self._sweeper = self._loop.call_later(self._limits.sweep_s, self._sweep)
        if not self._connections:
            self._empty.set()
        if self.on_change is not None:
            self.on_change()

    def _sweep(self) -> None:
        """Let every connection look at the clock; a server without connections has no timer."""
        self._sweeper = None
        now = self._loop.time()
        for connection in list(self._connections):
            connection.check_time(now)
        if self._connections and self._sweeper is None:
            self._sweeper = self._loop.call_later(self._limits.sweep_s, self._sweep)


async def serve(
    sockets: Sequence[socket.socket],
    handler: Handler,
    *,
    limits: Limits = DEFAULT_LIMITS,
    tls: ssl.SSLContext | None = None,
) -> EdgeServer:
    """Serve `handler` on bound sockets and return at once; `drain` ends it."""
    server = EdgeServer(handler, limits, tls)
    await server.start(sockets)
    return server

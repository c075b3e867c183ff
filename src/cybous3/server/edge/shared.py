"""What all connections of one server share."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Protocol

from cybous3.server.edge.body import BufferPool
from cybous3.server.edge.limits import KIB, Limits
from cybous3.server.edge.repeats import Repeats
from cybous3.server.edge.stats import EdgeStats
from cybous3.server.wire.message import Request, Response

Handler = Callable[[Request], Awaitable[Response]]

# What one read may bring. Every loop fills a protocol's buffer and tells of it within one callback (Windows' too: it
# receives into its own and copies), so all connections share one.
SCRATCH_BYTES = 256 * KIB


class Holder(Protocol):
    """Who holds bytes for its peer."""

    def release(self) -> None:
        """Send them."""
        ...


class Outbox:
    """Small answers of many connections, sent one after the other at the end of a turn of the loop.

    Sent each at its time, between the requests of other connections, an answer costs half as much again (measured on
    two cores: 65 us instead of 45): the kernel, the peer it wakes and Python keep emptying each other's caches.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._holders: list[Holder] = []

    def add(self, holder: Holder) -> None:
        """Have `holder` asked to send, soon."""
        if not self._holders:
            self._loop.call_soon(self._send)
        self._holders.append(holder)

    def _send(self) -> None:
        holders, self._holders = self._holders, []
        for holder in holders:
            holder.release()


def _nobody() -> None:
    """Tell nobody."""


@dataclass(slots=True)
class Shared:
    """One server's handler, bounds and means."""

    handler: Handler
    limits: Limits
    threads: Executor  # for what waits for a disk: files that are sent
    pool: BufferPool
    outbox: Outbox
    secure: bool = False
    draining: bool = False
    stats: EdgeStats = field(default_factory=EdgeStats)
    repeats: Repeats = field(default_factory=Repeats)
    changed: Callable[[], None] = _nobody  # a connection came or went
    # Received into by every connection that is not receiving a large body.
    scratch: memoryview = field(default_factory=lambda: memoryview(bytearray(SCRATCH_BYTES)))

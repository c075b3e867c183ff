"""What all connections of one server share."""

import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from cybous3.server.edge.body import BufferPool
from cybous3.server.edge.limits import KIB, Limits
from cybous3.server.edge.stats import EdgeStats
from cybous3.server.wire.message import Request, Response

Handler = Callable[[Request], Awaitable[Response]]

# A shared receive buffer is filled and emptied within one callback, except where receiving itself is asynchronous.
SHARED_SCRATCH = sys.platform != "win32"
SCRATCH_BYTES = 256 * KIB if SHARED_SCRATCH else 32 * KIB


def _nobody() -> None:
    """Tell nobody."""


@dataclass(slots=True)
class Shared:
    """One server's handler, bounds and means."""

    handler: Handler
    limits: Limits
    threads: Executor  # for sendfile
    pool: BufferPool
    secure: bool = False
    draining: bool = False
    stats: EdgeStats = field(default_factory=EdgeStats)
    changed: Callable[[], None] = _nobody  # a connection came or went
    scratch: memoryview = field(default_factory=lambda: memoryview(bytearray(SCRATCH_BYTES)))

    def receive_buffer(self) -> memoryview:
        """Return the buffer a connection receives into while it is not receiving a large body."""
        return self.scratch if SHARED_SCRATCH else memoryview(bytearray(SCRATCH_BYTES))

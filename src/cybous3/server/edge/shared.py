"""What all connections of one server share."""

from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from cybous3.server.edge.body import BufferPool
from cybous3.server.edge.limits import KIB, Limits
from cybous3.server.edge.stats import EdgeStats
from cybous3.server.wire.message import Request, Response

Handler = Callable[[Request], Awaitable[Response]]

# What one read may bring. Every loop fills a protocol's buffer and tells of it within one callback (Windows' too: it
# receives into its own and copies), so all connections share one.
SCRATCH_BYTES = 256 * KIB


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
    # Received into by every connection that is not receiving a large body.
    scratch: memoryview = field(default_factory=lambda: memoryview(bytearray(SCRATCH_BYTES)))

"""The S3 port of one process: the edge in front of a service, and the edge's counters on their way to the metrics."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Final

from cybous3.server.admin.metrics import Metrics
from cybous3.server.app.loop import connections_that_fit, raise_file_limit
from cybous3.server.app.problems import StartError
from cybous3.server.config.settings import ServerConfig
from cybous3.server.edge.limits import DEFAULT_LIMITS
from cybous3.server.edge.server import EdgeServer, serve
from cybous3.server.edge.shared import Handler
from cybous3.server.meta.sqlite.index import SqliteIndex
from cybous3.server.service.service import Observation
from cybous3.server.store.commits import Commits, Counts

_PUBLISH_S: Final = 0.25


class Counting:
    """Observes requests for the metrics, and has the edge's counters published: soon, not often, never while idle."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._edge: EdgeServer | None = None
        self._stored = Counts()
        self._pending: asyncio.TimerHandle | None = None

    def watch(self, edge: EdgeServer, commits: Commits, index: SqliteIndex) -> None:
        """Publish the counters of this edge and this store, and time its commits and syncs, from now on."""
        self._edge = edge
        self._stored = commits.counts
        commits.on_sync = self._metrics.synced
        index.time_commits(self._metrics.committed)
        edge.on_change = self.soon
        self.soon()

    def observe(self, seen: Observation) -> None:
        """Take note of one answered request."""
        self._metrics.observe(seen.operation, seen.status, seen.code, seen.seconds)
        self.soon()

    def soon(self) -> None:
        """Publish within a moment."""
        if self._pending is None:
            self._pending = asyncio.get_running_loop().call_later(_PUBLISH_S, self.publish)

    def publish(self) -> None:
        """Publish now."""
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None
        if self._edge is not None:
            self._metrics.publish({**asdict(self._edge.stats), **asdict(self._stored)})


def tls_context(config: ServerConfig) -> ssl.SSLContext | None:
    """Return the context of the S3 port, None for plain TCP. StartError when the files do not fit."""
    if config.tls_cert is None or config.tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(config.tls_cert, config.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise StartError(
            f"cannot use the certificate {str(config.tls_cert)!r} with the key {str(config.tls_key)!r}: {error}",
            hint="both must be PEM files, the key without a passphrase and belonging to the certificate",
        ) from error
    return context


async def open_port(config: ServerConfig, sockets: Sequence[socket.socket], handler: Handler) -> EdgeServer:
    """Serve the S3 port on listening sockets. StartError."""
    connections = connections_that_fit(config.connections, raise_file_limit())
    limits = replace(DEFAULT_LIMITS, connections=connections)
    return await serve(sockets, handler, limits=limits, tls=tls_context(config))

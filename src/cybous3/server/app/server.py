"""A whole server, from its configuration to its end: what `swifts3 serve` runs.

The order matters. Lock, then sockets, then index and blobs: so two servers never work on one directory, and an address
in use is found before anything is opened. The end goes the same way back; readiness ends first.
"""

import asyncio
import secrets
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import psutil
import structlog
from prometheus_client import CollectorRegistry

from cybous3.server.admin.health import Check, Health
from cybous3.server.admin.metrics import Metrics, StoredMetrics, process_metrics, render_all
from cybous3.server.admin.serving import AdminServer
from cybous3.server.admin.web import admin_app
from cybous3.server.app import discovery
from cybous3.server.app.accounts import Accounts
from cybous3.server.app.discovery import Instance
from cybous3.server.app.front import Counting, open_port, tls_context
from cybous3.server.app.lean import warm
from cybous3.server.app.logs import FileSink, Sink, configure
from cybous3.server.app.loop import Stop, run
from cybous3.server.app.maintenance.state import state_of
from cybous3.server.app.node import Node, open_node
from cybous3.server.app.places import DataDirectory
from cybous3.server.app.problems import local
from cybous3.server.app.sockets import address_of, listen, listen_many
from cybous3.server.app.supervisor import Supervisor
from cybous3.server.config.settings import ServerConfig
from cybous3.server.edge.server import EdgeServer
from cybous3.server.meta.space import NO_SPACE
from cybous3.server.model.accounts import Credential
from cybous3.server.service.service import Observation
from cybous3.server.workers.recovery import Unsynced, recover_unsynced

ShowRootKey = Callable[[Credential], None]

_log = structlog.get_logger("cybous3.app")


class Front(Protocol):
    """Whoever answers on the S3 port: this process, or its workers."""

    slot: str

    def observe(self, seen: Observation) -> None:
        """Take note of a request that this process answered."""
        ...

    def checks(self) -> dict[str, Check]:
        """Return what readiness depends on beside index and blobs."""
        ...

    def metrics(self) -> bytes:
        """Return the exposition text."""
        ...

    def begin(self) -> None:
        """Begin what needs no node yet; `drain` undoes it."""
        ...

    async def start(self, node: Node) -> None:
        """Begin to answer; return when everything does. StartError."""
        ...

    async def warm(self) -> None:
        """Load what the first requests will need, now that everybody knows that the server is ready."""
        ...

    async def drain(self, deadline_s: float) -> bool:
        """Finish and close. False when something had to be cut."""
        ...


class Alone:
    """This process answers."""

    slot = "w0"

    def __init__(self, config: ServerConfig, sockets: Sequence[socket.socket]) -> None:
        self._config = config
        self._sockets = sockets
        self._metrics = Metrics(version("cybous3"))
        process_metrics(self._metrics.registry)
        self._counting = Counting(self._metrics)
        self.observe = self._counting.observe
        self._edge: EdgeServer | None = None

    def checks(self) -> dict[str, Check]:
        """See `Front`."""
        return {}

    def metrics(self) -> bytes:
        """See `Front`."""
        self._counting.publish()
        return self._metrics.render()

    def begin(self) -> None:
        """See `Front`: nothing."""

    async def start(self, node: Node) -> None:
        """See `Front`."""
        self._edge = await open_port(self._config, self._sockets, node.service)
        self._counting.watch(self._edge, node.store.commits, node.index)

    async def warm(self) -> None:
        """See `Front`."""
        await asyncio.to_thread(warm)

    async def drain(self, deadline_s: float) -> bool:
        """See `Front`."""
        return self._edge is None or await self._edge.drain(deadline_s)


class Workers:
    """Worker processes answer; this one starts and watches them, and probes what they work with."""

    slot = "supervisor"

    def __init__(self, config: ServerConfig, sockets: Sequence[socket.socket], sink: Sink) -> None:
        tls_context(config)  # found out here, once, and not by every worker
        self._directory = Path(tempfile.mkdtemp(prefix="swifts3-metrics-"))
        self._own = CollectorRegistry()
        process_metrics(self._own)
        log_line = sink.line if isinstance(sink, FileSink) else None
        self._supervisor = Supervisor(config, sockets, self._directory, log_line)

    def observe(self, seen: Observation) -> None:
        """See `Front`: this process answers nobody."""

    def checks(self) -> dict[str, Check]:
        """See `Front`."""
        return {"workers": self._supervisor.check}

    def metrics(self) -> bytes:
        """See `Front`."""
        return render_all(self._directory, self._own)

    def begin(self) -> None:
        """See `Front`: the workers load the program while this process opens the index."""
        self._supervisor.begin()

    async def start(self, node: Node) -> None:
        """See `Front`."""
        del node  # each worker opens its own
        await self._supervisor.start()

    async def warm(self) -> None:
        """See `Front`: each worker does it for itself."""

    async def drain(self, deadline_s: float) -> bool:
        """See `Front`."""
        try:
            return await self._supervisor.drain(deadline_s)
        finally:
            shutil.rmtree(self._directory, ignore_errors=True)


@dataclass(slots=True)
class _Bound:
    """The sockets of a server, bound before anything is opened."""

    s3: list[socket.socket]
    admin: socket.socket
    addresses: tuple[tuple[str, int], tuple[str, int]] = field(init=False)

    def __post_init__(self) -> None:
        self.addresses = (address_of(self.s3[0]), address_of(self.admin))

    def close(self) -> None:
        for sock in (*self.s3, self.admin):
            sock.close()


def run_server(config: ServerConfig, show_root_key: ShowRootKey, strays: Sequence[str] = ()) -> None:
    """Run the server until a signal or a drain ends it.

    `show_root_key` is called at most once, with a root key that was generated just now. StartError, DataInUseError,
    LocalError, and what the parts say of themselves, when the server cannot start.
    """
    sink = configure(config.log_level, config.log_format, config.log_file)
    for stray in strays:
        _log.warning("variable has no effect", name=stray)
    place = DataDirectory(config.data)
    place.prepare()
    with place.lock():
        place.ensure_finished()
        # What a killed server said of itself must not be taken for what this one says, before it says it.
        discovery.withdraw(config.data)
        bound = _bind(config)
        try:
            run(_serve(config, bound, sink, show_root_key))
        finally:
            bound.close()
            if isinstance(sink, FileSink):
                sink.close()


def _bind(config: ServerConfig) -> _Bound:
    sockets = listen_many(config.listen, "--listen", config.workers)
    try:
        return _Bound(sockets, listen(config.admin_listen, "--admin-listen"))
    except BaseException:
        for sock in sockets:
            sock.close()
        raise


async def _serve(config: ServerConfig, bound: _Bound, sink: Sink, show_root_key: ShowRootKey) -> None:
    stop = Stop()
    stop.on_signals()
    front: Front = Alone(config, bound.s3) if config.workers == 1 else Workers(config, bound.s3, sink)
    async with _begun(front), open_node(config, front.slot, front.observe) as node:
        _report(node, await _judged(node))
        await _ensure_root(config, node, show_root_key)
        instance = _describe(config, bound)
        stored = StoredMetrics()

        async def exposition() -> bytes:
            try:
                return front.metrics() + stored.render(await state_of(node.index))
            except OSError:  # what the index cannot tell now must not hide what else is counted
                return front.metrics()

        health = Health({"index": node.index.probe, "blobs": node.blobs.probe, **front.checks()})
        admin = AdminServer(admin_app(health, exposition, stop.wish, instance.token), bound.admin)
        try:
            await front.start(node)
            await admin.start()
            discovery.announce(instance)
            _log.info("ready", s3=instance.endpoint, admin=instance.admin_url, workers=config.workers)
            await front.warm()
            await stop.wished()
        finally:
            health.draining = True
            discovery.withdraw(config.data)
            clean = await front.drain(config.drain_timeout_s)
            await admin.aclose()
            _log.info("stopped", clean=clean)


@asynccontextmanager
async def _begun(front: Front) -> AsyncIterator[None]:
    """Begin, and end what was begun if the start fails; after an orderly end there is nothing left to end."""
    front.begin()
    try:
        yield
    except BaseException:
        await front.drain(0)
        raise


async def _judged(node: Node) -> Unsynced:
    """Judge what was acknowledged and not durable. Not on a full disk: reads go on there, and the next start judges."""
    try:
        return await recover_unsynced(node.index, node.blobs)
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise local("cannot tell which of the last writes are whole", error) from error
        _log.warning("the disk is full: the last relaxed writes are judged at the next start")
        return Unsynced()


def _report(node: Node, unsynced: Unsynced) -> None:
    found = node.recovered
    _log.info(
        "recovered",
        unfinished_removed=found.unfinished,
        orphans_removed=found.orphans,
        marks_settled=found.settled,
        relaxed_kept=unsynced.kept,
        relaxed_objects_lost=unsynced.objects_lost,
        relaxed_uploads_lost=unsynced.uploads_lost,
    )


async def _ensure_root(config: ServerConfig, node: Node, show_root_key: ShowRootKey) -> None:
    given = config.root_key
    made = await Accounts(node.accounts).ensure_root(
        given.access_key if given else None, given.secret_key if given else None
    )
    if made is not None:
        show_root_key(made)


def _describe(config: ServerConfig, bound: _Bound) -> Instance:
    process = psutil.Process()
    s3, admin = bound.addresses
    return Instance(
        data=str(config.data),
        listen=s3,
        admin=admin,
        pid=process.pid,
        create_time=process.create_time(),
        tls=config.tls_cert is not None,
        region=config.region,
        version=version("cybous3"),
        token=secrets.token_urlsafe(32),
    )

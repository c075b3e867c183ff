"""Who does the work of a session: this process, several processes of ours, or threads that seal. One face for all.

A crew's `run` returns recordings; `stop`, from a signal handler, makes it return early with what there is.
"""

import asyncio
import pickle  # between this program and itself, over a pipe that nobody else can write to
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from cybous3.client.stores.s3.endpoint import parse_endpoint
from cybous3.core.errors import CybousError
from cybous3.core.sigv4.credentials import Credentials
from cybous3.lab.bench.generator.engine import Engine
from cybous3.lab.bench.generator.load import Load
from cybous3.lab.bench.generator.plan import Plan, Share
from cybous3.lab.bench.generator.presign import Presigner
from cybous3.lab.bench.recorder import Recording
from cybous3.lab.bench.workload import Workload

END_S_MAX: Final = 10.0


class Crew(Protocol):
    """Works a target."""

    def setup(self) -> Sequence[Recording]:
        """Put what has to lie there."""
        ...

    def run(self, seconds: float | None, operations: int | None) -> Sequence[Recording]:
        """Work for a block; what an earlier one used up is put back before the clock starts."""
        ...

    def stop(self) -> None:
        """End the block early. Called from a signal handler."""
        ...

    def close(self) -> None:
        """End connections, processes, threads."""
        ...


@dataclass(frozen=True)
class Orders:
    """What one process is told: where, as whom, what and how much."""

    endpoint: str
    region: str
    credentials: Credentials = field(repr=False)
    bucket: str
    prefix: str
    workload: Workload
    load: Load
    share: Share = field(default_factory=Share)

    def engine(self) -> Engine:
        """Return the engine that carries them out."""
        endpoint = parse_endpoint(self.endpoint)
        signer = Presigner(endpoint, self.bucket, self.credentials, self.region, time.time())
        plan = Plan(self.workload, signer, self.prefix, self.share)
        mine = self.load.share(self.share.index)
        return Engine(endpoint, plan, mine, self.workload.seed * 1_000_003 + self.share.index)


def event_loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return uvloop's, where there is one."""
    try:
        import uvloop  # noqa: PLC0415  # not on every system
    except ImportError:
        return asyncio.new_event_loop
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


class Alone:
    """One engine in this process, on an event loop that lives as long as the session."""

    def __init__(self, orders: Orders) -> None:
        self._runner = asyncio.Runner(loop_factory=event_loop_factory())
        self._engine = orders.engine()

    def setup(self) -> Sequence[Recording]:
        """Put the objects."""
        return [self._runner.run(self._engine.setup())]

    def run(self, seconds: float | None, operations: int | None) -> Sequence[Recording]:
        """Run a block."""
        return [self._runner.run(self._engine.run(seconds, operations))]

    def stop(self) -> None:
        """End it early."""
        self._engine.stop()

    def close(self) -> None:
        """Close the connections and the loop."""
        try:
            self._runner.run(self._engine.close())
        finally:
            self._runner.close()


class WorkerLost(CybousError):
    """A process of the load generator ended before its work was done."""

    exit_code = 1


class Fleet:
    """Several processes, each with its share of clients, rate and objects; their recordings are kept apart."""

    def __init__(self, orders: Sequence[Orders]) -> None:
        command = [sys.executable, "-m", "cybous3.lab.bench.generator.child"]
        self._children: list[subprocess.Popen[bytes]] = []
        for one in orders:
            # A session of its own: Ctrl-C is for the parent, who tells.
            child = subprocess.Popen(  # noqa: S603  # our own program
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
            )
            self._children.append(child)
            _tell(child, one)

    def setup(self) -> Sequence[Recording]:
        """Put the objects, each process its own."""
        return self._all(("setup",))

    def run(self, seconds: float | None, operations: int | None) -> Sequence[Recording]:
        """Run a block in all of them at once."""
        count = len(self._children)
        for index, child in enumerate(self._children):
            mine = None if operations is None else operations // count + (index < operations % count)
            _tell(child, ("run", seconds, mine))
        return [_hear(child) for child in self._children]

    def _all(self, order: tuple[Any, ...]) -> Sequence[Recording]:
        for child in self._children:
            _tell(child, order)
        return [_hear(child) for child in self._children]

    def stop(self) -> None:
        """End it early."""
        for child in self._children:
            child.terminate()

    def close(self) -> None:
        """Let the processes end, or end them."""
        for child in self._children:
            with suppress(OSError):  # it has ended already
                if child.stdin is not None:
                    child.stdin.close()
        for child in self._children:
            try:
                child.wait(END_S_MAX)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            if child.stdout is not None:
                child.stdout.close()


def _tell(child: "subprocess.Popen[bytes]", what: object) -> None:
    try:
        pickle.dump(what, child.stdin)  # type: ignore[arg-type]  # it is a pipe
        child.stdin.flush()  # type: ignore[union-attr]  # likewise
    except OSError as error:
        raise WorkerLost("a process of the load generator has ended") from error


def _hear(child: "subprocess.Popen[bytes]") -> Recording:
    try:
        heard: Recording = pickle.load(child.stdout)  # type: ignore[arg-type]  # noqa: S301  # our own child's words
    except (EOFError, pickle.UnpicklingError) as error:
        raise WorkerLost("a process of the load generator has ended") from error
    return heard

"""The one door of the load generator: a target, a workload and a load, from the first object to the last deletion.

    with Session(target, workload, load) as session:
        session.prepare()
        block = session.run(seconds=10)

A session can run many blocks, which is what interleaving needs. Ctrl-C (or SIGTERM) inside `run` ends the block:
operations under way may end, and the partial block comes back with `interrupted`. A second one raises
KeyboardInterrupt at once. Whatever happens, leaving the session removes the test data.
"""

import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Final, Self

from cybous3.core.errors import CybousError
from cybous3.lab.bench.generator.crew import Alone, Crew, Fleet, Orders
from cybous3.lab.bench.generator.load import Load
from cybous3.lab.bench.generator.plan import Share
from cybous3.lab.bench.recorder import Recording, block_of
from cybous3.lab.bench.result import Block
from cybous3.lab.bench.target import Target
from cybous3.lab.bench.workload import BadWorkload, Workload
from cybous3.lab.bench.workspace import Workspace

FULL: Final = frozenset({"InsufficientStorage", "XMinioStorageFull", "QuotaExceeded", "status 507"})
"""What servers say when there is no room left."""


class NotPrepared(CybousError):
    """The objects that should lie there could not be put there."""

    exit_code = 5


class TargetFull(NotPrepared):
    """There is no room left on the target."""

    exit_code = 30


class Session:
    """See the module. `recordings` are those of the latest block, for who wants every single operation."""

    def __init__(self, target: Target, workload: Workload, load: Load) -> None:
        self._target, self._workload, self._load = target, workload, load
        self._workspace: Workspace | None = None
        self._crew: Crew | None = None
        self.recordings: Sequence[Recording] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except CybousError as problem:
            if error is None:
                raise
            error.add_note(f"the test data was not removed: {problem}")  # the first error is the one to tell

    def prepare(self) -> None:
        """Make the place and put the objects. Raises what the stores raise, TargetFull, NotPrepared."""
        if self._workload.kind == "encrypt":
            from cybous3.lab.bench.generator.sealing import Sealing  # noqa: PLC0415  # nobody else needs a vault

            self._crew = Sealing(self._workload, self._load)
            return
        self._workspace = Workspace.make(self._target)
        self._crew = crew = self._hire(self._workspace)
        with _interruptible(crew.stop) as told:
            _check(crew.setup())
        if told:
            raise KeyboardInterrupt

    def _hire(self, place: Workspace) -> Crew:
        target, count = self._target, self._load.processes
        where = (target.endpoint, target.region, target.credentials, place.bucket, place.prefix)
        orders = [Orders(*where, self._workload, self._load, Share(index, count)) for index in range(count)]
        return Alone(orders[0]) if count == 1 else Fleet(orders)

    def run(self, seconds: float | None = None, operations: int | None = None) -> Block:
        """Run one block: so many seconds behind the warm-up, or exactly so many operations and no warm-up cut.

        A block of deletes ends when everything is deleted; the objects are put back before the next one's clock.
        """
        if (seconds is None) == (operations is None):
            raise BadWorkload("a block is either so long or so many operations")
        if self._crew is None:
            raise BadWorkload("the session was not prepared")
        before = self._server_cpu_s()
        with _interruptible(self._crew.stop) as told:
            self.recordings = self._crew.run(seconds, operations)
        after = self._server_cpu_s()
        used = None if before is None or after is None else after - before
        if told:
            self.recordings[0].interrupted = True
        return block_of(self.recordings, used)

    def _server_cpu_s(self) -> float | None:
        """Return what the server and its children have used of the processor so far, where it is our own."""
        if self._target.server_pid is None:
            return None
        import psutil  # noqa: PLC0415  # only benchmarks of our own server ask

        try:
            server = psutil.Process(self._target.server_pid)
            times = [process.cpu_times() for process in (server, *server.children(recursive=True))]
        except psutil.Error:
            return None
        return float(sum(time.user + time.system for time in times))

    def close(self) -> None:
        """Remove the test data and let the crew go. Raises what the stores raise where the data cannot be removed."""
        crew, self._crew = self._crew, None
        place, self._workspace = self._workspace, None
        try:
            if crew is not None:
                crew.close()
        finally:
            if place is not None:
                with _interruptible(lambda: None):  # an impatient Ctrl-C must not leave the data there; a second may
                    place.close(uploads=self._workload.kind == "multipart")


def _check(recordings: Sequence[Recording]) -> None:
    """Raise unless every object was put."""
    codes = Counter(code for recording in recordings for code in recording.failures.values())
    if not codes:
        return
    told = ", ".join(f"{code}: {count}" for code, count in codes.most_common())
    kind = TargetFull if codes.keys() & FULL else NotPrepared
    raise kind(f"the objects to work on could not be written ({told})", hint="is there room, and may this key write?")


@contextmanager
def _interruptible(stop: Callable[[], None]) -> Iterator[list[int]]:
    """Call `stop` at the first SIGINT or SIGTERM instead of ending; yields the list of signals that came."""
    came: list[int] = []

    def told(number: int, frame: FrameType | None) -> None:
        del frame
        came.append(number)
        if len(came) > 1:
            raise KeyboardInterrupt
        stop()

    if threading.current_thread() is not threading.main_thread():
        yield came  # signals reach the main thread only, which then decides
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before: list[Any] = [signal.signal(number, told) for number in signals]
    try:
        yield came
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)

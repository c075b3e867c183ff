"""The load of one process: connections, the loop that keeps them busy, and what became of each operation.

Closed loop: each connection is a client that begins the next operation when the last one ended. Open loop: operations
begin when the schedule says so, on an idle connection, on a new one, or, with all that are allowed in use, late.
Kept true: every operation that was begun is recorded, once, with its code; none is repeated. A connection that has to
be opened for an operation is part of its time.
"""

import asyncio
import gc
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from cybous3.client.stores.s3.endpoint import Endpoint
from cybous3.lab.bench.generator.arrivals import Alarm, make_alarm, schedule
from cybous3.lab.bench.generator.load import Load
from cybous3.lab.bench.generator.plan import Plan
from cybous3.lab.bench.generator.request import Request
from cybous3.lab.bench.generator.wire import CONNECTION, INTERRUPTED, TIMEOUT, Connection
from cybous3.lab.bench.recorder import Recording

SWEEP_S: Final = 0.1
STOCK_PER_S: Final = 10_000
"""So many writes are signed in advance for each second of a block: more than most servers take."""

PAUSE_AFTER_FAILURE_S: Final = 0.05
"""How long a client waits after a connection failed, lest an absent server is asked thousands of times a second."""

GRACE_S: Final = 5.0
"""How long operations under way may take to end after an interruption."""

_now = time.monotonic
Draw = Callable[[], Request | None]


class Engine:
    """Runs blocks of load against one endpoint. Use from within one event loop; connections live between blocks."""

    def __init__(self, endpoint: Endpoint, plan: Plan, load: Load, seed: int) -> None:
        self._endpoint, self._plan, self._load, self._seed = endpoint, plan, load, seed
        self._tls = ssl.create_default_context() if endpoint.secure else None
        self.contents = plan.contents
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._stopped = False
        self._block: _Block | None = None

    def stop(self) -> None:
        """End the block early: nothing new begins. Safe to call from a signal handler."""
        self._stopped = True

    async def run(self, seconds: float | None, operations: int | None) -> Recording:
        """Run one block of so many seconds behind the warm-up, or of exactly so many operations, warm-up included."""
        self._stopped = False
        put_back = await self._write_all(self._plan.refill())
        self._plan.stock(operations or int((seconds or 0) * STOCK_PER_S))
        await self._connect_some()
        loop = asyncio.get_running_loop()
        block = _Block(self, loop, self._plan.draw, self._load, self._seed, seconds, operations)
        self._seed += 1
        recording = await self._through(block)
        for code in put_back.failures.values():  # else deletes of what is not there would look like deletes
            recording.add("put back", recording.began, recording.began, recording.began, 0, code)
        return recording

    async def setup(self) -> Recording:
        """Put what has to lie there."""
        self._stopped = False
        return await self._write_all(self._plan.setup())

    async def _write_all(self, requests: Iterator[Request]) -> Recording:
        """Do all of these, as a closed loop of the load's clients, and record them like any block."""
        await self._connect_some()
        closed = Load(concurrency=self._load.concurrency, timeout_s=self._load.timeout_s)
        endless = _Block(self, asyncio.get_running_loop(), lambda: next(requests, None), closed, 0, None, None)
        return await self._through(endless)

    async def _through(self, block: "_Block") -> Recording:
        self._block = block
        cpu_s, collecting = time.process_time(), gc.isenabled()
        gc.disable()  # a collection in the middle would be somebody's latency
        try:
            recording = await block.run()
        finally:
            self._block = None
            if collecting:
                gc.enable()
        recording.cpu_s = time.process_time() - cpu_s
        return recording

    async def _connect_some(self) -> None:
        """Open what the block begins with, before its clock starts; what cannot be opened is tried, and told, later."""
        await asyncio.sleep(0.001)  # connections that the server closed meanwhile are noticed here
        self._idle = [connection for connection in self._idle if connection.is_open]
        missing = self._load.concurrency - len(self._idle)
        made = await asyncio.gather(*(self._connected() for _ in range(missing)), return_exceptions=True)
        self._idle += [connection for connection in made if isinstance(connection, Connection)]

    async def _connected(self) -> Connection:
        loop = asyncio.get_running_loop()
        place = self._endpoint.host, self._endpoint.port
        opening = loop.create_connection(lambda: Connection(self), *place, ssl=self._tls)
        _, connection = await asyncio.wait_for(opening, self._load.timeout_s)
        return connection

    # Between a block and its connections.

    @property
    def connections(self) -> int:
        """All there are or are being opened."""
        return len(self._idle) + len(self._busy) + len(self._opening)

    @property
    def stopped(self) -> bool:
        """Whether somebody asked to end early."""
        return self._stopped

    @property
    def under_way(self) -> int:
        """Operations that have begun and not ended."""
        return len(self._busy) + len(self._opening)

    def begin(self, request: Request, intended: float, started: float) -> None:
        """Send on an idle connection, or open one for it."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                self._busy.add(connection)
                connection.send(request, intended, started)
                return
        task = asyncio.get_running_loop().create_task(self._open_for(request, intended, started))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    def resend(self, connection: Connection, request: Request, now: float) -> None:
        """Begin the next operation of a closed loop's client, on its own connection."""
        self._busy.add(connection)
        connection.send(request, now, now)

    async def _open_for(self, request: Request, intended: float, started: float) -> None:
        try:
            connection = await self._connected()
        except TimeoutError:
            self._failed(request, intended, started, TIMEOUT)
        except OSError:
            self._failed(request, intended, started, CONNECTION)
        else:
            self._busy.add(connection)
            connection.send(request, intended, started)

    def _failed(self, request: Request, intended: float, started: float, code: str) -> None:
        if request.settled is not None:
            request.settled(False)  # noqa: FBT003  # one outcome, one argument
        if self._block is not None:
            self._block.failed_to_open(request, intended, started, code)

    def finished(self, connection: Connection, code: str | None) -> None:
        """Take the end of an operation."""
        request, connection.request = connection.request, None
        self._busy.discard(connection)
        if request is None or self._block is None:
            return
        if request.settled is not None:
            request.settled(code is None)
        self._block.ended(connection, request, code)

    def release(self, connection: Connection) -> None:
        """Keep a connection for later, if it is any good."""
        if connection.is_open:
            self._idle.append(connection)

    def lost(self, connection: Connection) -> None:
        """Forget a connection that ended."""
        if connection in self._idle:
            self._idle.remove(connection)

    def give_up(self, code: str, before: float) -> None:
        """Fail every operation that began before this moment."""
        for connection in [connection for connection in self._busy if connection.started < before]:
            connection.fail(code)

    async def close(self) -> None:
        """Close every connection."""
        for connection in [*self._idle, *self._busy]:
            connection.close()
        self._idle.clear()
        for task in self._opening:
            task.cancel()
        await asyncio.sleep(0)


class _Block:
    """One block under way."""

    def __init__(
        self,
        engine: Engine,
        loop: asyncio.AbstractEventLoop,
        draw: Draw,
        load: Load,
        seed: int,
        seconds: float | None,
        operations: int | None,
    ) -> None:
        self._engine, self._loop, self._load, self._draw = engine, loop, load, draw
        self._seconds, self._left = seconds, operations
        self._open = load.rate is not None
        self._schedule = schedule(load.rate, load.arrivals, seed) if load.rate is not None else iter(())
        self._cold = 0 if seconds is None else 1 if self._open else load.concurrency
        self._warm: set[object] = set()
        self._over = False
        self._waiting: deque[tuple[Request, float]] = deque()
        self._alarm: Alarm | None = None
        self._next = 0.0
        self._pausing = 0
        self._done: asyncio.Future[None] = loop.create_future()
        self._deadline = self._grace_over = float("inf")
        self._sweeping: asyncio.TimerHandle | None = None

    async def run(self) -> Recording:
        """Go, and return when the last operation has ended."""
        self._recording = recording = Recording(_now(), time.time() - _now())
        if self._seconds is not None:
            # The clock of the block starts when everybody is warm; a client that never gets there ends it all the same.
            self._deadline = recording.began + self._seconds + self._load.timeout_s
            if self._cold == 0:
                self._now_warm(recording.began)
        self._sweeping = self._loop.call_later(SWEEP_S, self._sweep)
        try:
            self._start()
            await self._done
        finally:
            self._over = True
            self._sweeping.cancel()
            if self._alarm is not None:
                self._alarm.close()
        recording.interrupted = self._engine.stopped
        return recording

    # Beginning.

    def _start(self) -> None:
        if self._open:
            self._alarm = make_alarm(self._loop, self._ring)
            self._next = self._recording.began + next(self._schedule)
            self._ring()
            return
        for _ in range(self._load.concurrency):
            self._begin_another()
        self._end_if_idle()

    def _take(self) -> Request | None:
        """Return the next operation, None when the block is over."""
        if self._over or self._engine.stopped or self._left == 0:
            return None
        request = self._draw()
        if request is not None and self._left is not None:
            self._left -= 1
        return request

    def _begin_another(self) -> None:
        request = self._take()
        if request is not None:
            now = _now()
            self._engine.begin(request, now, now)

    def _ring(self) -> None:
        """Begin every operation whose time has come."""
        now = _now()
        self._over = self._over or self._next >= self._deadline
        while self._next <= now and not self._over:
            request = self._take()
            if request is None:
                self._over = True
                break
            self._begin_or_queue(request, self._next)
            self._next = self._recording.began + next(self._schedule)
        if not self._over and self._alarm is not None:
            self._alarm.set(self._next)
        self._end_if_idle()

    def _begin_or_queue(self, request: Request, intended: float) -> None:
        engine = self._engine
        if engine.under_way < self._load.connections_max:
            engine.begin(request, intended, _now())
        else:
            self._recording.late += 1
            self._waiting.append((request, intended))

    # Ending.

    def ended(self, connection: Connection, request: Request, code: str | None) -> None:
        """Record an operation, and go on."""
        now = _now()
        self._recording.add(request.op, connection.intended, connection.started, now, request.payload, code)
        if self._cold:
            self._warmed(connection, now)
        if now >= self._deadline:
            self._over = True
        if self._open or code is not None or not connection.is_open:
            self._engine.release(connection)
            self._after_any(failed=code is not None and not connection.is_open)
            return
        following = self._take()
        if following is None:
            self._engine.release(connection)
            self._end_if_idle()
        else:
            # Time has passed since `now` only for signing, which is this client's own and not the server's.
            self._engine.resend(connection, following, _now())

    def failed_to_open(self, request: Request, intended: float, started: float, code: str) -> None:
        """Record an operation that found no connection, and go on."""
        now = _now()
        self._recording.add(request.op, intended, started, now, 0, code)
        if self._cold:
            self._warmed(object(), now)  # a client of its own: it has finished one operation, badly
        self._after_any(failed=True)

    def _after_any(self, *, failed: bool) -> None:
        if self._open:
            self._begin_waiting()
        elif failed:
            self._pausing += 1
            self._loop.call_later(PAUSE_AFTER_FAILURE_S, self._resume)
        else:
            self._begin_another()
        self._loop.call_soon(self._end_if_idle)

    def _resume(self) -> None:
        self._pausing -= 1
        self._begin_another()
        self._end_if_idle()

    def _begin_waiting(self) -> None:
        while self._waiting and self._engine.under_way < self._load.connections_max:
            request, intended = self._waiting.popleft()
            self._engine.begin(request, intended, _now())

    def _warmed(self, who: object, now: float) -> None:
        self._warm.add(who)
        if len(self._warm) >= self._cold:
            self._now_warm(now)

    def _now_warm(self, now: float) -> None:
        self._cold = 0
        if self._seconds is not None:
            self._recording.warm_at = now
            self._deadline = now + self._seconds

    def _sweep(self) -> None:
        """Look after time: the block's end, operations that take too long, an interruption."""
        now = _now()
        if now >= self._deadline or self._engine.stopped:
            self._over = True
        self._engine.give_up(TIMEOUT, now - self._load.timeout_s)
        if self._engine.stopped:
            self._give_up_what_waits(now)
        self._sweeping = self._loop.call_later(SWEEP_S, self._sweep)
        self._end_if_idle()

    def _give_up_what_waits(self, now: float) -> None:
        """After an interruption nothing new begins; what is under way has a little time to end."""
        while self._waiting:
            request, intended = self._waiting.popleft()
            self._recording.add(request.op, intended, now, now, 0, INTERRUPTED)
        self._grace_over = min(self._grace_over, now + GRACE_S)
        if now >= self._grace_over:
            self._engine.give_up(INTERRUPTED, now)

    def _end_if_idle(self) -> None:
        ended = self._over or self._left == 0 or not self._open
        if ended and not (self._engine.under_way or self._waiting or self._pausing) and not self._done.done():
            self._done.set_result(None)

"""Chains that take the same bytes, each at its own speed, and only meet at the end.

Receiving, hashing and writing overlap: whoever feeds does not wait for a chain until `HELD_MAX` bytes lie between it
and the slowest one. So a body costs that much memory and no more, whatever its length.

A chain of the event loop awaits its consumer (a writer). A chain of threads computes: it draws from what waits without
asking the loop between two pieces, because the loop is busy receiving, and a hash that waits for it to say "go on"
after every piece is idle a third of the time. MD5 decides how long an upload takes, so its thread must never wait for
anything but bytes.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from typing import Final, Protocol

HELD_MAX: Final = 4 * 1024 * 1024  # bytes of one body that were received and not yet taken by every chain
# What a thread takes of one body before it lets others have a turn: 7 ms of MD5.
TURN_MAX: Final = 4 * 1024 * 1024

Consume = Callable[[Sequence[bytes]], Awaitable[None]]
Compute = Callable[[bytes], None]


class Progress:
    """What a feeder waits for. A thread wakes the loop only if it brings about what is waited for."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self._mark: int | None = None  # bytes that somebody waits for every chain to have taken

    def made(self) -> None:
        """Wake who waits; on the loop."""
        self._event.set()

    def made_in_thread(self, taken: int) -> None:
        """Wake who waits for as much as this chain has `taken`; on any thread."""
        mark = self._mark
        if mark is not None and taken >= mark:
            self._loop.call_soon_threadsafe(self._event.set)

    async def until(self, mark: int, enough: Callable[[], bool]) -> None:
        """Return once `enough`, which is asked again after every progress up to `mark`."""
        while not enough():
            self._event.clear()
            self._mark = mark
            # Asked again: what a thread did before it could see that somebody waits, it told nobody.
            if not enough():
                await self._event.wait()
            self._mark = None


class Chain(Protocol):
    """One consumer and what waits for it. All is called on the loop."""

    taken: int  # bytes

    def begin(self, progress: "Progress") -> None:
        """Be told whom to tell whenever `taken` grew or the chain failed."""
        ...

    def give(self, piece: bytes) -> None:
        """Add what waits."""
        ...

    def failure(self) -> BaseException | None:
        """Return what the chain failed with, if it did."""
        ...

    async def stop(self) -> None:
        """Drop what waits and return when nothing runs any more. May be called twice."""
        ...


class AwaitedChain:
    """A consumer that is awaited on the loop, with everything that waits at once."""

    def __init__(self, consume: Consume) -> None:
        self._consume = consume
        self._waiting: list[bytes] = []
        self._task: asyncio.Task[None] | None = None
        self._error: BaseException | None = None
        self.taken = 0

    def begin(self, progress: "Progress") -> None:
        """See Chain."""
        self._progress = progress

    def give(self, piece: bytes) -> None:
        """See Chain."""
        self._waiting.append(piece)
        if self._task is None and self._error is None:
            self._task = asyncio.create_task(self._run())

    def failure(self) -> BaseException | None:
        """See Chain."""
        return self._error

    async def stop(self) -> None:
        """See Chain."""
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._waiting:
                pieces, self._waiting = self._waiting, []
                await self._consume(pieces)
                self.taken += sum(map(len, pieces))
                del pieces  # not to be held while the chain waits for more
                self._progress.made()
        except Exception as error:  # noqa: BLE001  # whatever it is, it is raised where the chain is fed
            self._error = error
        finally:
            self._task = None
            self._progress.made()


class ThreadChain:
    """A computation that is done in threads, never in two at once, a piece after the other."""

    def __init__(self, compute: Compute, threads: Executor) -> None:
        self._compute = compute
        self._threads = threads
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[bytes] = deque()
        self._lock = threading.Lock()  # over `_waiting` together with `_drawing`
        self._drawing = False
        self._turn: asyncio.Future[bool] | None = None
        self._error: BaseException | None = None
        self.taken = 0

    def begin(self, progress: "Progress") -> None:
        """See Chain."""
        self._progress = progress

    def give(self, piece: bytes) -> None:
        """See Chain."""
        with self._lock:
            self._waiting.append(piece)
            if self._drawing:
                return
            self._drawing = True
        self._next_turn()

    def failure(self) -> BaseException | None:
        """See Chain."""
        return self._error

    async def stop(self) -> None:
        """See Chain."""
        self._waiting.clear()
        while self._turn is not None:
            await asyncio.wait([self._turn])

    def _next_turn(self) -> None:
        self._turn = self._loop.run_in_executor(self._threads, self._draw)
        self._turn.add_done_callback(self._turn_ended)

    def _turn_ended(self, turn: "asyncio.Future[bool]") -> None:
        self._turn = None
        self._error = turn.exception()
        self._progress.made()
        if self._error is None and turn.result():
            self._try_next_turn()

    def _try_next_turn(self) -> None:
        try:
            self._next_turn()
        except RuntimeError as error:  # the threads were closed under us: nobody may wait for this chain for ever
            self._error = error
            self._progress.made()

    def _draw(self) -> bool:
        """Compute what waits, on a thread; return whether something still does, after as much as one turn may take."""
        left = TURN_MAX
        while left > 0:
            piece = self._next()
            if piece is None:
                return False
            self._compute(piece)
            self.taken += len(piece)
            left -= len(piece)
            del piece  # not to be held while the lock is waited for
            self._progress.made_in_thread(self.taken)
        return True

    def _next(self) -> bytes | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._drawing = False
            return None


class Pipeline:
    """Feeds every chain with every piece, in order. `finish` or `cancel` ends it.

    `held_max` may be changed between two pieces.
    """

    def __init__(self, chains: Sequence[Chain], held_max: int = HELD_MAX) -> None:
        self._chains = chains
        self.held_max = held_max
        self._fed = 0
        self._progress = Progress()
        for chain in chains:
            chain.begin(self._progress)

    async def feed(self, piece: bytes) -> None:
        """Hand a piece to every chain; waits while too much is held. Raises what a chain failed with."""
        self._fed += len(piece)
        for chain in self._chains:
            chain.give(piece)
        del piece
        if self._held() > self.held_max:
            # To be woken for every piece would cost the loop more than the piece.
            await self._until_held(self.held_max - self.held_max // 4)
        self._raise_failure()

    async def finish(self) -> None:
        """Wait until every chain took everything. Raises what a chain failed with."""
        await self._until_held(0)

    async def cancel(self) -> None:
        """Stop all chains and wait until none runs; what they failed with no longer matters. May be called twice."""
        for chain in self._chains:
            await chain.stop()

    async def _until_held(self, bound: int) -> None:
        """Wait until no more than `bound` bytes lie between here and the slowest chain."""
        await self._progress.until(self._fed - bound, lambda: self._held() <= bound or self._failed())
        self._raise_failure()

    def _held(self) -> int:
        return self._fed - min(chain.taken for chain in self._chains)

    def _failed(self) -> bool:
        return any(chain.failure() is not None for chain in self._chains)

    def _raise_failure(self) -> None:
        for chain in self._chains:
            if (error := chain.failure()) is not None:
                raise error

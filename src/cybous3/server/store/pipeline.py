"""Chains that take the same bytes, each at its own speed, and only meet at the end.

Receiving, hashing and writing overlap: whoever feeds does not wait for a chain until `HELD_MAX` bytes lie between it
and the slowest one. So a body costs that much memory and no more, whatever its length.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

HELD_MAX: Final = 4 * 1024 * 1024  # bytes of one body that were received and not yet taken by every chain

Consume = Callable[[Sequence[bytes]], Awaitable[None]]


class _Chain:
    """One consumer and what waits for it."""

    def __init__(self, consume: Consume) -> None:
        self._consume = consume
        self._waiting: list[bytes] = []
        self._wake = asyncio.Event()
        self._ended = False
        self.taken = 0  # bytes

    def give(self, piece: bytes) -> None:
        self._waiting.append(piece)
        self._wake.set()

    def end(self) -> None:
        self._ended = True
        self._wake.set()

    async def run(self, progress: asyncio.Event) -> None:
        while self._waiting or not self._ended:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            pieces, self._waiting = self._waiting, []
            await self._consume(pieces)
            self.taken += sum(map(len, pieces))
            del pieces  # not to be held while this chain waits for more
            progress.set()


class Pipeline:
    """Feeds every consumer with every piece, in order. `finish` or `cancel` ends it."""

    def __init__(self, consumers: Sequence[Consume], held_max: int = HELD_MAX) -> None:
        self._chains = [_Chain(consume) for consume in consumers]
        self._held_max = held_max
        self._fed = 0
        self._progress = asyncio.Event()
        self._tasks = [asyncio.create_task(self._run(chain)) for chain in self._chains]

    async def feed(self, piece: bytes) -> None:
        """Hand a piece to every chain; waits while too much is held. Raises what a chain failed with."""
        self._fed += len(piece)
        for chain in self._chains:
            chain.give(piece)
        del piece
        while self._fed - min(chain.taken for chain in self._chains) > self._held_max:
            self._progress.clear()
            self._raise_failure()
            await self._progress.wait()
        self._raise_failure()

    async def finish(self) -> None:
        """Wait until every chain took everything. Raises what a chain failed with."""
        for chain in self._chains:
            chain.end()
        await asyncio.gather(*self._tasks)

    async def cancel(self) -> None:
        """Stop all chains and wait until none runs; what they failed with no longer matters. May be called twice."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, chain: _Chain) -> None:
        try:
            await chain.run(self._progress)
        finally:
            self._progress.set()

    def _raise_failure(self) -> None:
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

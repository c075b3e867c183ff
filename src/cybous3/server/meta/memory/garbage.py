"""The garbage queue, what is not synced, and the state of the scrub, in memory."""

from collections.abc import Callable, Sequence

from cybous3.server.meta.memory.state import State
from cybous3.server.model.scrubs import ScrubState


class MemoryGarbage:
    """`Garbage` of the port."""

    def __init__(self, state: State, clock: Callable[[], float]) -> None:
        self._state = state
        self._clock = clock

    async def due(self, limit: int) -> Sequence[str]:
        """See the port."""
        now_ms = self._clock() * 1000
        if any(until_ms > now_ms for until_ms in self._state.holds.values()):
            return []
        return list(self._state.dead)[:limit]

    async def done(self, blobs: Sequence[str]) -> None:
        """See the port."""
        for blob in blobs:
            self._state.dead.pop(blob, None)

    async def referenced(self, blobs: Sequence[str]) -> frozenset[str]:
        """See the port."""
        return frozenset(blob for blob in blobs if blob in self._state.live or blob in self._state.dead)

    async def hold(self, name: str, until_ms: int) -> None:
        """See the port."""
        self._state.holds[name] = until_ms

    async def release(self, name: str) -> None:
        """See the port."""
        self._state.holds.pop(name, None)


class MemoryUnsynced:
    """`Unsynced` of the port. There is no medium, but who would have to sync what is told all the same."""

    def __init__(self, state: State) -> None:
        self._state = state

    def waiting(self) -> bool:
        """See the port."""
        return self._state.waiting

    async def pending(self, limit: int) -> Sequence[str]:
        """See the port."""
        return list(self._state.unsynced)[:limit]

    async def among(self, blobs: Sequence[str]) -> Sequence[str]:
        """See the port."""
        return [blob for blob in blobs if blob in self._state.unsynced]

    async def done(self, blobs: Sequence[str]) -> None:
        """See the port."""
        for blob in blobs:
            self._state.unsynced.pop(blob, None)
        self._state.waiting = False


class MemoryScrubs:
    """`Scrubs` of the port."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def load(self) -> ScrubState | None:
        """See the port."""
        return self._state.scrub

    async def save(self, state: ScrubState) -> None:
        """See the port."""
        self._state.scrub = state

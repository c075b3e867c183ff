"""The index in memory, for tests: the same promises but one. Nothing outlives the process."""

import time
from collections.abc import Callable
from typing import Final

from cybous3.server.meta.memory.accounts import MemoryAccounts
from cybous3.server.meta.memory.garbage import MemoryGarbage, MemoryScrubs, MemoryUnsynced
from cybous3.server.meta.memory.objects import MemoryBuckets, MemoryObjects
from cybous3.server.meta.memory.state import State
from cybous3.server.meta.memory.uploads import MemoryUploads


class MemoryIndex:
    """`Index` of the port, for one event loop."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        state = State()
        self.buckets: Final = MemoryBuckets(state)
        self.objects: Final = MemoryObjects(state)
        self.uploads: Final = MemoryUploads(state)
        self.accounts: Final = MemoryAccounts(state)
        self.garbage: Final = MemoryGarbage(state, clock)
        self.unsynced: Final = MemoryUnsynced(state)
        self.scrubs: Final = MemoryScrubs(state)

    def mark(self, bucket: str, key: str) -> tuple[int, int] | None:
        """See the port. There is none: reading costs no more."""
        del bucket, key
        return None

    def spare(self) -> int:
        """See the port. There is no medium."""
        return 0

    async def probe(self) -> None:
        """See the port. There is no medium that could fail."""

    async def aclose(self) -> None:
        """See the port. There is nothing to close."""

"""What many bodies hold together while the disk takes nothing."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest

from cybous3.server.blobs.memory.store import MemoryBlobs, MemoryWriter
from cybous3.server.store import ingest as module
from cybous3.server.store.ingest import PORTION, Ingest
from cybous3.server.store.pipeline import HELD_MAX
from cybous3.server.store.room import unbounded
from cybous3.server.store.spec import NOTHING_EXPECTED
from tests.contracts.values import entropy

pytestmark = pytest.mark.anyio
PIECE = bytes(32 * 1024)


class Endless:
    """A body that never ends and counts what was taken of it."""

    def __init__(self) -> None:
        self.taken = 0

    async def read(self) -> bytes:
        await asyncio.sleep(0)
        self.taken += len(PIECE)
        return PIECE


class StuckDisk(MemoryBlobs):
    """Blobs of which none ever takes a byte."""

    async def create(self, size: int | None = None) -> MemoryWriter:
        writer = await super().create(size)

        async def write(*_: bytes) -> None:
            await asyncio.Event().wait()

        writer.write = write  # type: ignore[method-assign]  # a disk that hangs, behind a writer that is real
        return writer


@asynccontextmanager
async def receiving(count: int) -> AsyncIterator[list[Endless]]:
    """Let as many bodies come in, over a disk that hangs, and yield them once none takes any more."""
    bodies = [Endless() for _ in range(count)]

    async def receive(ingest: Ingest, body: Endless) -> None:
        async with ingest.receive(body, NOTHING_EXPECTED, 0):
            raise AssertionError("a body without an end was received")

    with ThreadPoolExecutor(2) as threads:
        ingest = Ingest(StuckDisk(entropy), threads, unbounded())
        tasks = [asyncio.create_task(receive(ingest, body)) for body in bodies]
        before = -1
        while (now := sum(body.taken for body in bodies)) != before:
            before = now
            await asyncio.sleep(0.1)
        yield bodies
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_body_alone_runs_ahead_of_the_disk() -> None:
    async with receiving(1) as (body,):
        assert HELD_MAX < body.taken <= HELD_MAX + PORTION + len(PIECE)


async def test_many_bodies_share_what_may_run_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_TOGETHER_MAX", 8 * HELD_MAX)
    async with receiving(64) as bodies:
        assert sum(body.taken for body in bodies) <= 2 * 8 * HELD_MAX
        assert min(body.taken for body in bodies) > 0

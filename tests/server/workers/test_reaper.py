"""What nothing refers to goes, after its grace, and nothing else does."""

import asyncio

import pytest

from cybous3.server.blobs.memory.store import MemoryBlobs
from cybous3.server.meta.memory.index import MemoryIndex
from cybous3.server.model.objects import ALWAYS
from cybous3.server.workers import reaper as module
from cybous3.server.workers.reaper import Reaper
from tests.contracts.blobs_contract import whole, written
from tests.contracts.values import BUCKET, entropy, in_blobs

pytestmark = pytest.mark.anyio


async def replaced(index: MemoryIndex, blobs: MemoryBlobs, count: int) -> list[str]:
    """Put an object `count` times and return its blobs, the last of which is live."""
    if not await index.buckets.list(None):
        await index.buckets.create(BUCKET)
    names = [await written(blobs, b"x") for _ in range(count)]
    for name in names:
        await index.objects.put(in_blobs("key", [name]), ALWAYS)
    return names


async def test_garbage_goes_and_the_rest_stays() -> None:
    index, blobs = MemoryIndex(), MemoryBlobs(entropy)
    *dead, live = await replaced(index, blobs, 4)
    reaper = Reaper(index.garbage, blobs, grace_s=0)
    assert await reaper.run_once() == 3
    assert await reaper.run_once() == 0
    assert await whole(blobs, live) == b"x"
    for name in dead:
        with pytest.raises(FileNotFoundError):
            await blobs.open(name)
    assert await index.garbage.referenced([*dead, live]) == {live}


async def test_nothing_goes_before_its_grace() -> None:
    index, blobs = MemoryIndex(), MemoryBlobs(entropy)
    dead, _ = await replaced(index, blobs, 2)
    task = asyncio.create_task(Reaper(index.garbage, blobs, grace_s=60).run_once())
    await asyncio.sleep(0.01)
    assert await whole(blobs, dead) == b"x"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_it_works_when_woken_and_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    index, blobs, wake = MemoryIndex(), MemoryBlobs(entropy), asyncio.Event()
    task = asyncio.create_task(Reaper(index.garbage, blobs, grace_s=0).run(wake))
    for _ in range(3):
        await replaced(index, blobs, 6)
        wake.set()
        async with asyncio.timeout(10):
            while await index.garbage.due(1):  # noqa: ASYNC110  # the queue has no event
                await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_blob_that_cannot_be_deleted_stays_in_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    index, blobs = MemoryIndex(), MemoryBlobs(entropy)
    stuck, gone, _ = await replaced(index, blobs, 3)
    delete = blobs.delete

    async def only_the_second(names: list[str]) -> list[str]:
        return [*await delete([name for name in names if name != stuck])]

    monkeypatch.setattr(blobs, "delete", only_the_second)
    reaper = Reaper(index.garbage, blobs, grace_s=0)
    assert await reaper.run_once() == 1
    assert await reaper.run_once() == 0
    assert await index.garbage.due(10) == [stuck]
    assert await index.garbage.referenced([gone]) == frozenset()

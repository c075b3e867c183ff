"""What relaxed buckets acknowledged is durable within a second; a failed sync is told, and never tried again."""

import asyncio
import errno
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from cybous3.server.blobs.memory.store import MemoryBlobs
from cybous3.server.meta.memory.index import MemoryIndex
from cybous3.server.store.store import Store
from cybous3.server.workers.syncer import Syncer
from tests.contracts.values import BUCKET, entropy
from tests.server.store.conftest import Pieces, Ticking
from tests.server.store.test_store import BIG, spec

pytestmark = pytest.mark.anyio


@pytest.fixture
async def relaxed() -> AsyncIterator[tuple[Store, MemoryBlobs, Syncer]]:
    index, blobs = MemoryIndex(), MemoryBlobs(entropy)
    await index.buckets.create(replace(BUCKET, durability="relaxed"))
    store = Store(index, blobs, clock=Ticking(), entropy=entropy, region="us-east-1")
    yield store, blobs, Syncer(index.unsynced, blobs, store.commits)
    await store.aclose()


async def test_within_a_second_of_the_answer_it_is_durable(relaxed: tuple[Store, MemoryBlobs, Syncer]) -> None:
    store, blobs, syncer = relaxed
    running = asyncio.create_task(syncer.run(store.commits.unsynced_made))
    stored = await store.put(spec(), Pieces(BIG))
    answered = time.monotonic()
    assert stored.extents[0].blob in blobs.unsynced
    while blobs.unsynced:
        await asyncio.sleep(0.01)
        assert time.monotonic() - answered < 1
    await asyncio.sleep(0.01)
    assert not await store.index.unsynced.pending(10)
    assert store.counts.late_writes == 1
    running.cancel()


async def test_only_then_the_mark_goes(relaxed: tuple[Store, MemoryBlobs, Syncer]) -> None:
    store, blobs, syncer = relaxed
    stored = await store.put(spec(), Pieces(BIG))
    blob = stored.extents[0].blob
    assert blob in blobs._unsettled
    assert await syncer.run_once() == 1
    assert blob not in blobs._unsettled


async def test_an_orderly_end_syncs_what_waits_and_nothing_otherwise(
    relaxed: tuple[Store, MemoryBlobs, Syncer],
) -> None:
    store, blobs, syncer = relaxed
    await syncer.finish()
    assert store.counts.relaxed_syncs == 0
    await store.put(spec(), Pieces(BIG))
    running = asyncio.create_task(syncer.run(store.commits.unsynced_made))
    await asyncio.sleep(0.05)
    running.cancel()  # while it gathers
    await syncer.finish()
    assert not blobs.unsynced
    assert store.counts.relaxed_syncs == 1


async def test_what_was_deleted_meanwhile_holds_nobody_up(
    relaxed: tuple[Store, MemoryBlobs, Syncer], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, blobs, syncer = relaxed
    gone = (await store.put(spec("gone"), Pieces(BIG))).extents[0].blob
    kept = (await store.put(spec("kept"), Pieces(BIG))).extents[0].blob
    del monkeypatch
    await blobs.delete([gone])
    assert await syncer.run_once() == 2
    assert kept not in blobs.unsynced


@pytest.mark.parametrize("alone", [True, False])
async def test_a_failed_sync_is_counted_and_not_repeated(
    relaxed: tuple[Store, MemoryBlobs, Syncer], monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    store, blobs, syncer = relaxed
    blob = (await store.put(spec(), Pieces(BIG))).extents[0].blob
    tries: list[Sequence[str]] = []

    async def failing(names: Sequence[str]) -> None:
        tries.append(names)
        if len(tries) == 1 and not alone:
            raise FileNotFoundError(errno.ENOENT, "another one is missing")
        raise OSError(errno.EIO, "the medium refuses")

    monkeypatch.setattr(blobs, "sync", failing)
    assert await syncer.run_once() == 0
    count = len(tries)
    assert await syncer.run_once() == 0
    assert len(tries) == count == (1 if alone else 2)
    assert store.counts.sync_failures == 1
    assert await store.index.unsynced.pending(10) == [blob]  # the next start judges it
    assert blob in blobs._unsettled

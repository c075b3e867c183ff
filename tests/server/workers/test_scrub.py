"""A scrub finds every damage, goes on where it was, and takes what moves meanwhile for no finding."""

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from cybous3.server.blobs.memory.store import MemoryBlobs
from cybous3.server.blobs.port import Blobs
from cybous3.server.meta.memory.index import MemoryIndex
from cybous3.server.meta.port import DamagedRecord, Index
from cybous3.server.model.scrubs import ScrubState
from cybous3.server.store.store import Store
from cybous3.server.workers import scrub as scrubs
from cybous3.server.workers.scrub import Position, Scrub
from cybous3.server.workers.verify import Pace, verdict_on
from tests.contracts.index_contract import refused
from tests.contracts.values import BUCKET, entropy
from tests.server.store.conftest import Pieces, Ticking
from tests.server.store.conftest import parts_of_store as parts_of_store  # noqa: PLC0414  # a fixture, for these tests too
from tests.server.store.conftest import store as store  # noqa: PLC0414  # likewise
from tests.server.store.test_damage import flip
from tests.server.store.test_store import BIG, PART, naming, spec, upload_of

pytestmark = pytest.mark.anyio


def scrub_of(index: Index, blobs: Blobs, **options: Any) -> Scrub:
    return Scrub(index, blobs, **{"pace": Pace(None), **options})


async def test_every_flip_is_found_wherever_it_is(store: Store, parts_of_store: tuple[Index, Blobs]) -> None:
    index, blobs = parts_of_store
    for number, offset in enumerate((0, len(BIG) // 2, len(BIG) - 1)):
        stored = await store.put(spec(f"flipped{number}"), Pieces(BIG))
        flip(blobs, stored.extents[0].blob, offset)
    lost = await store.put(spec("lost"), Pieces(BIG))
    await blobs.delete([lost.extents[0].blob])
    await store.put(spec("good"), Pieces(BIG))
    await store.put(spec("small"), Pieces(b"small"))
    upload_id, parts = await upload_of(store, PART, key="many")
    flip(blobs, parts[0].extents[0].blob, 1)
    report = await scrub_of(index, blobs).run()
    found = {(one.key, one.upload_id, one.part) for one in report.found}
    assert found == {
        ("flipped0", "", 0),
        ("flipped1", "", 0),
        ("flipped2", "", 0),
        ("lost", "", 0),
        ("many", upload_id, 1),
    }
    assert (report.state.objects, report.state.damaged) == (6, 5)
    assert report.state.bytes == 5 * len(BIG) + 5 + len(PART)
    assert report.state.finished_ms is not None
    for key in ("flipped0", "flipped1", "flipped2", "lost"):
        await refused("InternalError", store.head(BUCKET.name, key))
    assert (await store.head(BUCKET.name, "good")).size == len(BIG)
    assert report.orphans == []


async def test_what_is_whole_again_is_released() -> None:
    index, blobs = MemoryIndex(), MemoryBlobs(entropy)
    await index.buckets.create(BUCKET)
    store = Store(index, blobs, clock=Ticking(), entropy=entropy, region="us-east-1")
    stored = await store.put(spec(), Pieces(BIG))
    blobs.flip(stored.extents[0].blob, 5)
    assert (await scrub_of(index, blobs).run()).state.damaged == 1
    blobs.flip(stored.extents[0].blob, 5)
    report = await scrub_of(index, blobs).run()
    assert report.released == [(BUCKET.name, "key")]
    assert await store.head(BUCKET.name, "key") == stored
    await store.aclose()


async def test_a_pass_that_was_interrupted_goes_on(
    store: Store, parts_of_store: tuple[Index, Blobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    index, blobs = parts_of_store
    monkeypatch.setattr(scrubs, "PAGE", 1)
    monkeypatch.setattr(scrubs, "SAVE_S", 0)
    for number in range(6):
        await store.put(spec(f"k{number}"), Pieces(BIG))
    looked = 0

    def stop(state: ScrubState) -> None:
        nonlocal looked
        looked = state.objects
        if state.objects == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await scrub_of(index, blobs, on_progress=stop).run()
    assert looked == 3
    rest: list[int] = []
    report = await scrub_of(index, blobs, on_progress=lambda state: rest.append(state.objects)).run()
    assert min(rest) >= 3
    assert (report.state.objects, report.state.bytes) == (6, 6 * len(BIG))
    again = await scrub_of(index, blobs).run(restart=True)
    assert (again.state.objects, again.state.started_ms >= report.state.started_ms) == (6, True)


async def test_blobs_of_nobody_are_told_and_those_of_a_write_under_way_are_not(
    store: Store, parts_of_store: tuple[Index, Blobs]
) -> None:
    index, blobs = parts_of_store
    names = []
    for _ in range(2):
        writer = await blobs.create()
        await writer.write(b"nobody's")
        await writer.publish(b"")
        names.append(writer.id)
    report = await scrub_of(index, blobs, orphaned=lambda blob: blob != names[1]).run()
    assert report.orphans == [names[0]]
    await store.aclose()


async def test_what_was_replaced_or_deleted_meanwhile_is_no_finding(
    store: Store, parts_of_store: tuple[Index, Blobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    index, blobs = parts_of_store
    upload_id, _ = await upload_of(store, b"part", key="upload")
    for key in ("replaced", "deleted"):
        flip(blobs, (await store.put(spec(key), Pieces(BIG))).extents[0].blob, 1)
    parts = await index.uploads.parts(BUCKET.name, "upload", upload_id)
    flip(blobs, parts[0].extents[0].blob, 1)
    seen = verdict_on

    async def meanwhile(*arguments: Any) -> Any:
        verdict = await seen(*arguments)
        await store.put(spec("replaced"), Pieces(BIG))
        await store.delete(BUCKET.name, "deleted")
        if arguments[1] == parts[0].extents[0].blob:
            await store.abort(BUCKET.name, "upload", upload_id)
        return verdict

    monkeypatch.setattr(scrubs, "verdict_on", meanwhile)
    report = await scrub_of(index, blobs).run()
    assert report.found == []
    assert await index.objects.damaged() == []


async def test_damaged_entries_are_findings(
    store: Store, parts_of_store: tuple[Index, Blobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    index, blobs = parts_of_store
    upload_id, _ = await upload_of(store, PART, key="upload")
    pages = [[DamagedRecord("bucket", "entry", "its sum differs")], []]
    parts = [[DamagedRecord("bucket", "upload", "its sum differs", upload_id, 1)], []]
    monkeypatch.setattr(index.objects, "walk", lambda *_: _next(pages))
    monkeypatch.setattr(index.uploads, "walk", lambda *_: _next(parts))
    report = await scrub_of(index, blobs).run()
    assert [(one.kind, one.key, one.part) for one in report.found] == [("index", "entry", 0), ("index", "upload", 1)]


async def _next(pages: list[Any]) -> Any:
    return pages.pop(0)


async def test_a_multipart_object_is_read_with_its_manifest(store: Store, parts_of_store: tuple[Index, Blobs]) -> None:
    index, blobs = parts_of_store
    upload_id, parts = await upload_of(store, PART, b"end")
    whole = await store.complete(BUCKET.name, "key", upload_id, naming(parts))
    await blobs.delete([whole.extents[-1].blob])
    report = await scrub_of(index, blobs).run()
    assert [(one.key, one.reason) for one in report.found] == [("key", "missing")]


async def test_the_pace_is_held() -> None:
    slept: list[float] = []
    now = [100.0]

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    pace = Pace(1000, clock=lambda: now[0], sleep=sleep)
    for _ in range(10):
        await pace.took(100)
    assert 0.9 < sum(slept) <= 1.0
    now[0] += 60  # time that was not used is not saved up
    await pace.took(1000)
    assert slept[-1] == pytest.approx(1.0)
    began = time.monotonic()
    await Pace(None).took(10**12)
    assert time.monotonic() - began < 1
    await asyncio.sleep(0)


@pytest.mark.parametrize("text", ["", "[]", "nonsense", '["other", null]', '{"a": 1}'])
def test_a_position_nobody_wrote_is_the_beginning(text: str) -> None:
    assert Position.read(text) == Position()
    assert Position.read(Position("parts", ("u", 3)).written()) == Position("parts", ("u", 3))


async def test_a_blob_of_another_length_is_not_whole() -> None:
    blobs = MemoryBlobs(entropy)
    writer = await blobs.create()
    await writer.write(b"four")
    await writer.publish(b"")
    verdict = await verdict_on(blobs, writer.id, Pace(None), 5)
    assert (verdict.labelled, verdict.reason) == (None, "4 bytes instead of 5")
    assert replace(verdict, reason="") != verdict

"""What a write leaves behind at each point, in each mode: labels, marks, syncs, and what is promised when one fails."""

import asyncio
import errno
from typing import Any

import pytest

from cybous3.server.blobs.port import Blobs, Recovered
from cybous3.server.meta.port import Index
from cybous3.server.model.buckets import Durability
from cybous3.server.store import labels
from cybous3.server.store.store import Store
from tests.contracts.index_contract import refused
from tests.contracts.values import BUCKET
from tests.server.store.conftest import Pieces
from tests.server.store.test_store import BIG, PART, leftovers, naming, spec, upload_of

pytestmark = pytest.mark.anyio


async def label_of(blobs: Blobs, blob: str) -> labels.Label:
    return labels.read((await blobs.label(blob)).label, blob)


async def test_every_blob_says_what_it_is(store: Store, parts_of_store: tuple[Index, Blobs]) -> None:
    blobs = parts_of_store[1]
    stored = await store.put(spec(user={"a": "b"}, system={"content-type": "x/y"}), Pieces(BIG))
    label = await label_of(blobs, stored.extents[0].blob)
    assert (label.kind, label.record) == ("object", stored)
    upload_id, parts = await upload_of(store, PART, b"end", key="many")
    label = await label_of(blobs, parts[1].extents[0].blob)
    assert label.upload == await store.index.uploads.get(BUCKET.name, "many", upload_id)
    assert (label.kind, label.part) == ("part", parts[1])
    whole = await store.complete(BUCKET.name, "many", upload_id, naming(parts))
    label = await label_of(blobs, whole.extents[-1].blob)
    assert (label.kind, label.record) == ("manifest", whole)
    changed = await store.copy(whole, spec("many", user={"new": "words"}))
    assert (await label_of(blobs, changed.extents[-1].blob)).record == changed
    assert await leftovers(store, blobs) == Recovered()


async def test_a_completion_that_fails_leaves_the_upload_and_no_manifest(
    store: Store, parts_of_store: tuple[Index, Blobs]
) -> None:
    upload_id, parts = await upload_of(store, b"end")
    gone = await store.index.uploads.get(BUCKET.name, "key", upload_id)
    await store.abort(BUCKET.name, "key", gone.id)
    await refused("NoSuchUpload", store.complete(BUCKET.name, "key", upload_id, naming(parts)))
    assert await leftovers(store, parts_of_store[1]) == Recovered()


class Watched:
    """Notes how blobs are published and synced."""

    def __init__(self, blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
        self.published: list[bool] = []
        self.synced: list[str] = []
        self.settled: list[str] = []
        create, sync, settle = blobs.create, blobs.sync, blobs.settle

        async def creating(size_hint: int | None = None) -> Any:
            writer = await create(size_hint)
            publish = writer.publish

            async def publishing(label: bytes = b"", *, sync: bool = True) -> None:
                self.published.append(sync)
                await publish(label, sync=sync)

            writer.publish = publishing  # type: ignore[method-assign]  # to look on
            return writer

        async def syncing(names: Any) -> None:
            self.synced += names
            await sync(names)

        async def settling(names: Any) -> None:
            self.settled += names
            await settle(names)

        monkeypatch.setattr(blobs, "create", creating)
        monkeypatch.setattr(blobs, "sync", syncing)
        monkeypatch.setattr(blobs, "settle", settling)


@pytest.mark.parametrize("mode", ["strict", "relaxed", "none"])
async def test_only_a_strict_write_is_synced_before_its_answer(
    store: Store, parts_of_store: tuple[Index, Blobs], monkeypatch: pytest.MonkeyPatch, mode: Durability
) -> None:
    index, blobs = parts_of_store
    await index.buckets.set_durability(BUCKET.name, mode)
    watched = Watched(blobs, monkeypatch)
    stored = await store.put(spec(), Pieces(BIG))
    await asyncio.sleep(0)
    await store.commits.aclose()
    blob = stored.extents[0].blob
    assert watched.published == [mode == "strict"]
    assert watched.settled == ([blob] if mode == "strict" else [])
    assert watched.synced == []
    assert store.commits.unsynced_made.is_set() or mode == "strict"
    assert (blob in await index.unsynced.pending(10)) == (mode == "relaxed")
    assert store.commits.taken_unsettled() == ([] if mode == "strict" else [blob])
    assert store.commits.taken_unsettled() == []


async def test_a_bucket_made_strict_meanwhile_has_its_bytes_synced(
    store: Store, parts_of_store: tuple[Index, Blobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    index, blobs = parts_of_store
    await index.buckets.set_durability(BUCKET.name, "relaxed")
    watched, put = Watched(blobs, monkeypatch), index.objects.put

    async def meanwhile(record: Any, condition: Any) -> None:
        await index.buckets.set_durability(BUCKET.name, "strict")
        await put(record, condition)

    monkeypatch.setattr(index.objects, "put", meanwhile)
    stored = await store.put(spec(), Pieces(BIG))
    assert watched.synced == [stored.extents[0].blob]


async def test_after_a_failed_sync_nothing_is_acknowledged_and_nothing_is_tried_again(
    store: Store, parts_of_store: tuple[Index, Blobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = parts_of_store[1]
    create, tries = blobs.create, []

    async def failing(size_hint: int | None = None) -> Any:
        writer = await create(size_hint)

        async def publish(label: bytes = b"", *, sync: bool = True) -> None:
            tries.append((label, sync))
            raise OSError(errno.EIO, "the medium refuses")

        writer.publish = publish  # type: ignore[method-assign]  # a medium that fails
        return writer

    monkeypatch.setattr(blobs, "create", failing)
    with pytest.raises(OSError, match="the medium refuses"):
        await store.put(spec(), Pieces(BIG))
    assert len(tries) == 1
    assert store.counts.sync_failures == 1
    await refused("NoSuchKey", store.head(BUCKET.name, "key"))
    assert await leftovers(store, blobs) == Recovered()


@pytest.mark.parametrize("strict_from", ["before", "meanwhile"])
async def test_parts_of_a_relaxed_bucket_are_synced_before_a_strict_completion(
    store: Store, parts_of_store: tuple[Index, Blobs], monkeypatch: pytest.MonkeyPatch, strict_from: str
) -> None:
    """What a synced commit refers to is durable before its answer, whenever and in whatever mode it was written."""
    index, blobs = parts_of_store
    await index.buckets.set_durability(BUCKET.name, "relaxed")
    upload_id, parts = await upload_of(store, PART, b"end")
    written = [part.extents[0].blob for part in parts]
    await index.unsynced.done(written[:1])  # the syncer has seen to that one
    watched, complete = Watched(blobs, monkeypatch), index.uploads.complete
    if strict_from == "before":
        await index.buckets.set_durability(BUCKET.name, "strict")

    async def completing(*arguments: Any) -> None:
        assert (written[1] in watched.synced) == (strict_from == "before")
        await index.buckets.set_durability(BUCKET.name, "strict")
        await complete(*arguments)

    monkeypatch.setattr(index.uploads, "complete", completing)
    await store.complete(BUCKET.name, "key", upload_id, naming(parts))
    assert written[1] in watched.synced
    assert written[0] not in watched.synced


async def test_parts_whose_late_sync_fails_become_no_strict_object(
    store: Store, parts_of_store: tuple[Index, Blobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    index, blobs = parts_of_store
    await index.buckets.set_durability(BUCKET.name, "relaxed")
    upload_id, parts = await upload_of(store, b"end")
    await index.buckets.set_durability(BUCKET.name, "strict")
    tries, sync = [], blobs.sync

    async def failing(names: Any) -> None:
        tries.append(names)
        raise OSError(errno.EIO, "the medium refuses")

    monkeypatch.setattr(blobs, "sync", failing)
    for refusing in (failing, failing, sync):
        monkeypatch.setattr(blobs, "sync", refusing)
        with pytest.raises(OSError, match=r"refuses|could not be made durable"):
            await store.complete(BUCKET.name, "key", upload_id, naming(parts))
    assert len(tries) == 1, "a failed sync is not repeated"
    assert store.counts.sync_failures == 1
    await store.abort(BUCKET.name, "key", upload_id)
    await blobs.settle(store.commits.taken_unsettled())
    assert await leftovers(store, blobs) == Recovered()


async def test_parts_that_the_reaper_took_meanwhile_are_no_failed_sync(
    store: Store, parts_of_store: tuple[Index, Blobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    index, blobs = parts_of_store
    await index.buckets.set_durability(BUCKET.name, "relaxed")
    upload_id, parts = await upload_of(store, PART, b"end")
    await index.buckets.set_durability(BUCKET.name, "strict")
    sync, tries = blobs.sync, []

    async def reaped(names: Any) -> None:
        tries.append(names)
        if len(tries) == 1:
            await store.abort(BUCKET.name, "key", upload_id)
            await blobs.delete([parts[0].extents[0].blob])
        await sync(names)

    monkeypatch.setattr(blobs, "sync", reaped)
    await refused("NoSuchUpload", store.complete(BUCKET.name, "key", upload_id, naming(parts)))
    assert [len(names) for names in tries] == [2, 1, 1]
    assert not store.commits.lost
    assert store.counts.sync_failures == 0
    await blobs.settle(store.commits.taken_unsettled())
    assert await leftovers(store, blobs) == Recovered()

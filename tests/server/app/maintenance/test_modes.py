"""A bucket that was made strict has nothing that a power cut could take."""

import asyncio
import errno
from collections.abc import Sequence
from pathlib import Path

import pytest

from cybous3.server.app.maintenance.modes import NoSuchBucketError, change, mode_of
from cybous3.server.blobs.local.store import LocalBlobs
from cybous3.server.store.store import Store
from tests.support.house_of_data import BUCKET, PART, House, put, put_parts


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Return a data directory with a bucket that is strict and empty but for one small object."""
    made = House(tmp_path / "data")
    made.fill(small=1)
    return made


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what is synced late, from now on."""
    found: list[str] = []
    sync = LocalBlobs.sync

    async def noting(self: LocalBlobs, blobs: Sequence[str]) -> None:
        await sync(self, blobs)
        found.extend(blobs)

    monkeypatch.setattr(LocalBlobs, "sync", noting)
    return found


async def blobs_of(store: Store) -> set[str]:
    """Return all blobs that the bucket's objects and parts refer to."""
    objects = await store.index.objects.walk()
    parts = await store.index.uploads.walk()
    assert len(objects) >= 2
    assert parts
    records = [*objects, *(one.part for one in parts)]  # type: ignore[union-attr]  # nothing is damaged
    return {extent.blob for record in records for extent in record.extents}  # type: ignore[union-attr]  # likewise


def fill(house: House) -> set[str]:
    house.run(lambda store: put(store, "large", PART))
    house.run(lambda store: put_parts(store, "whole", PART, b"end"))
    house.run(lambda store: put_parts(store, "unfinished", PART, complete=False))
    blobs: set[str] = house.run(blobs_of)
    return blobs


@pytest.mark.parametrize("way", [["none"], ["none", "relaxed"]])
def test_what_was_written_in_a_lesser_mode_is_synced_before_a_bucket_is_strict(
    house: House, synced: list[str], way: list[str]
) -> None:
    asyncio.run(change(house.root, BUCKET, way[0]))
    blobs = fill(house)
    for mode in way[1:]:
        asyncio.run(change(house.root, BUCKET, mode))
    assert blobs.isdisjoint(synced)
    assert asyncio.run(change(house.root, BUCKET, "strict")) == "strict"
    assert blobs <= set(synced)
    assert asyncio.run(mode_of(house.root, BUCKET)) == "strict"


def test_a_bucket_that_was_strict_already_syncs_nothing(house: House, synced: list[str]) -> None:
    fill(house)
    asyncio.run(change(house.root, BUCKET, "strict"))
    assert synced == []


def test_a_bucket_whose_bytes_cannot_be_made_durable_is_not_strict(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(change(house.root, BUCKET, "none"))
    fill(house)

    async def failing(*_: object) -> None:
        raise OSError(errno.EIO, "the medium refuses")

    monkeypatch.setattr(LocalBlobs, "sync", failing)
    with pytest.raises(OSError, match="not all bytes of the bucket"):
        asyncio.run(change(house.root, BUCKET, "strict"))
    assert asyncio.run(mode_of(house.root, BUCKET)) == "relaxed"


def test_what_was_deleted_on_the_way_holds_nobody_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.run(change(house.root, BUCKET, "none"))
    blobs = fill(house)
    sync, gone = LocalBlobs.sync, min(blobs)

    async def reaped(self: LocalBlobs, names: Sequence[str]) -> None:
        await self.delete([gone])
        await sync(self, names)

    monkeypatch.setattr(LocalBlobs, "sync", reaped)
    assert asyncio.run(change(house.root, BUCKET, "strict")) == "strict"


@pytest.mark.parametrize("mode", ["strict", "none"])
def test_a_bucket_that_is_not_there_is_named(house: House, mode: str) -> None:
    with pytest.raises(NoSuchBucketError, match="'absent'"):
        asyncio.run(change(house.root, "absent", mode))
    with pytest.raises(NoSuchBucketError, match="'absent'"):
        asyncio.run(mode_of(house.root, "absent"))

"""Index against bytes: each kind of disagreement is found and named, and what is under way is none."""

import asyncio
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cybous3.server.app.maintenance import fsck as checking
from cybous3.server.app.maintenance.fsck import Report, fsck, is_current, mislabelled
from cybous3.server.app.maintenance.opening import BusyError, opened
from cybous3.server.meta.port import Index, UploadedPart
from cybous3.server.model.objects import Extent, ObjectRecord
from cybous3.server.store import labels
from cybous3.server.store.store import Store
from cybous3.server.workers.scrub import Scrub
from cybous3.server.workers.verify import Pace
from tests.contracts.values import blob as fresh
from tests.contracts.values import in_blobs
from tests.support.house_of_data import BIG, PART, House, put, put_parts


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "data")


def checked(house: House, *, quick: bool = False) -> Report:
    return asyncio.run(fsck(house.root, quick=quick))


def told(report: Report) -> set[tuple[str, str, int]]:
    return {(one.kind, one.key, one.part) for one in report.problems}


@pytest.mark.parametrize("quick", [False, True])
def test_each_kind_of_damage_is_named(house: House, quick: bool) -> None:
    stored = house.fill("good", "flipped", "cut", "gone", "swapped", "other")
    house.run(lambda store: put_parts(store, "many", PART, b"end"))
    upload_id = house.run(lambda store: put_parts(store, "unfinished", PART, complete=False))
    assert checked(house, quick=quick).problems == []
    files = {key: house.blob_file(record.extents[0].blob) for key, record in stored.items()}
    house.flip(stored["flipped"].extents[0].blob)
    os.truncate(files["cut"], 1000)
    files["gone"].unlink()
    shutil.copyfile(files["other"], files["swapped"])

    async def part(store: Store) -> str:
        return (await store.index.uploads.parts("bucket", "unfinished", upload_id))[0].extents[0].blob

    house.blob_file(house.run(part)).unlink()
    report = checked(house, quick=quick)
    expected = {("damaged", "cut", 0), ("missing", "gone", 0), ("damaged", "swapped", 0), ("missing", "unfinished", 1)}
    assert told(report) == expected | (set() if quick else {("damaged", "flipped", 0)})
    assert report.damaged
    assert (report.objects, report.parts) == (9, 1)


@pytest.mark.skipif(sys.platform == "win32", reason="other kinds of files stand there")
@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to(path.parent)])
def test_something_else_in_the_place_of_a_blob_is_one_finding(house: House, make: Callable[[Path], None]) -> None:
    stored = house.fill("good", "other")
    path = house.blob_file(stored["other"].extents[0].blob)
    path.unlink()
    make(path)
    for quick in (False, True):
        assert told(checked(house, quick=quick)) == {("damaged", "other", 0)}

    async def scrubbed(store: Store) -> set[str]:
        await Scrub(store.index, store._blobs, pace=Pace(None)).run()
        return {one.key for one in await store.index.objects.damaged()}

    assert house.run(scrubbed) == {"other"}
    assert house.read_all()["good"] == BIG


def test_who_only_looks_makes_no_file(house: House) -> None:
    house.fill("a")
    before = {path for path in house.root.rglob("*") if not path.name.startswith("index.sqlite")}
    assert checked(house).problems == []
    assert {path for path in house.root.rglob("*") if not path.name.startswith("index.sqlite")} == before


def test_a_blob_of_nobody_is_an_orphan_and_can_be_removed(house: House) -> None:
    house.fill("a")

    async def publish(store: Store) -> list[str]:
        names = []
        for settled in (True, False):
            writer = await store._blobs.create()
            await writer.write(b"nobody's")
            await writer.publish(b"")
            if settled:
                await store._blobs.settle([writer.id])
            names.append(writer.id)
        async with opened(house.root, "fsck") as found:
            assert [found.under_way(name) for name in names] == [False, True]
        report = await fsck(house.root)
        assert [one.blob for one in report.problems] == [names[0]]  # the other one's writer is not done yet
        assert not report.damaged
        assert (await fsck(house.root, remove_orphans=True)).removed == 1
        return names

    names = house.run(publish)
    assert not house.blob_file(names[0]).exists()
    assert checked(house).problems == []


def test_an_index_that_does_not_agree_with_itself_is_told(house: House) -> None:
    stored = house.fill("a", small=300)
    content = bytearray(house.place.index.read_bytes())
    at = content.index(b"small", len(content) // 4)
    content[at : at + 5] = b"SMALL"
    house.place.index.write_bytes(content)
    report = checked(house)
    assert report.damaged
    assert {one.kind for one in report.problems} <= {"index", "entry"}
    assert stored


def test_what_was_replaced_or_deleted_meanwhile_is_no_finding(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = house.fill("replaced", "deleted")
    for record in stored.values():
        house.flip(record.extents[0].blob)

    async def work(store: Store) -> Report:
        changed = False

        async def meanwhile(index: Index, entry: ObjectRecord | UploadedPart) -> bool:
            nonlocal changed
            if not changed:
                changed = True
                await put(store, "replaced", b"new" * 10_000)
                await store.delete("bucket", "deleted")
            return await is_current(index, entry)

        monkeypatch.setattr(checking, "is_current", meanwhile)
        return await fsck(house.root)

    assert house.run(work).problems == []


def test_two_that_delete_at_once_are_refused(house: House) -> None:
    house.fill("a")

    async def twice() -> None:
        async with opened(house.root, "fsck"):
            await fsck(house.root, remove_orphans=True)

    with pytest.raises(BusyError):
        asyncio.run(twice())


def test_labels_are_held_against_the_index() -> None:
    name, manifest = fresh(), fresh()
    record = in_blobs("k", [name])
    extent = record.extents[0]
    assert mislabelled(record, extent, labels.of_object(record, 1)) == ""
    assert mislabelled(replace(record, damaged="x"), extent, labels.of_object(record, 1)) == ""
    assert "belongs to" in mislabelled(record, extent, labels.of_object(replace(record, key="other"), 1))
    assert "does not say" in mislabelled(record, extent, labels.of_object(replace(record, etag="other"), 1))
    assert "not a label" in mislabelled(record, extent, b"")
    described = replace(record, user={"a": "b"}, extents=(extent, Extent(manifest, 0)))
    assert mislabelled(described, extent, labels.of_object(record, 1)) == ""
    assert mislabelled(described, Extent(manifest, 0), labels.of_manifest(described, 1)) == ""

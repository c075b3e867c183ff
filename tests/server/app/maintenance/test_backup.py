"""A backup is whole or none; restored it reads identical; what is damaged is named and everything else is there."""

import asyncio
import errno
import json
import os
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cybous3.disk.files import SYSTEM, SystemFiles
from cybous3.server.app.maintenance import backup as backups
from cybous3.server.app.maintenance import copying, manifest
from cybous3.server.app.maintenance.backup import NotEmptyError, backup
from cybous3.server.app.maintenance.copying import FullError
from cybous3.server.app.maintenance.fsck import fsck
from cybous3.server.app.maintenance.manifest import BackupError, NoBackupError
from cybous3.server.app.maintenance.moving import Progress
from cybous3.server.app.maintenance.restore import restore
from cybous3.server.app.problems import LocalError, UnfinishedError
from cybous3.server.meta.sqlite.garbage import SqliteGarbage
from cybous3.server.store.store import Store
from tests.support.house_of_data import BIG, PART, House, flip, put, put_parts


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "data")


def back_up(house: House, dest: Path, **options: Any) -> Progress:
    return asyncio.run(backup(house.root, dest, **options))[1]


def bring_back(source: Path, data: Path) -> tuple[House, Progress]:
    _, done = asyncio.run(restore(source, data))
    return House(data), done


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("link", [False, True])
def test_what_is_restored_reads_identical(house: House, tmp_path: Path, link: bool) -> None:
    house.fill("a", "b")
    house.run(lambda store: put_parts(store, "many", PART, b"end"))
    upload_id = house.run(lambda store: put_parts(store, "unfinished", PART, complete=False))
    done = back_up(house, tmp_path / "backup", link=link)
    assert (done.copied, done.present, done.damaged) == (6, 0, [])
    restored, brought = bring_back(tmp_path / "backup", tmp_path / "new")
    assert (brought.copied, brought.damaged) == (6, [])
    assert restored.read_all() == house.read_all()
    assert restored.place.seal.read_bytes() == house.place.seal.read_bytes()
    assert restored.place.seal.stat().st_mode & 0o777 == 0o600
    assert asyncio.run(fsck(restored.root)).problems == []

    async def parts(store: Store) -> int:
        return len(await store.index.uploads.parts("bucket", "unfinished", upload_id))

    assert restored.run(parts) == 1
    assert not any("restore" in name for name in names(restored.root))


def test_a_second_backup_copies_only_what_is_new_and_forgets_what_is_old(house: House, tmp_path: Path) -> None:
    old = house.fill("kept", "deleted")["deleted"].extents[0].blob
    dest = tmp_path / "backup"
    back_up(house, dest)
    first = manifest.load(SYSTEM, dest)

    async def change(store: Store) -> None:
        await store.delete("bucket", "deleted")
        await store._blobs.delete(await store.index.garbage.due(10))
        await store.index.garbage.done([old])
        await put(store, "new", BIG + b"new")

    house.run(change)
    done = back_up(house, dest)
    assert (done.copied, done.present, done.pruned) == (1, 1, 1)
    second = manifest.load(SYSTEM, dest)
    assert first is not None
    assert second is not None
    assert names(dest) == {"blobs", "manifest.json", second.generation}
    restored, _ = bring_back(dest, tmp_path / "new")
    assert restored.read_all() == house.read_all()


def test_damage_is_named_and_the_rest_is_backed_up(house: House, tmp_path: Path) -> None:
    stored = house.fill("good", "flipped", "gone")
    house.flip(stored["flipped"].extents[0].blob)
    house.blob_file(stored["gone"].extents[0].blob).unlink()
    done = back_up(house, tmp_path / "backup")
    assert {(one.key, one.reason) for one in done.damaged} == {("flipped", "block 0 differs"), ("gone", "missing")}
    restored, brought = bring_back(tmp_path / "backup", tmp_path / "new")
    assert {one.key for one in brought.damaged} == {"flipped", "gone"}
    read = restored.read_all()
    assert (read["good"], read["flipped"], read["gone"], read["small0"]) == (BIG, None, None, b"small")


def test_a_whole_copy_from_before_stands_in_for_what_is_damaged_since(house: House, tmp_path: Path) -> None:
    stored = house.fill("a")
    back_up(house, tmp_path / "backup")
    house.flip(stored["a"].extents[0].blob)
    assert back_up(house, tmp_path / "backup").damaged == []
    restored, _ = bring_back(tmp_path / "backup", tmp_path / "new")
    assert restored.read_all()["a"] == BIG


def test_a_backup_that_rotted_is_found_by_verifying_and_at_the_restore(house: House, tmp_path: Path) -> None:
    blob = house.fill("a")["a"].extents[0].blob
    dest = tmp_path / "backup"
    back_up(house, dest)
    flip(dest / "blobs" / "blobs" / blob[:2] / blob, 7)
    _, brought = bring_back(dest, tmp_path / "new")
    assert [one.key for one in brought.damaged] == ["a"]
    assert back_up(house, dest, verify=True).copied == 1
    _, brought = bring_back(dest, tmp_path / "newer")
    assert brought.damaged == []


def test_only_a_finished_backup_is_one(house: House, tmp_path: Path) -> None:
    house.fill("a")
    dest = tmp_path / "backup"
    with pytest.raises(NoBackupError):
        bring_back(tmp_path / "nowhere", tmp_path / "new")
    back_up(house, dest)
    whole = (dest / "manifest.json").read_bytes()
    plain = json.loads(whole)
    for wrong in (
        b"",
        whole[:-20],
        json.dumps({**plain, "v": 9}).encode(),
        whole.replace(b'"objects": 3', b'"objects": 4'),
    ):
        (dest / "manifest.json").write_bytes(wrong)
        with pytest.raises(BackupError):
            bring_back(dest, tmp_path / "new")
    (dest / "manifest.json").write_bytes(whole)
    generation = dest / plain["backup"]["generation"]
    for name in ("index.sqlite", "seal.key"):
        content = (generation / name).read_bytes()
        flip(generation / name, 3)
        with pytest.raises(BackupError, match="damaged"):
            bring_back(dest, tmp_path / "new")
        (generation / name).write_bytes(content)
    (dest / "manifest.json").unlink()
    with pytest.raises(NoBackupError):
        bring_back(dest, tmp_path / "newest")


def test_other_things_are_not_overwritten(house: House, tmp_path: Path) -> None:
    house.fill("a")
    full = tmp_path / "full"
    full.mkdir()
    (full / "letter").touch()
    for dest in (full, house.root, house.root / "inside", tmp_path):
        with pytest.raises(NotEmptyError):
            back_up(house, dest)
    back_up(house, tmp_path / "backup")
    with pytest.raises(NotEmptyError):
        bring_back(tmp_path / "backup", full)
    with pytest.raises(NotEmptyError):
        bring_back(tmp_path / "backup", house.root)


class Failing(SystemFiles):
    """Files of which one call fails once, as on a disk that is full or was taken away."""

    def __init__(self, call: str, number: int, code: int) -> None:
        super().__init__()
        self._call, self._left, self._code = call, number, code

    def create(self, path: Path) -> int:
        self._count("create")
        return super().create(path)

    def write(self, fd: int, data: bytes) -> None:
        self._count("write")
        super().write(fd, data)

    def rename(self, source: Path, target: Path) -> None:
        self._count("rename")
        super().rename(source, target)

    def sync(self, fd: int) -> None:
        self._count("sync")
        super().sync(fd)

    def _count(self, call: str) -> None:
        self._left -= call == self._call
        if call == self._call and self._left < 0:
            raise OSError(self._code, os.strerror(self._code))


@pytest.mark.parametrize("call", ["create", "write", "rename", "sync"])
@pytest.mark.parametrize(("code", "kind"), [(errno.ENOSPC, FullError), (errno.EIO, LocalError)])
def test_a_target_that_fails_leaves_the_backup_before_and_can_be_run_again(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int, kind: type[Exception]
) -> None:
    house.fill("a")
    dest = tmp_path / "backup"
    back_up(house, dest)
    before = (dest / "manifest.json").read_bytes()
    house.run(lambda store: put(store, "b", BIG))
    with monkeypatch.context() as patch:
        patch.setattr(backups, "SYSTEM", Failing(call, 0, code))
        with pytest.raises(kind):
            back_up(house, dest)
    assert (dest / "manifest.json").read_bytes() == before
    restored, _ = bring_back(dest, tmp_path / "old")
    assert set(restored.read_all()) == {"a", "small0", "small1"}
    assert back_up(house, dest).damaged == []
    assert not [name for name in names(dest) if name.endswith(".new")]
    restored, _ = bring_back(dest, tmp_path / "new")
    assert restored.read_all() == house.read_all()


def test_a_restore_that_was_interrupted_keeps_servers_out_and_goes_on(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.fill("a", "b")
    back_up(house, tmp_path / "backup")
    copy = copying.Copier.copy
    made: list[str] = []

    async def stopping(self: copying.Copier, blob: str) -> int:
        if made:
            raise KeyboardInterrupt
        made.append(blob)
        return await copy(self, blob)

    with monkeypatch.context() as patch:
        patch.setattr(copying.Copier, "copy", stopping)
        with pytest.raises(KeyboardInterrupt):
            bring_back(tmp_path / "backup", tmp_path / "new")
    with pytest.raises(UnfinishedError):
        House(tmp_path / "new").place.ensure_finished()
    restored, done = bring_back(tmp_path / "backup", tmp_path / "new")
    assert done.present + done.copied == 2
    restored.place.ensure_finished()
    assert restored.read_all() == house.read_all()


def test_garbage_is_held_while_a_backup_runs_and_freed_after(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = house.fill("a")["a"].extents[0].blob
    copy, due = copying.Copier.copy, []

    async def meanwhile(self: copying.Copier, name: str) -> int:
        async with house.store() as store:
            await store.delete("bucket", "a")
            due.append(await store.index.garbage.due(10))
        return await copy(self, name)

    monkeypatch.setattr(copying.Copier, "copy", meanwhile)
    assert back_up(house, tmp_path / "backup").damaged == []

    async def waiting(store: Store) -> object:
        return await store.index.garbage.due(10)

    assert due == [[]]
    assert house.run(waiting) == [blob]


def test_a_backup_that_is_killed_holds_the_garbage_for_a_minute_and_the_restored_index_not_at_all(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.fill("a")
    seen: list[tuple[str, int]] = []

    def holds(index: Path) -> list[tuple[str, int]]:
        with closing(sqlite3.connect(index)) as connection:
            return connection.execute("SELECT name, until_ms FROM holds").fetchall()

    copy = copying.Copier.copy

    async def looking(self: copying.Copier, blob: str) -> int:
        seen.extend(holds(house.place.index))
        return await copy(self, blob)

    monkeypatch.setattr(copying.Copier, "copy", looking)
    back_up(house, tmp_path / "backup")
    assert len(seen) == 1
    assert seen[0][1] <= (time.time() + 60) * 1000
    assert holds(house.place.index) == []
    restored, _ = bring_back(tmp_path / "backup", tmp_path / "new")
    assert holds(restored.place.index) == []


def test_a_long_copy_renews_its_hold(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = house.fill("a")["a"].extents[0].blob
    monkeypatch.setattr(backups, "HOLD_S", 0.4)
    monkeypatch.setattr(backups, "_RENEW_S", 0.02)
    copy, due = copying.Copier.copy, []

    async def slow(self: copying.Copier, name: str) -> int:
        async with house.store() as store:
            await store.delete("bucket", "a")
            for _ in range(3):
                await asyncio.sleep(0.25)
                due.append(await store.index.garbage.due(10))
        return await copy(self, name)

    monkeypatch.setattr(copying.Copier, "copy", slow)
    assert back_up(house, tmp_path / "backup").damaged == []
    assert due == [[], [], []]
    assert house.run(lambda store: store.index.garbage.due(10)) == [blob]


@pytest.mark.parametrize("renewed", [False, True])
def test_a_hold_that_lapsed_makes_no_backup(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renewed: bool
) -> None:
    """What the reaper may have taken meanwhile must not be called damage."""
    house.fill("a")
    monkeypatch.setattr(backups, "HOLD_S", 0.05)
    monkeypatch.setattr(backups, "_RENEW_S", 0.2 if renewed else 10)
    copy = copying.Copier.copy

    async def slow(self: copying.Copier, name: str) -> int:
        await asyncio.sleep(0.21 if renewed else 0.1)
        return await copy(self, name)

    with monkeypatch.context() as patch:
        patch.setattr(copying.Copier, "copy", slow)
        with pytest.raises(backups.LapsedError, match="held up for so long"):
            back_up(house, tmp_path / "backup")
    assert manifest.load(SYSTEM, tmp_path / "backup") is None
    monkeypatch.undo()
    assert back_up(house, tmp_path / "backup").present == 1


def test_a_hold_that_cannot_be_written_is_told(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house.fill("a")

    async def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(SqliteGarbage, "hold", full)
    with pytest.raises(LocalError, match="cannot take the note that a backup runs"):
        back_up(house, tmp_path / "backup")


def test_a_medium_that_cannot_be_written_to_is_restored_from(house: House, tmp_path: Path) -> None:
    house.fill("a", "b")
    source = tmp_path / "backup"
    back_up(house, source)
    shutil.rmtree(source / "blobs" / "incoming")  # of a copy that left out what was empty
    before = sorted(source.rglob("*"))
    folders = [source, *(path for path in before if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        restored, done = bring_back(source, tmp_path / "new")
    finally:
        for folder in folders:
            folder.chmod(0o700)
    assert (done.copied, done.damaged) == (2, [])
    assert restored.read_all() == house.read_all()
    assert sorted(source.rglob("*")) == before


def test_a_backup_needs_no_file_beside_the_data(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk without room for one more file is when a backup is wanted."""
    house.fill("a")
    before = {path for path in house.root.rglob("*") if not path.name.startswith("index.sqlite")}
    create, made = SystemFiles.create, []

    def without_room(self: SystemFiles, path: Path) -> int:
        if house.root in path.parents and not path.exists():
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        made.append(path)
        return create(self, path)

    monkeypatch.setattr(SystemFiles, "create", without_room)
    back_up(house, tmp_path / "backup")
    assert made
    assert {path for path in house.root.rglob("*") if not path.name.startswith("index.sqlite")} == before


def test_a_link_to_another_disk_is_refused_in_words(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.fill("a")

    def refuse(self: SystemFiles, source: Path, target: Path) -> None:
        if "blobs" in str(target):
            raise OSError(errno.EXDEV, f"cross-device link {self} {source}")
        os.link(source, target)

    monkeypatch.setattr(SystemFiles, "link", refuse)
    with pytest.raises(LocalError, match="cannot be linked"):
        back_up(house, tmp_path / "backup", link=True)


def test_a_full_disk_is_told_and_the_backup_before_stands(house: House, tmp_path: Path) -> None:
    dest = tmp_path / "small"
    dest.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m,mode=0700", "tmpfs", str(dest)]
    if os.name != "posix" or os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small file system can be mounted by root on Linux only")
    try:
        house.fill("a")
        back_up(house, dest / "backup")
        house.run(lambda store: put(store, "b", os.urandom(4_000_000)))
        with pytest.raises(FullError, match="no room"):
            back_up(house, dest / "backup")
        restored, _ = bring_back(dest / "backup", tmp_path / "new")
        assert "a" in restored.read_all()
        shutil.rmtree(tmp_path / "new")
    finally:
        subprocess.run(["umount", str(dest)], check=True)

"""The simulated files keep the port's promises, and break everything that was not promised."""

import errno
from contextlib import suppress
from pathlib import Path

import pytest

from cybous3.lab.chaos.crashfs.files import CrashFiles, Fault, PowerCut
from tests.contracts.files_contract import FilesContract, content, stored

ROOT = Path("/data")
SEEDS = range(40)


class TestCrashFiles(FilesContract):
    @pytest.fixture
    def root(self) -> Path:
        return ROOT

    @pytest.fixture
    def files(self) -> CrashFiles:
        return CrashFiles(ROOT)


def after(files: CrashFiles) -> set[tuple[tuple[str, bytes], ...]]:
    """Return all that a power cut may leave, as far as the seeds show it."""
    found = (files.after(seed).contents() for seed in SEEDS)
    return {tuple((str(path), data) for path, data in sorted(each.items())) for each in found}


def test_what_was_synced_and_named_is_there_after_every_cut() -> None:
    files = CrashFiles(ROOT)
    stored(files, ROOT / "file", b"kept")
    files.sync_directory(ROOT)
    assert after(files) == {(("file", b"kept"),)}


def test_a_name_that_was_not_synced_may_be_lost() -> None:
    files = CrashFiles(ROOT)
    stored(files, ROOT / "file", b"kept")
    assert after(files) == {(), (("file", b"kept"),)}


def test_bytes_that_were_not_synced_are_lost_torn_or_kept() -> None:
    files = CrashFiles(ROOT)
    fd = files.create(ROOT / "file")
    files.sync_directory(ROOT)
    files.write(fd, b"a" * 512 + b"b" * 512)
    a, b, zero = b"a" * 512, b"b" * 512, bytes(512)
    assert {data for ((_, data),) in after(files)} == {b"", a + b, zero + b, a + zero, zero + zero}


def test_what_an_earlier_sync_made_durable_stays() -> None:
    files = CrashFiles(ROOT)
    fd = files.create(ROOT / "file")
    files.write(fd, b"first")
    files.sync(fd)
    files.sync_directory(ROOT)
    files.write(fd, b" second")
    assert {data for ((_, data),) in after(files)} == {b"first", b"first second", b"first" + bytes(7)}


def test_renames_and_removals_happen_each_on_its_own() -> None:
    files = CrashFiles(ROOT)
    for name in ("a", "b", "c"):
        stored(files, ROOT / name, name.encode())
    files.sync_directory(ROOT)
    files.rename(ROOT / "a", ROOT / "b")
    files.unlink(ROOT / "c")
    left = [dict(each) for each in after(files)]
    assert all(each["b"] in {b"a", b"b"} for each in left)  # the old file or the new one, and never none
    assert all("a" in each or each["b"] == b"a" for each in left)  # both names perhaps, never neither
    assert {("a" in each, "c" in each) for each in left} == {(True, True), (True, False), (False, True), (False, False)}


def test_a_rename_across_directories_is_never_lost_on_both_sides() -> None:
    files = CrashFiles(ROOT)
    files.make_directory(ROOT / "from")
    files.make_directory(ROOT / "to")
    stored(files, ROOT / "from" / "file", b"x")
    files.sync_directory(ROOT)
    files.sync_directory(ROOT / "from")
    files.rename(ROOT / "from" / "file", ROOT / "to" / "file")
    assert after(files) == {
        (("from/file", b"x"),),
        (("to/file", b"x"),),
        (("from/file", b"x"), ("to/file", b"x")),
    }
    files.sync_directory(ROOT / "from")
    assert after(files) == {(("to/file", b"x"),)}


def test_a_file_with_two_names_is_one_file_after_the_cut() -> None:
    files = CrashFiles(ROOT)
    stored(files, ROOT / "one", b"1")
    files.link(ROOT / "one", ROOT / "two")
    files.sync_directory(ROOT)
    found = files.after(0)
    assert found.contents() == {Path("one"): b"1", Path("two"): b"1"}
    found.unlink(ROOT / "one")
    assert content(found, ROOT / "two") == b"1"


def test_the_power_goes_at_the_call_that_was_named_and_stays_away() -> None:
    files = CrashFiles(ROOT)
    files.crash(at=2)
    fd = files.create(ROOT / "file")
    with pytest.raises(PowerCut):
        files.write(fd, b"x")
    for call in (lambda: files.close(fd), lambda: files.unlink(ROOT / "file"), lambda: files.sync(fd)):
        with pytest.raises(PowerCut):
            call()
    assert files.cut
    assert files.log == ["create", "write"]
    assert after(files) == {(), (("file", b""),), (("file", b"x"),), (("file", b"\0"),)}


def test_a_sync_that_the_power_went_at_has_promised_nothing() -> None:
    files = CrashFiles(ROOT)
    files.crash(at=4)
    with suppress(PowerCut):
        stored(files, ROOT / "file", b"x")
        files.sync_directory(ROOT)
    assert files.log[-1] == "close"
    files = CrashFiles(ROOT)
    files.crash(at=5)
    with suppress(PowerCut):
        stored(files, ROOT / "file", b"x")
        files.sync_directory(ROOT)
    assert after(files) == {(), (("file", b"x"),)}


def test_the_same_seed_finds_the_same_files() -> None:
    files = CrashFiles(ROOT)
    fd = files.create(ROOT / "file")
    files.write(fd, bytes(range(256)) * 40)
    for seed in SEEDS:
        assert files.after(seed).contents() == files.after(seed).contents()


def test_a_killed_process_loses_nothing_and_makes_nothing_durable() -> None:
    files = CrashFiles(ROOT)
    held = files.try_lock(ROOT / "lock")
    fd = files.create(ROOT / "file")
    files.write(fd, b"x")
    following = files.killed()
    with pytest.raises(PowerCut):
        files.close(fd)
    assert content(following, ROOT / "file") == b"x"
    assert (held, following.try_lock(ROOT / "lock")) != (None, None)
    assert following.after(0).contents() == {}


def test_after_a_failed_sync_a_later_one_lies() -> None:
    """The fsync gate: the kernel has dropped the dirty marks; only what is written again is safe."""
    files = CrashFiles(ROOT)
    files.fail(Fault("sync", nth=1, error=errno.EIO))
    fd = files.create(ROOT / "file")
    files.sync_directory(ROOT)
    files.write(fd, b"a" * 512)
    with pytest.raises(OSError, match="error"):
        files.sync(fd)
    files.write(fd, b"b" * 512)
    files.sync(fd)
    assert {data for ((_, data),) in after(files)} == {b"a" * 512 + b"b" * 512, bytes(512) + b"b" * 512}


def test_a_full_disk_takes_half_and_more_when_there_is_room_again() -> None:
    files = CrashFiles(ROOT)
    files.fail(Fault("write", nth=2, error=errno.ENOSPC, lasting=True))
    fd = files.create(ROOT / "file")
    files.write(fd, b"12")
    for _ in range(2):
        with pytest.raises(OSError, match="space"):
            files.write(fd, b"3456")
    files.heal()
    files.write(fd, b"7")
    assert content(files, ROOT / "file") == b"1234347"


def test_a_file_system_that_names_what_it_syncs() -> None:
    files = CrashFiles(ROOT, sync_names_new_files=True)
    stored(files, ROOT / "file", b"x")
    assert after(files) == {(("file", b"x"),)}


def test_a_path_through_a_file_is_refused() -> None:
    files = CrashFiles(ROOT)
    stored(files, ROOT / "file", b"x")
    for call in (lambda: files.exists(ROOT / "file" / "x"), lambda: files.make_directory(ROOT / "file")):
        with pytest.raises(NotADirectoryError):
            call()
    files.make_directory(ROOT / "folder")
    with pytest.raises(IsADirectoryError):
        files.unlink(ROOT / "folder")
    with pytest.raises(IsADirectoryError):
        files.open(ROOT / "folder")

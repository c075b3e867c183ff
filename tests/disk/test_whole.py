"""Small files as a whole: what the functions promise, at every call, at every cut."""

import errno
import os
from contextlib import suppress
from pathlib import Path

import pytest

from cybous3.disk.files import SYSTEM, SystemFiles
from cybous3.disk.whole import ensure_directory, put_whole, read_whole, remove_durably
from cybous3.lab.chaos.crashfs.files import CrashFiles, Fault, PowerCut

ROOT = Path("/home")
PATH = ROOT / "file"
OLD, NEW = b"old" * 500, b"new" * 700
SEEDS = range(16)


def with_old() -> CrashFiles:
    files = CrashFiles(ROOT)
    put_whole(files, PATH, OLD, replace=True)
    return CrashFiles(ROOT, tree=files.after(0)._tree)


def calls_of(files: CrashFiles, *, replace: bool) -> int:
    with suppress(FileExistsError):
        put_whole(files, PATH, NEW, replace=replace)
    return len(files.log)


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("replace", [False, True])
def test_whole_or_not_at_all_at_every_cut(there: bool, replace: bool) -> None:
    make = with_old if there else lambda: CrashFiles(ROOT)
    total = calls_of(make(), replace=replace)
    assert total >= 6
    for at in range(1, total + 1):
        files = make()
        files.crash(at=at)
        with pytest.raises(PowerCut):
            put_whole(files, PATH, NEW, replace=replace)
        allowed = {OLD if there else None} | ({NEW} if replace or not there else set())
        found = {files.after(seed).contents().get(Path("file")) for seed in SEEDS}
        assert found <= allowed, at


@pytest.mark.parametrize("replace", [False, True])
def test_what_was_put_is_there_after_any_cut(replace: bool) -> None:
    files = CrashFiles(ROOT)
    put_whole(files, PATH, NEW, replace=replace)
    for seed in SEEDS:
        assert read_whole(files.after(seed), PATH, 10_000) == NEW
    assert list(files.contents()) == [Path("file")]


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("call", ["create", "write", "sync", "close", "link", "rename", "sync_directory"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_failure_is_told_leaves_nothing_behind_and_passes(call: str, number: int, replace: bool) -> None:
    files = CrashFiles(ROOT)
    files.fail(Fault(call, nth=1, error=number))
    unused = call == ("link" if replace else "rename")
    if unused:
        put_whole(files, PATH, NEW, replace=replace)
        return
    with pytest.raises(OSError, match=r".") as caught:
        put_whole(files, PATH, NEW, replace=replace)
    assert caught.value.errno == number
    assert files.contents() in ({}, {Path("file"): NEW})
    assert files.log.count("sync") <= 1, "a failed sync is never repeated"
    files.heal()
    put_whole(files, PATH, OLD, replace=True)
    assert files.after(0).contents() == {Path("file"): OLD}


def test_a_name_that_is_taken_is_not_replaced(tmp_path: Path) -> None:
    put_whole(SYSTEM, tmp_path / "file", OLD, replace=False)
    with pytest.raises(FileExistsError):
        put_whole(SYSTEM, tmp_path / "file", NEW, replace=False)
    assert (tmp_path / "file").read_bytes() == OLD
    put_whole(SYSTEM, tmp_path / "file", NEW, replace=True)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert read_whole(SYSTEM, tmp_path / "file", len(NEW)) == NEW


class WithoutLinks(SystemFiles):
    def link(self, source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, f"no links from {source} to {target}")


def test_where_there_are_no_hard_links_a_taken_name_is_not_replaced_either(tmp_path: Path) -> None:
    files = WithoutLinks()
    put_whole(files, tmp_path / "file", OLD, replace=False)
    with pytest.raises(FileExistsError):
        put_whole(files, tmp_path / "file", NEW, replace=False)
    assert (tmp_path / "file").read_bytes() == OLD
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_reading_stops_one_byte_beyond_the_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(3_000_000))
    assert len(read_whole(SYSTEM, tmp_path / "file", 10) or b"") == 11
    assert len(read_whole(SYSTEM, tmp_path / "file", 4_000_000) or b"") == 3_000_000
    assert read_whole(SYSTEM, tmp_path / "absent", 10) is None


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a privilege there")
def test_a_link_is_followed_where_that_was_asked(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(NEW)
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert read_whole(SYSTEM, tmp_path / "link", 10_000, follow=True) == NEW
    for name, follow in (("link", False), ("loop", True)):
        with pytest.raises(OSError, match="symbolic"):
            read_whole(SYSTEM, tmp_path / name, 10_000, follow=follow)


def test_what_was_removed_does_not_come_back() -> None:
    files = with_old()
    assert remove_durably(files, PATH)
    assert not remove_durably(files, PATH)
    assert all(files.after(seed).contents() == {} for seed in SEEDS)


def test_directories_are_there_before_anything_in_them() -> None:
    """Also where an earlier process died between making one and syncing its name."""
    deep = ROOT / "a" / "b" / "c"

    def work(files: CrashFiles) -> None:
        ensure_directory(files, deep)
        put_whole(files, deep / "file", NEW, replace=True)

    first = CrashFiles(ROOT)
    work(first)
    total = len(first.log)
    for at in range(1, total + 1):
        files = CrashFiles(ROOT)
        files.crash(at=at)
        with pytest.raises(PowerCut):
            work(files)
        for following in [files.killed(), *(files.after(seed) for seed in SEEDS)]:
            work(following)
            assert all(following.after(seed).contents()[Path("a/b/c/file")] == NEW for seed in SEEDS), at


def test_a_parent_that_nobody_may_read_was_not_made_by_us() -> None:
    files = CrashFiles(ROOT)
    files.fail(Fault("sync_directory", nth=1, error=errno.EACCES))
    ensure_directory(files, ROOT)

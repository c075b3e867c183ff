"""A file that was reported as fetched is on the disk: its bytes before its name, and its name before the report."""

import errno
from pathlib import Path

import pytest

from cybous3.client.transfer.download import Downloader
from cybous3.client.transfer.port import Restore
from cybous3.disk.files import SystemFiles
from tests.client.transfer.conftest import Bench


class Recording(SystemFiles):
    """The system's files, which note what is asked of them; one call may fail."""

    def __init__(self, failing: str = "") -> None:
        super().__init__()
        self.calls: list[str] = []
        self._failing = failing

    def sync(self, fd: int) -> None:
        self._note("sync")
        super().sync(fd)

    def rename(self, source: Path, target: Path) -> None:
        self._note(f"rename {target.name}")
        super().rename(source, target)

    def sync_directory(self, path: Path) -> None:
        self._note(f"sync {path.name}/")
        super().sync_directory(path)

    def _note(self, call: str) -> None:
        self.calls.append(call)
        if call.split(" ", maxsplit=1)[0] == self._failing:
            raise OSError(errno.EIO, "the disk is gone")


def downloader(bench: Bench, files: Recording) -> Downloader:
    return Downloader(bench.store, bench.around, bench.up._journals, files)


@pytest.fixture(name="place")
def _place(bench: Bench, tmp_path: Path) -> Path:
    (tmp_path / "f").write_bytes(b"content")
    bench.up.put_file(tmp_path / "f", "f")
    place = tmp_path / "place"
    place.mkdir()
    return place


def test_bytes_then_name_then_directory(bench: Bench, place: Path) -> None:
    files = Recording()
    downloader(bench, files).get_file("f", place / "g")
    assert files.calls == ["sync", "rename g", "sync place/"]
    assert (place / "g").read_bytes() == b"content"


def test_a_tree_waits_for_the_disk_at_its_end(bench: Bench, place: Path) -> None:
    files = Recording()
    downloader(bench, files).get_file("f", place / "g", Restore(sync=False))
    assert files.calls == []
    assert (place / "g").read_bytes() == b"content"


def test_a_failed_sync_is_told_and_nothing_is_there(bench: Bench, place: Path) -> None:
    files = Recording("sync")
    with pytest.raises(OSError, match="the disk is gone"):
        downloader(bench, files).get_file("f", place / "g")
    assert files.calls == ["sync"], "and never repeated"
    assert list(place.iterdir()) == []


def test_a_folder_is_made_with_all_that_is_missing_above_it(bench: Bench, place: Path) -> None:
    bench.up.put_folder("empty", mtime_ns=0, mode=0o755)
    files = Recording()
    downloader(bench, files).get_file("empty", place / "a" / "b")
    assert (place / "a" / "b").is_dir()
    assert {"sync place/", "sync a/"} <= set(files.calls)

import os
import socket
import sys
from pathlib import Path

import pytest

from cybous3.client.sync.filters import Filter
from cybous3.client.sync.scan import LocalFile, Skipped, scan


def test_a_tree_comes_back_in_order_with_sizes_times_and_modes(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "é.txt").write_bytes(b"12")
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "a").chmod(0o600)
    os.utime(tmp_path / "a", ns=(7, 7_000_000_000))
    found = list(scan(tmp_path, Filter()))
    assert [f.path for f in found] == ["a", "b/é.txt"]
    first = found[0]
    assert isinstance(first, LocalFile)
    assert (first.size, first.mtime_ns) == (1, 7_000_000_000)
    if os.name == "posix":
        assert first.mode == 0o600


def test_excluded_folders_are_not_even_read(tmp_path: Path) -> None:
    (tmp_path / "skip").mkdir()
    (tmp_path / "skip" / "x").write_bytes(b"")
    (tmp_path / "keep").write_bytes(b"")
    assert [f.path for f in scan(tmp_path, Filter(exclude=["skip"]))] == ["keep"]
    assert [f.path for f in scan(tmp_path, Filter(include=["nothing"]))] == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX file kinds")
def test_what_is_no_regular_file_is_named_not_dropped(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as sock:
        here = Path.cwd()
        os.chdir(tmp_path)  # a socket's path is short
        try:
            sock.bind("sock")
        finally:
            os.chdir(here)
    assert list(scan(tmp_path, Filter())) == [
        Skipped("link", "a symbolic link"),
        Skipped("pipe", "a named pipe"),
        Skipped("sock", "a socket"),
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="only here may a name be any bytes")
def test_a_name_that_is_not_text_is_skipped(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).write_bytes(b"")
    (skipped,) = scan(tmp_path, Filter())
    assert isinstance(skipped, Skipped)
    assert skipped.reason == "the name is not UTF-8"


def test_a_folder_that_vanishes_or_refuses_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locked").mkdir()
    real = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert list(scan(tmp_path, Filter())) == [Skipped("locked", "permission denied")]


def test_a_missing_root_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(scan(tmp_path / "none", Filter()))

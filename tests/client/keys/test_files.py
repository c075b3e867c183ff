"""Private files: whole or not at all, and nobody else's."""

import os
import stat
from pathlib import Path

import pytest

from cybous3.client.keys import files
from cybous3.client.keys.errors import LocalProblem
from cybous3.disk.files import SystemFiles

posix = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "f"
    assert files.read_private(path, 100) is None
    files.write_private(path, b"one")
    files.write_private(path, b"two")
    assert files.read_private(path, 100) == b"two"
    assert [each.name for each in tmp_path.iterdir()] == ["f"]


@posix
def test_nobody_else_may_read_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        files.ensure_private_directory(tmp_path / "a" / "b")
        files.write_private(tmp_path / "a" / "b" / "f", b"secret")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "a" / "b" / "f").stat().st_mode) == 0o600


@posix
def test_a_directory_that_is_too_open_is_closed(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o755)
    files.ensure_private_directory(tmp_path / "d")
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o700


def test_a_new_file_replaces_nothing(tmp_path: Path) -> None:
    path = tmp_path / "f"
    files.write_private(path, b"one", replace=False)
    assert path.read_bytes() == b"one"
    with pytest.raises(LocalProblem):
        files.write_private(path, b"two", replace=False)
    assert path.read_bytes() == b"one"
    assert [each.name for each in tmp_path.iterdir()] == ["f"]


class Full(SystemFiles):
    def sync(self, fd: int) -> None:
        raise OSError(28, "No space left on device", str(fd))


def test_a_full_disk_leaves_the_old_content_and_no_scrap(tmp_path: Path) -> None:
    path = tmp_path / "f"
    files.write_private(path, b"old")
    with pytest.raises(LocalProblem, match="no space left") as caught:
        files.write_private(path, b"new", files=Full())
    assert caught.value.exit_code == 30
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["f"]


def test_a_file_that_others_fill_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "f"
    files.ensure_private_file(path)
    assert path.read_bytes() == b""
    path.write_bytes(b"x")
    files.ensure_private_file(path)
    assert path.read_bytes() == b"x"


def test_a_file_that_another_process_makes_meanwhile_is_fine(tmp_path: Path) -> None:
    class Late(SystemFiles):
        def exists(self, path: Path) -> bool:
            found = super().exists(path)
            path.touch()
            return found

    files.ensure_private_file(tmp_path / "f", Late())
    assert (tmp_path / "f").exists()


def test_removing_is_the_same_twice(tmp_path: Path) -> None:
    files.write_private(tmp_path / "f", b"")
    assert files.remove(tmp_path / "f")
    assert not files.remove(tmp_path / "f")


def test_what_is_too_large_or_no_file_is_a_problem(tmp_path: Path) -> None:
    files.write_private(tmp_path / "f", b"12345")
    with pytest.raises(LocalProblem, match="larger than 4"):
        files.read_private(tmp_path / "f", 4)
    with pytest.raises(LocalProblem):
        files.read_private(tmp_path, 4)
    with pytest.raises(LocalProblem):
        files.ensure_private_directory(tmp_path / "f" / "below")

"""What every `Files` promises. An implementation's tests subclass `FilesContract` and bring `files` and `root`."""

import errno
from pathlib import Path

import pytest

from cybous3.disk.files import Files


def stored(files: Files, path: Path, *pieces: bytes) -> Path:
    """Create a file of these pieces."""
    fd = files.create(path)
    for piece in pieces:
        files.write(fd, piece)
    files.sync(fd)
    files.close(fd)
    return path


def content(files: Files, path: Path) -> bytes:
    """Return a file's bytes."""
    fd = files.open(path)
    try:
        return files.read(fd, files.size(fd), 0)
    finally:
        files.close(fd)


class FilesContract:
    """Everything an implementation must keep while nothing goes wrong."""

    def test_what_is_written_is_read_at_once(self, files: Files, root: Path) -> None:
        fd = files.create(root / "file")
        files.write(fd, b"one ")
        files.write(fd, b"")
        files.write(fd, b"two")
        reading = files.open(root / "file")
        assert (files.size(reading), files.read(reading, 99, 0)) == (7, b"one two")
        assert (files.read(reading, 2, 4), files.read(reading, 5, 7)) == (b"tw", b"")
        files.close(reading)
        files.close(fd)

    def test_a_file_is_created_once(self, files: Files, root: Path) -> None:
        stored(files, root / "file", b"x")
        with pytest.raises(FileExistsError):
            files.create(root / "file")
        with pytest.raises(FileNotFoundError):
            files.create(root / "absent" / "file")

    def test_appending_goes_on_where_the_file_ends(self, files: Files, root: Path) -> None:
        for piece in (b"one ", b"two"):
            fd = files.append(root / "file")
            files.write(fd, piece)
            files.close(fd)
        assert content(files, root / "file") == b"one two"

    def test_what_is_absent_is_told(self, files: Files, root: Path) -> None:
        with pytest.raises(FileNotFoundError):
            files.open(root / "absent")
        assert not files.exists(root / "absent")
        assert not files.unlink(root / "absent")
        assert not files.remove_directory(root / "absent")
        assert list(files.names(root / "absent")) == []
        with pytest.raises(FileNotFoundError):
            files.rename(root / "absent", root / "other")

    def test_directories_come_with_their_parents_and_go_empty(self, files: Files, root: Path) -> None:
        inner = root / "a" / "b"
        files.make_directory(inner)
        files.make_directory(inner)
        stored(files, inner / "file", b"x")
        assert list(files.names(root / "a")) == ["b"]
        with pytest.raises(OSError, match="not empty") as caught:
            files.remove_directory(inner)
        assert caught.value.errno == errno.ENOTEMPTY
        assert files.unlink(inner / "file")
        files.sync_directory(inner)
        assert files.remove_directory(inner)
        assert not files.exists(inner)

    def test_a_link_is_a_second_name_and_replaces_nothing(self, files: Files, root: Path) -> None:
        stored(files, root / "one", b"1")
        stored(files, root / "other", b"2")
        files.link(root / "one", root / "two")
        assert content(files, root / "two") == b"1"
        with pytest.raises(FileExistsError):
            files.link(root / "one", root / "other")
        assert files.unlink(root / "one")
        assert content(files, root / "two") == b"1"
        assert content(files, root / "other") == b"2"

    def test_a_rename_replaces(self, files: Files, root: Path) -> None:
        stored(files, root / "new", b"new")
        stored(files, root / "old", b"old")
        reading = files.open(root / "old")
        files.rename(root / "new", root / "old")
        assert content(files, root / "old") == b"new"
        assert list(files.names(root)) == ["old"]
        assert files.read(reading, 3, 0) == b"old"  # who has it open keeps the file that was opened
        files.close(reading)

    def test_a_closed_descriptor_is_of_no_use(self, files: Files, root: Path) -> None:
        fd = files.create(root / "file")
        files.begin_sync(fd, 0, 0)
        files.close(fd)
        with pytest.raises(OSError, match="descriptor"):
            files.write(fd, b"x")
        with pytest.raises(OSError, match="descriptor"):
            files.sync(fd)
        with pytest.raises(OSError, match="descriptor"):
            files.close(fd)

    def test_a_lock_has_one_holder(self, files: Files, root: Path) -> None:
        held = files.try_lock(root / "lock")
        assert held is not None
        assert files.try_lock(root / "lock") is None
        files.close(held)
        again = files.try_lock(root / "lock")
        assert again is not None
        files.close(again)
        assert files.exists(root / "lock")

    def test_what_we_make_is_open_to_nobody_else(self, files: Files, root: Path) -> None:
        files.make_directory(root / "folder")
        assert files.narrow(root / "folder") is None
        assert files.narrow(stored(files, root / "file", b"x")) is None
        with pytest.raises(FileNotFoundError):
            files.narrow(root / "absent")

    def test_a_directory_is_no_file(self, files: Files, root: Path) -> None:
        files.make_directory(root / "folder")
        stored(files, root / "file", b"x")
        with pytest.raises(OSError, match="directory"):
            files.rename(root / "file", root / "folder")
        with pytest.raises(NotADirectoryError):
            files.sync_directory(root / "file")

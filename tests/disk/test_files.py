"""The system's files: every platform's branch that can be exercised without the platform."""

import ctypes
import errno
import os
import sys
from pathlib import Path

import pytest

from cybous3.disk.files import SystemFiles, data_sync, read_by_seeking, write_back
from tests.contracts.files_contract import FilesContract


def test_linux_syncs_the_data_alone() -> None:
    assert data_sync("linux") is getattr(os, "fdatasync", os.fsync)


def test_where_there_is_no_fdatasync_the_whole_file_is_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fdatasync", raising=False)
    assert data_sync("win32") is os.fsync


def test_macos_asks_the_drive_to_empty_its_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")
    calls: list[tuple[int, int]] = []
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", lambda fd, command: calls.append((fd, command)))
    data_sync("darwin")(7)
    assert calls == [(7, 51)]


def test_macos_without_the_call_fails_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.delattr(fcntl, "F_FULLFSYNC", raising=False)
    with pytest.raises(OSError, match="F_FULLFSYNC") as caught:
        data_sync("darwin")(7)
    assert caught.value.errno == errno.ENOTSUP


class _Libc:
    """A C library whose sync_file_range fails as told."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.asked: list[tuple[int, ...]] = []

    def __call__(self, _: None, *, use_errno: bool) -> "_Libc":
        assert use_errno
        return self

    def sync_file_range(self, *arguments: int) -> int:
        self.asked.append(arguments)
        ctypes.set_errno(self._number)
        return -1 if self._number else 0


@pytest.fixture(name="libc")
def _libc(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> _Libc:
    libc = _Libc(request.param)
    # A plain method takes no `argtypes`; the wrapper does, as a foreign function would.
    call = libc.sync_file_range
    libc.sync_file_range = lambda *arguments: call(*arguments)  # type: ignore[method-assign]  # noqa: PLW0108
    monkeypatch.setattr(ctypes, "CDLL", libc)
    return libc


@pytest.mark.parametrize("libc", [0, errno.ENOSYS, errno.EINVAL], indirect=True)
def test_writing_back_is_a_hint_and_never_waits(libc: _Libc) -> None:
    """The flags that wait would take the medium's errors away from the sync that decides."""
    write_back("linux")(7, 4096, 8192)
    assert libc.asked == [(7, 4096, 8192, 2)]


@pytest.mark.parametrize("libc", [errno.EIO], indirect=True)
def test_a_medium_that_fails_early_is_heard_early(libc: _Libc) -> None:
    with pytest.raises(OSError, match="error") as caught:
        write_back("linux")(7, 0, 4096)
    assert (caught.value.errno, len(libc.asked)) == (errno.EIO, 1)


def test_where_nothing_writes_back_early_the_sync_does_it_all() -> None:
    write_back("darwin")(-1, 0, 4096)


@pytest.mark.skipif(sys.platform != "linux", reason="sync_file_range(2) is Linux's")
def test_the_system_writes_back(tmp_path: Path) -> None:
    files = SystemFiles()
    fd = files.create(tmp_path / "file")
    files.write(fd, bytes(100_000))
    files.begin_sync(fd, 0, 100_000)
    files.close(fd)
    with pytest.raises(OSError, match="descriptor"):
        files.begin_sync(fd, 0, 100_000)


def test_seeking_reads_what_pread_reads(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    files = SystemFiles()
    fd = files.open(path)
    for offset, length in ((0, 3), (8, 5), (10, 1), (2, 0)):
        assert read_by_seeking(fd, length, offset) == files.read(fd, length, offset)
    files.close(fd)


class TestSystemFiles(FilesContract):
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        return tmp_path

    @pytest.fixture
    def files(self) -> SystemFiles:
        return SystemFiles()


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a privilege there")
def test_a_link_in_place_of_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(NotADirectoryError):
        SystemFiles().make_directory(tmp_path / "link")


@pytest.mark.parametrize(("number", "raised"), [(errno.EINVAL, False), (errno.ENOTSUP, False), (errno.EIO, True)])
def test_a_share_that_cannot_sync_names_is_used_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, raised: bool
) -> None:
    def fsync(fd: int) -> None:
        raise OSError(number, f"of {fd}")

    monkeypatch.setattr(os, "fsync", fsync)
    if raised:
        with pytest.raises(OSError, match="of"):
            SystemFiles().sync_directory(tmp_path)
    else:
        SystemFiles().sync_directory(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_what_is_open_to_others_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "wide").mkdir(mode=0o755)
    assert SystemFiles().narrow(tmp_path / "wide") == 0o755
    assert (tmp_path / "wide").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(sys.platform == "darwin", reason="the drive itself is asked there: F_FULLFSYNC")
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_failed_sync_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    """Whoever swallows it acknowledges what is lost; whoever asks again gets a success that means nothing."""
    asked: list[int] = []

    def fail(fd: int) -> None:
        asked.append(fd)
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "fdatasync", fail, raising=False)
    monkeypatch.setattr(os, "fsync", fail)
    files = SystemFiles()
    fd = files.create(tmp_path / "file")
    with pytest.raises(OSError, match=os.strerror(error)) as failed:
        files.sync(fd)
    assert failed.value.errno == error
    assert len(asked) == 1
    with pytest.raises(OSError, match=os.strerror(error)):
        files.sync_directory(tmp_path)
    assert len(asked) == 2
    files.close(fd)

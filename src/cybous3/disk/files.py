"""Every call that makes a file, and what it may expect of it. Nobody else in the house promises that bytes are safe.

`Files` is the whole of what client and server know of a file system where durability counts; a simulator that loses
what was not synced (`cybous3.lab.chaos.crashfs`) stands in for the real one. The promises, and no others:

- **Bytes.** `write` is visible to every reader of the file at once. It is durable after a `sync` of a descriptor of
  that file has returned. Until then a power cut may leave any of it: all, none, some sectors of 512 bytes and not
  others, the later without the earlier, the new length over bytes of zero. What an earlier `sync` made durable stays.
- **Names.** A name that `create`, `make_directory`, `link` or `rename` gave, or `unlink` took away, is visible at once.
  It is durable after `sync_directory` of the directory it stands in. Until then a power cut may leave or undo each
  such change on its own and in any order. `link` and `rename` are atomic, at a power cut too: a name stands for the
  old file or the new one; a `rename` may leave both of its names, never neither. `link` never replaces.
- **One is not the other.** `sync` says nothing of names and `sync_directory` nothing of bytes: a file named before
  it was synced may be found empty.
- **A failed `sync`** means that anything written since the last one may be lost, and that a later success says nothing
  about it: the kernel has dropped the dirty mark. It is never repeated; the write it belongs to fails, and its bytes
  are written again from their source, or not at all. A failed `sync_directory` likewise leaves the names in doubt.
- **A failed call** of any other kind changed nothing, `write` apart: part of the data may have been written.
- Files are created with mode 0600 and directories with 0700. No call follows a symbolic link in the last component.
"""

import errno
import os
import stat
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

_CLOEXEC: Final = getattr(os, "O_CLOEXEC", 0)
_NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_BINARY: Final = getattr(os, "O_BINARY", 0)  # Windows would translate line ends
_CREATE: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | _CLOEXEC | _NOFOLLOW | _BINARY
_APPEND: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | _CLOEXEC | _NOFOLLOW | _BINARY
_NONBLOCK: Final = getattr(os, "O_NONBLOCK", 0)  # of a pipe's name: nobody may wait there for a writer
_READ: Final = os.O_RDONLY | _CLOEXEC | _NOFOLLOW | _NONBLOCK | _BINARY
_LOCK: Final = os.O_RDWR | os.O_CREAT | _CLOEXEC | _NOFOLLOW | _BINARY

_FOR_OTHERS: Final = 0o077
_SYNC_FILE_RANGE_WRITE: Final = 2
_NO_WRITE_BACK: Final = frozenset({errno.ENOSYS, errno.EINVAL, errno.EPERM, errno.EOPNOTSUPP, errno.ESPIPE})

# fsync(2): "bound to a special file which does not support synchronization".
_NO_DIRECTORY_SYNC: Final = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP})

NO_HARD_LINKS: Final = frozenset(
    {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK, errno.EACCES}
)
"""What `link` answers where a file system has no hard links (FAT, some network shares, Android)."""


class Files(Protocol):
    """A file system, as far as we need one. Every call blocks and raises OSError."""

    def make_directory(self, path: Path) -> None:
        """Make `path` and its parents; present is fine. NotADirectoryError for a link in its place."""
        ...

    def create(self, path: Path) -> int:
        """Create a file that must not exist and return its descriptor."""
        ...

    def open(self, path: Path) -> int:
        """Open for reading."""
        ...

    def append(self, path: Path) -> int:
        """Open for writing at the end, creating the file if there is none. Writes of several descriptors do not mix."""
        ...

    def write(self, fd: int, data: bytes) -> None:
        """Append all of `data`."""
        ...

    def read(self, fd: int, length: int, offset: int) -> bytes:
        """Return up to `length` bytes from `offset`; fewer only at the end."""
        ...

    def size(self, fd: int) -> int:
        """Return the length in bytes."""
        ...

    def sync(self, fd: int) -> None:
        """Make the file's bytes and length durable."""
        ...

    def begin_sync(self, fd: int, offset: int, length: int) -> None:
        """Let the medium begin to take in a range that was written. Promises nothing: `sync` alone does."""
        ...

    def close(self, fd: int) -> None:
        """Close the descriptor."""
        ...

    def link(self, source: Path, target: Path) -> None:
        """Give the file a second name. FileExistsError; an errno of NO_HARD_LINKS where that cannot be."""
        ...

    def rename(self, source: Path, target: Path) -> None:
        """Move the name, replacing."""
        ...

    def unlink(self, path: Path) -> bool:
        """Remove the name and return whether there was one."""
        ...

    def remove_directory(self, path: Path) -> bool:
        """Remove an empty directory and return whether there was one. OSError with ENOTEMPTY when it is not empty."""
        ...

    def exists(self, path: Path) -> bool:
        """Return whether the name is there."""
        ...

    def names(self, path: Path) -> Sequence[str]:
        """Return the names in a directory; none when it is absent."""
        ...

    def sync_directory(self, path: Path) -> None:
        """Make the names in a directory durable, where the file system has a call for that.

        Some shares have none, and then nothing in this house can do better than they do.
        """
        ...

    def narrow(self, path: Path) -> int | None:
        """Leave a file or directory to its owner alone, and return the mode it had if it was open to others.

        Nothing is to be done where files have no such rights.
        """
        ...

    def try_lock(self, path: Path) -> int | None:
        """Take the lock that `path` stands for, and return what holds it; None when somebody else does.

        `close` gives it back.
        """
        ...


class SystemFiles:
    """The operating system's files."""

    def __init__(self) -> None:
        self._sync = data_sync(sys.platform)
        self._begin_sync: Callable[[int, int, int], None] | None = None
        self._read: Callable[[int, int, int], bytes] = getattr(os, "pread", None) or read_by_seeking

    def make_directory(self, path: Path) -> None:
        """See Files."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.is_symlink():
            raise NotADirectoryError(errno.ENOTDIR, f"{str(path)!r} is a link and not a directory")

    def create(self, path: Path) -> int:
        """See Files."""
        return os.open(path, _CREATE, 0o600)

    def open(self, path: Path) -> int:
        """See Files."""
        return os.open(path, _READ)

    def append(self, path: Path) -> int:
        """See Files."""
        return os.open(path, _APPEND, 0o600)

    def write(self, fd: int, data: bytes) -> None:
        """See Files."""
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]

    def read(self, fd: int, length: int, offset: int) -> bytes:
        """See Files."""
        return self._read(fd, length, offset)

    def size(self, fd: int) -> int:
        """See Files."""
        return os.fstat(fd).st_size

    def sync(self, fd: int) -> None:
        """See Files."""
        self._sync(fd)

    def begin_sync(self, fd: int, offset: int, length: int) -> None:
        """See Files."""
        if self._begin_sync is None:  # asked for late: those who never write much load no ctypes
            self._begin_sync = write_back(sys.platform)
        self._begin_sync(fd, offset, length)

    def close(self, fd: int) -> None:
        """See Files."""
        os.close(fd)

    def link(self, source: Path, target: Path) -> None:
        """See Files."""
        os.link(source, target, follow_symlinks=True)

    def rename(self, source: Path, target: Path) -> None:
        """See Files."""
        source.replace(target)

    def unlink(self, path: Path) -> bool:
        """See Files."""
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        return True

    def remove_directory(self, path: Path) -> bool:
        """See Files."""
        try:
            path.rmdir()
        except FileNotFoundError:
            return False
        return True

    def exists(self, path: Path) -> bool:
        """See Files."""
        return os.path.lexists(path)

    def names(self, path: Path) -> Sequence[str]:
        """See Files."""
        try:
            return sorted(entry.name for entry in path.iterdir())
        except FileNotFoundError:
            return ()

    def sync_directory(self, path: Path) -> None:
        """See Files. Windows keeps names in a journal of its own and has no such call."""
        if sys.platform == "win32":  # pragma: no cover  # its own runner's job
            return
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _CLOEXEC)
        try:
            os.fsync(fd)
        except OSError as error:
            if error.errno not in _NO_DIRECTORY_SYNC:
                raise
        finally:
            os.close(fd)

    def narrow(self, path: Path) -> int | None:
        """See Files."""
        mode = stat.S_IMODE(path.stat().st_mode)
        if os.name != "posix" or not mode & _FOR_OTHERS:
            return None
        path.chmod(mode & ~_FOR_OTHERS)
        return mode

    def try_lock(self, path: Path) -> int | None:
        """See Files."""
        fd = os.open(path, _LOCK, 0o600)
        if _try_lock(fd):
            return fd
        os.close(fd)
        return None


def data_sync(platform: str) -> Callable[[int], None]:
    """Return what makes bytes durable on `platform` (a `sys.platform`).

    Linux needs no more than `fdatasync`: the times of a file are not worth a journal commit. On macOS `fsync` leaves
    the bytes in the drive's cache and only F_FULLFSYNC gets them out (fsync(2)). Windows maps `fsync` to
    FlushFileBuffers.
    """
    if platform == "darwin":
        return _full_sync
    return getattr(os, "fdatasync", None) or os.fsync


def write_back(platform: str) -> Callable[[int, int, int], None]:
    """Return what makes `platform` begin to write a range back without waiting for it; nothing where there is no such.

    On Linux that is sync_file_range(2), which Python does not offer, with SYNC_FILE_RANGE_WRITE alone: the flags that
    wait would take note of an error that the medium told, and the sync that decides would then not see it.
    """
    import ctypes  # noqa: PLC0415  # a start pays for it otherwise, of a client that writes three small files

    call = getattr(ctypes.CDLL(None, use_errno=True), "sync_file_range", None) if platform == "linux" else None
    if call is None:
        return lambda _fd, _offset, _length: None
    call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)

    def begin(fd: int, offset: int, length: int) -> None:
        if call(fd, offset, length, _SYNC_FILE_RANGE_WRITE) == 0:
            return
        number = ctypes.get_errno()
        if number not in _NO_WRITE_BACK:
            raise OSError(number, os.strerror(number))

    return begin


def _full_sync(fd: int) -> None:
    import fcntl  # noqa: PLC0415  # does not exist on Windows

    full: int | None = getattr(fcntl, "F_FULLFSYNC", None)
    if full is None:
        raise OSError(errno.ENOTSUP, "this system promises F_FULLFSYNC and does not have it")
    fcntl.fcntl(fd, full)


_SEEKING: Final = threading.Lock()


def read_by_seeking(fd: int, length: int, offset: int) -> bytes:
    """Do what `pread` does, where there is none: two calls that nobody else may come between."""
    with _SEEKING:
        os.lseek(fd, offset, os.SEEK_SET)
        return os.read(fd, length)


if sys.platform == "win32":  # pragma: no cover  # its own runner's job
    import msvcrt

    def _try_lock(fd: int) -> bool:
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


SYSTEM: Final = SystemFiles()
"""The system's files, for those who are not given others. It holds nothing open."""

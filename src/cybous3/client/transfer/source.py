"""Where plaintext comes from: a file, read at any place by many threads, or a stream, read once.

A file must not change while it is stored: an object mixed from two states would be authentic and wrong. Its identity is
taken at the start and compared at the end; only then does the object become visible.
"""

import os
import stat
from io import FileIO
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import BinaryIO, Final, NamedTuple, Self

from cybous3.client.transfer.errors import SourceChanged, Unusable

_WORD: Final = 1 << 64
_WITHOUT_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Identity(NamedTuple):
    """What tells one state of a file from another. A change of content also moves `ctime_ns`, whatever mtime says."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    def __str__(self) -> str:
        """Return it as it is noted: of one length, so that what a transfer writes does not depend on the machine."""
        return "-".join(f"{value % _WORD:016x}" for value in self)


class FileSource:
    """An open regular file. `read_into` may be called from many threads at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Without waiting: a pipe would wait for its other end. On a regular file the flag means nothing.
        descriptor = os.open(path, os.O_RDONLY | _WITHOUT_WAITING)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise Unusable(f"{path}: not a regular file", hint="pipes and devices go through '-'")
        self._file = FileIO(descriptor, "rb")
        self.identity = _identity(status)
        self.size = status.st_size
        self.mtime_ns = status.st_mtime_ns
        self.mode = status.st_mode & 0o7777
        self._lock = Lock()

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill `buffer` from `offset`. SourceChanged when the file has become shorter."""
        filled = 0
        while filled < len(buffer):
            count = self._read_at(buffer[filled:], offset + filled)
            if not count:
                raise self._changed()
            filled += count

    def _read_at(self, buffer: memoryview, offset: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._file.fileno(), [buffer], offset)
        with self._lock:  # Windows: one position per open file
            self._file.seek(offset)
            count: int | None = self._file.readinto(buffer)
            return count or 0

    def check_unchanged(self) -> None:
        """Raise SourceChanged if the file is no longer what it was when it was opened."""
        if _identity(os.fstat(self._file.fileno())) != self.identity:
            raise self._changed()

    def _changed(self) -> SourceChanged:
        return SourceChanged(f"{self.path}: changed while it was being stored", hint="run the command again")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _identity(status: os.stat_result) -> Identity:
    return Identity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def read_full(stream: BinaryIO, buffer: memoryview) -> int:
    """Fill `buffer` from a stream and return how much came; less only at its end."""
    filled = 0
    while filled < len(buffer):
        count: int | None = stream.readinto(buffer[filled:])  # type: ignore[attr-defined]  # every binary stream has it
        if not count:
            break
        filled += count
    return filled

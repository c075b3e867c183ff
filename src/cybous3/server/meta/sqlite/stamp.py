"""A mark of the index's state that costs a memory read: the header of SQLite's own wal-index.

Every commit of every process, ours or not, rewrites that header in shared memory before it returns (SQLite: "WAL-mode
File Format", §2.1 "The WAL-Index Header": two copies of 48 bytes with a change counter, the last valid frame, salts
and a checksum). SQLite itself compares it at the start of each read to see whether its own pages are still good; so
what was read under one mark is, under the same mark, what a read would find now. Comparing takes 0.2 us; a read takes
25, most of it locks. Linux and macOS; elsewhere there is no mark, and nothing is remembered.

POSIX drops every lock that a process holds on a file when it closes any descriptor of it (fcntl(2)), SQLite's too. So
one descriptor is kept a file, shared by all the indexes of the process that have it open, and closed after the last
of their connections.
"""

import mmap
import os
import struct
from pathlib import Path
from typing import Final

HEADER_BYTES: Final = 96  # both copies
_NOTHING: Final = bytes(HEADER_BYTES)
UNKNOWN: Final = b""
_FRAMES: Final = struct.Struct("=16xI")  # mxFrame: "index of the last valid frame in the WAL"


class _Shared:
    """One mapped wal-index, and how many have it."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            self.header = mmap.mmap(self._fd, mmap.PAGESIZE, access=mmap.ACCESS_READ)
        except (OSError, ValueError):
            os.close(self._fd)
            raise
        self.users = 0

    def close(self) -> None:
        self.header.close()
        os.close(self._fd)


_shared: dict[tuple[int, int], _Shared] = {}  # by device and inode


class Stamp:
    """The mark of one index. Open it while a connection is open, close it after the connections."""

    def __init__(self, place: tuple[int, int] | None) -> None:
        self._place = place
        self._header: mmap.mmap | None = None
        if place is not None:
            _shared[place].users += 1
            self._header = _shared[place].header

    def read(self) -> bytes:
        """Return the mark; b"" when there is none to compare with."""
        if self._header is None:
            return UNKNOWN
        mark = self._header[:HEADER_BYTES]
        return UNKNOWN if mark == _NOTHING else mark

    def frames(self) -> int | None:
        """Return how many frames of the log belong to commits that readers see; None when that cannot be told."""
        mark = self.read()
        if mark == UNKNOWN or mark[: HEADER_BYTES // 2] != mark[HEADER_BYTES // 2 :]:
            return None
        count: int = _FRAMES.unpack_from(mark)[0]
        return count

    def close(self) -> None:
        """Give the mapping back. May be called twice."""
        place, self._place, self._header = self._place, None, None
        if place is None:
            return
        shared = _shared[place]
        shared.users -= 1
        if not shared.users:
            del _shared[place]
            shared.close()


def open_stamp(index: Path, platform: str = os.name) -> Stamp:
    """Return the mark of the index at `index`, which must be open in WAL mode. OSError."""
    if platform != "posix":
        return Stamp(None)
    path = index.with_name(f"{index.name}-shm")
    found = path.stat()
    place = found.st_dev, found.st_ino
    if place not in _shared:
        if found.st_size < mmap.PAGESIZE:  # a page of 64 KiB, and a wal-index of 32: then without
            return Stamp(None)
        _shared[place] = _Shared(path)
    return Stamp(place)

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
import sys
from pathlib import Path
from typing import Final, NamedTuple

from cybous3.disk.files import SYSTEM
from cybous3.server.meta.sqlite.log import advance

HEADER_BYTES: Final = 96  # both copies
_COPY_BYTES: Final = HEADER_BYTES // 2
_NOTHING: Final = bytes(HEADER_BYTES)
UNKNOWN: Final = b""
_FRAMES: Final = struct.Struct("=16xI")  # mxFrame: "index of the last valid frame in the WAL"
_SALTS: Final = struct.Struct(">32x2I")  # as they stand in the log
_SUMS: Final = struct.Struct("=40x2I")
_SUMMED_BYTES: Final = 40
_BACKFILLED: Final = struct.Struct("=96xI")  # nBackfill, behind the headers
_BIG: Final = int(sys.byteorder == "big")


class WalIndex(NamedTuple):
    """What a wal-index says of its log: how many frames are committed, how many of them are in the tables as well."""

    frames: int
    copied: int
    salts: tuple[int, int]


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


def is_open_here(index: Path) -> bool:
    """Return whether this process has the index open."""
    try:
        found = _shared_of(index).stat()
    except FileNotFoundError:
        return False
    return (found.st_dev, found.st_ino) in _shared


def last_known(index: Path) -> WalIndex | None:
    """Return what the wal-index beside `index` was when its last process died; None when it says nothing, or is gone.

    SQLite writes the second copy first, each with a sum, after the commit is synced: the first is a state that had been
    committed, whenever the process died. Not for an index that this process has open: see the module. OSError.
    """
    try:
        fd = SYSTEM.open(_shared_of(index))
    except FileNotFoundError:
        return None
    try:
        raw = SYSTEM.read(fd, _BACKFILLED.size, 0)
    finally:
        SYSTEM.close(fd)
    if len(raw) < _BACKFILLED.size:
        return None
    for copy in (raw[:_COPY_BYTES], raw[_COPY_BYTES:HEADER_BYTES]):
        if any(copy) and advance((0, 0), copy[:_SUMMED_BYTES], _BIG) == _SUMS.unpack_from(copy):
            return WalIndex(_FRAMES.unpack_from(copy)[0], _BACKFILLED.unpack(raw)[0], _SALTS.unpack_from(copy))
    return None


def _shared_of(index: Path) -> Path:
    return index.with_name(f"{index.name}-shm")


def open_stamp(index: Path, platform: str = os.name) -> Stamp:
    """Return the mark of the index at `index`, which must be open in WAL mode. OSError."""
    if platform != "posix":
        return Stamp(None)
    path = _shared_of(index)
    found = path.stat()
    place = found.st_dev, found.st_ino
    if place not in _shared:
        if found.st_size < mmap.PAGESIZE:  # a page of 64 KiB, and a wal-index of 32: then without
            return Stamp(None)
        _shared[place] = _Shared(path)
    return Stamp(place)

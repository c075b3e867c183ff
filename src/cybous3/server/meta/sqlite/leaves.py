"""The rows of an index file without its trees: each page by itself, each row found where its page says.

A file that SQLite refuses has most of its pages as they were. A leaf says by itself where its rows begin, and a row
says what it is; nothing above is needed. Rows of tables without rowid stand in the inner pages of their trees as well,
so those are read too. Nothing here judges whether a row is what was written: its sum does (`sums`).

The log is read as SQLite reads it, and further: where a frame is not what was written, SQLite stops; here the
frames behind it count too, because each can be judged by the sum that stands in the one before it. Of a page the last
whole, committed frame is what counts. The files are only read.

File format: SQLite, "Database File Format", §1.5-1.6 (pages), §2.1 (records), §4 (the log).
"""

import os
import struct
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from cybous3.server.meta.sqlite.log import HEADER_BYTES, PAGE_BYTES, Frame, frames, read_header
from cybous3.server.meta.sqlite.opened import Opening

TABLE_LEAF: Final = 0x0D
INDEX_LEAF: Final = 0x0A
INDEX_INNER: Final = 0x02
TABLE_INNER: Final = 0x05
_HEAD_BYTES: Final = {TABLE_LEAF: 8, INDEX_LEAF: 8, INDEX_INNER: 12, TABLE_INNER: 12}
_FILE_HEAD_BYTES: Final = 100
_CHAIN_BYTES: Final = PAGE_BYTES - 4
_TABLE_LOCAL_MAX: Final = PAGE_BYTES - 35
_INDEX_LOCAL_MAX: Final = (PAGE_BYTES - 12) * 64 // 255 - 23
_LOCAL_MIN: Final = (PAGE_BYTES - 12) * 32 // 255 - 23
_COLUMNS_MAX: Final = 64  # more than any table of ours has
_INTEGERS: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_U32: Final = struct.Struct(">I")
_U16: Final = struct.Struct(">H")
_FREELIST: Final = struct.Struct(">28xIII")  # of page 1: pages of the file, first trunk, free pages
_SALT_VOTES: Final = 3


class UnreadableError(Exception):
    """A cell that cannot be: its page, or a page that it goes on in, is not what was written."""


class Place(NamedTuple):
    """Where a row stands."""

    page: int
    cell: int


class Pages:
    """The pages of an index file as its log leaves them. A page that is missing or cannot be read is empty."""

    def __init__(self, path: Path) -> None:
        """Open what there is of the two files. OSError when one is there and cannot be opened."""
        self._file = _open(path)
        self._log = _open(path.with_name(f"{path.name}-wal"))
        self.bad_frames = 0
        self._overlay, last = ({}, 0) if self._log is None else self._read_log(self._log)
        self.missing_frames = Opening(path).frames_missing(last)
        self.unreadable: set[int] = set()
        size = 0 if self._file is None else os.fstat(self._file).st_size
        self._held = -(-size // PAGE_BYTES)
        self.count = max([self._held, *self._overlay])

    @property
    def present(self) -> bool:
        """Whether there is a file at all."""
        return self._file is not None or self._log is not None

    def numbers(self) -> Iterator[int]:
        """Yield the numbers of the pages that there are."""
        yield from range(1, self._held + 1)
        yield from sorted(number for number in self._overlay if number > self._held)

    def close(self) -> None:
        """Close the files."""
        for fd in (self._file, self._log):
            if fd is not None:
                os.close(fd)

    def read(self, number: int) -> bytes:
        """Return a page, filled up with zeros where the file is cut."""
        offset = self._overlay.get(number)
        fd = self._file if offset is None else self._log
        if fd is None or not 0 < number <= self.count:
            return bytes(PAGE_BYTES)
        try:
            found = os.pread(fd, PAGE_BYTES, (number - 1) * PAGE_BYTES if offset is None else offset)
        except OSError:  # a bad sector: what else there is counts
            self.unreadable.add(number)
            return bytes(PAGE_BYTES)
        return found.ljust(PAGE_BYTES, b"\0")

    def _read_log(self, fd: int) -> tuple[dict[int, int], int]:
        """Return where in the log the pages are that commits left there, and the number of its last frame."""
        header = read_header(os.pread(fd, HEADER_BYTES, 0))
        order = int(sys.byteorder == "big") if header is None else header.order
        salts = _guess_salts(fd, order) if header is None else header.salts
        committed: dict[int, int] = {}
        pending: dict[int, int] = {}
        last = -1 if header is None else 0
        for frame in frames(fd, order, None if header is None else header.sums):
            follows = frame.whole and frame.number == last + 1  # sums do not cover salts; an older log's do not follow
            if frame.salts != salts and not follows:
                continue
            last = frame.number
            self.bad_frames += not frame.whole or frame.salts != salts
            if not frame.whole:
                continue
            pending[frame.page] = frame.offset
            if frame.commit:
                committed |= pending
                pending = {}
        return committed, max(0, last)


def _guess_salts(fd: int, order: int) -> tuple[int, int]:
    """Return the salts that most of the first frames have."""
    votes = Counter(frame.salts for frame in islice(_frames(fd, order), _SALT_VOTES))
    return votes.most_common(1)[0][0] if votes else (0, 0)


def _frames(fd: int, order: int) -> Iterator[Frame]:
    return frames(fd, order, None)


def _open(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        return None


def kind_of(page: bytes, number: int) -> int:
    """Return the page's type; 0 when it is no page of a tree."""
    kind = page[_FILE_HEAD_BYTES if number == 1 else 0]
    return kind if kind in _HEAD_BYTES else 0


def children(page: bytes, number: int) -> Iterator[int]:
    """Yield the pages that an inner page refers to, right or wrong."""
    kind = kind_of(page, number)
    if kind not in (INDEX_INNER, TABLE_INNER):
        return
    start = _FILE_HEAD_BYTES if number == 1 else 0
    yield _U32.unpack_from(page, start + 8)[0]
    for at in _cells(page, number, kind):
        if at + 4 <= PAGE_BYTES:
            yield _U32.unpack_from(page, at)[0]


def free_pages(pages: Pages) -> set[int]:
    """Return the pages that the list of free pages names, as far as it can be followed."""
    _, trunk, count = _FREELIST.unpack_from(pages.read(1))
    found: set[int] = set()
    while 0 < trunk <= pages.count and trunk not in found and len(found) < count:
        page = pages.read(trunk)
        following, listed = struct.unpack_from(">II", page)
        found.add(trunk)
        if listed > PAGE_BYTES // 4 - 2:
            break
        found.update(struct.unpack_from(f">{listed}I", page, 8))
        trunk = following
    return found


def rows_of(pages: Pages, number: int) -> Iterator[tuple[Place, int, int, tuple[Any, ...] | None]]:
    """Yield the rows that begin on a page: place, type of page, rowid, values. None: the row cannot be read."""
    page = pages.read(number)
    kind = kind_of(page, number)
    if kind in (0, TABLE_INNER):
        return
    for index, at in enumerate(_cells(page, number, kind)):
        try:
            rowid, payload = _payload(pages, page, kind, at)
            yield Place(number, index), kind, rowid, _record(payload)
        except (UnreadableError, UnicodeDecodeError, struct.error, IndexError):
            yield Place(number, index), kind, 0, None


def row_at(pages: Pages, place: Place) -> tuple[int, tuple[Any, ...]]:
    """Return rowid and values of a row that `rows_of` could read."""
    page = pages.read(place.page)
    kind = kind_of(page, place.page)
    start = _FILE_HEAD_BYTES if place.page == 1 else 0
    at = _U16.unpack_from(page, start + _HEAD_BYTES[kind] + 2 * place.cell)[0]
    rowid, payload = _payload(pages, page, kind, at)
    return rowid, _record(payload)


def _cells(page: bytes, number: int, kind: int) -> Iterator[int]:
    start = _FILE_HEAD_BYTES if number == 1 else 0
    pointers = start + _HEAD_BYTES[kind]
    count = min(_U16.unpack_from(page, start + 3)[0], (PAGE_BYTES - pointers) // 2)
    for index in range(count):
        yield _U16.unpack_from(page, pointers + 2 * index)[0]


def _payload(pages: Pages, page: bytes, kind: int, at: int) -> tuple[int, bytes]:
    """Return the rowid, 0 where there is none, and the whole record of a cell."""
    if kind == INDEX_INNER:
        at += 4
    size, at = _varint(page, at)
    rowid, at = _varint(page, at) if kind == TABLE_LEAF else (0, at)
    local_max = _TABLE_LOCAL_MAX if kind == TABLE_LEAF else _INDEX_LOCAL_MAX
    if size <= local_max:
        if at + size > PAGE_BYTES:
            raise UnreadableError
        return rowid, page[at : at + size]
    if size > pages.count * PAGE_BYTES:
        raise UnreadableError
    local = _LOCAL_MIN + (size - _LOCAL_MIN) % _CHAIN_BYTES
    if local > local_max:
        local = _LOCAL_MIN
    if at + local + 4 > PAGE_BYTES:
        raise UnreadableError
    first = _U32.unpack_from(page, at + local)[0]
    return rowid, page[at : at + local] + _chain(pages, first, size - local)


def _chain(pages: Pages, number: int, missing: int) -> bytes:
    pieces = []
    while missing > 0:
        if not 0 < number <= pages.count:
            raise UnreadableError
        page = pages.read(number)
        pieces.append(page[4 : 4 + missing])
        missing -= _CHAIN_BYTES
        number = _U32.unpack_from(page)[0]
    return b"".join(pieces)


def _record(payload: bytes) -> tuple[Any, ...]:
    end, at = _varint(payload, 0)
    types = []
    while at < end:
        serial = payload[at]
        if serial < 0x80:  # noqa: PLR2004  # nearly always; the highest bit says that more follows
            at += 1
        else:
            serial, at = _varint(payload, at)
        types.append(serial)
        if len(types) > _COLUMNS_MAX:
            raise UnreadableError
    values: list[int | bytes | str | None] = []
    for serial in types:
        if not serial:  # NULL, as most columns of most rows are
            values.append(None)
            continue
        value, at = _value(payload, at, serial)
        values.append(value)
    return tuple(values)


def _value(data: bytes, at: int, serial: int) -> tuple[Any, int]:
    if serial in (0, 8, 9):
        return (None if serial == 0 else serial - 8), at
    if serial in _INTEGERS:
        end = at + _INTEGERS[serial]
        value: int | bytes | str = int.from_bytes(data[at:end], signed=True)
    else:
        end = at + (serial - 12) // 2
        if serial < 12 or end > len(data):  # noqa: PLR2004  # from 12 on text and bytes; below, nothing that we write
            raise UnreadableError
        value = data[at:end].decode() if serial % 2 else data[at:end]
    if end > len(data):
        raise UnreadableError
    return value, end


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a signed number of 1 to 9 bytes and where it ends. IndexError behind the end."""
    value = 0
    for index in range(at, at + 8):
        byte = data[index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:  # noqa: PLR2004  # the highest bit says that more follows
            return value, index + 1
    value = value << 8 | data[at + 8]
    return value - (1 << 64) if value >> 63 else value, at + 9

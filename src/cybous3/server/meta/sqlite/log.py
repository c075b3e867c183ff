"""SQLite's write-ahead log as a file: how far it goes, whether its frames are whole, and what to do when a sync failed.

After a failed fsync the kernel drops the dirty marks of what it could not write, and a later fsync succeeds without it.
SQLite does not take that into account. Frames that were appended without a sync (buckets that are not `strict`) would
then be missing on the medium under frames that were synced later: at a power cut the log ends at the hole, and
acknowledged commits behind it are gone; or a checkpoint copies pages whose log was never durable. So after any failed
sync of a commit or a checkpoint, and before anything else is committed, the log is made durable anew from what the
system still shows of it: every frame up to the last commit that readers see is verified by the log's own checksum
chain, written again in its place, byte for byte, and synced. Rewriting is what makes the pages dirty again; readers see
no difference. Until that has succeeded nothing is committed. If the chain is broken the log has lost frames and nobody
can bring them back: every further commit is refused, and the next start ends the log at the last whole commit.

The frames of the failed commit itself stand behind. Readers do not see them, the next commit overwrites them, but
recovery after a crash would take them for committed: whoever was told "failed" would find it done, without its blobs.
So the heads of the frames behind the last commit are overwritten with zeros in the same step.

File format: SQLite, "WAL-mode File Format", §1 "The Main WAL File": a header of 32 bytes, then frames, each a header of
24 bytes and a page.
"""

import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

from cybous3.disk.files import SYSTEM
from cybous3.server.meta.space import NO_SPACE, measure
from cybous3.server.meta.sqlite.errors import BrokenIndexError

PAGE_BYTES: Final = 4096
HEADER_BYTES: Final = 32
FRAME_HEADER_BYTES: Final = 24
FRAME_BYTES: Final = FRAME_HEADER_BYTES + PAGE_BYTES
_MAGIC: Final = 0x377F0682  # with the lowest bit set, checksums are over big-endian words
_MASK: Final = 0xFFFFFFFF
_HEADER: Final = struct.Struct(">8I")  # magic, version, page size, checkpoint number, two salts, two sums
_FRAME: Final = struct.Struct(">6I")  # page, pages after the commit or 0, two salts, two sums
_WORDS: Final = {0: struct.Struct("<II"), 1: struct.Struct(">II")}

_LANES: Final = 256  # frames judged together: 1 MiB
_SUMMED_WORDS: Final = (
    0,
    *range(FRAME_HEADER_BYTES // 8, FRAME_BYTES // 8),
)  # pairs of them: a frame's sum covers these

Sums = tuple[int, int]


class Frame(NamedTuple):
    """One frame of the log. `whole`: its sum follows from that of the frame before it."""

    number: int  # from 1
    page: int
    commit: bool  # the last of its transaction
    whole: bool
    salts: tuple[int, int]
    offset: int  # of the page's content in the file


class LogHeader(NamedTuple):
    """The head of the log."""

    order: int
    salts: tuple[int, int]
    sums: Sums


class BrokenLogError(BrokenIndexError):
    """The log has lost frames that were committed."""


def read_header(head: bytes) -> LogHeader | None:
    """Return the head of a log; None when it is not one of ours, or not what was written."""
    if len(head) < HEADER_BYTES:
        return None
    magic, _, page_bytes, _, *rest = _HEADER.unpack_from(head)
    if magic & ~1 != _MAGIC or page_bytes != PAGE_BYTES:
        return None
    order = magic & 1
    if advance((0, 0), head[:24], order) != (rest[2], rest[3]):
        return None
    return LogHeader(order, (rest[0], rest[1]), (rest[2], rest[3]))


def advance(sums: Sums, data: bytes, order: int) -> Sums:
    """Return the log's checksum carried on over `data`, a multiple of 8 bytes."""
    first, second = sums
    for even, odd in _WORDS[order].iter_unpack(data):
        first = (first + even + second) & _MASK
        second = (second + odd + first) & _MASK
    return first, second


def frames(fd: int, order: int, sums: Sums | None) -> Iterator[Frame]:
    """Yield every frame of the file, judged by the sum that stands in the one before it.

    The first is judged by `sums`, the header's; None: it cannot be judged and counts as whole.
    """
    number, before = 1, sums
    while count := len(raw := os.pread(fd, _LANES * FRAME_BYTES, _start_of(number))) // FRAME_BYTES:
        heads = [_FRAME.unpack_from(raw, at * FRAME_BYTES) for at in range(count)]
        seeds = [before or (0, 0), *(head[4:] for head in heads[:-1])]
        for head, found in zip(heads, _advance_all(memoryview(raw)[: count * FRAME_BYTES], seeds, order), strict=True):
            page, size, salt1, salt2, *kept = head
            if page:
                whole = before is None or found == (kept[0], kept[1])
                yield Frame(number, page, size != 0, whole, (salt1, salt2), _start_of(number) + FRAME_HEADER_BYTES)
            before = kept[0], kept[1]
            number += 1


def _start_of(number: int) -> int:
    return HEADER_BYTES + (number - 1) * FRAME_BYTES


def _advance_all(raw: memoryview, seeds: Sequence[Sums], order: int) -> list[Sums]:
    """Return what `advance` says of each of several frames, each begun with a sum of its own.

    All at once: frame by frame in one number, 64 bits each, so that the additions of 32 bits have room to carry. It
    costs 30 us a frame instead of 150, and the log of a killed server is to be walked before its start is over.
    """
    ends: Literal["little", "big"] = "big" if order else "little"
    lanes = struct.Struct(f"{'>' if order else '<'}{len(seeds)}Q")

    def spread(values: Iterable[int]) -> int:
        return int.from_bytes(lanes.pack(*values), ends)

    low, high = (32, 0) if order else (0, 32)  # where a pair of words has its first, and its second
    mask = spread([_MASK] * len(seeds))
    first, second = spread(one for one, _ in seeds), spread(two for _, two in seeds)
    words = raw.cast("Q")
    for at in _SUMMED_WORDS:
        pair = int.from_bytes(words[at :: FRAME_BYTES // 8].tobytes(), ends)
        first = (first + (pair >> low & mask) + second) & mask
        second = (second + (pair >> high & mask) + first) & mask
    size = lanes.size
    return list(zip(lanes.unpack(first.to_bytes(size, ends)), lanes.unpack(second.to_bytes(size, ends)), strict=True))


def make_durable(log: Path, last: int) -> None:
    """Write the frames up to number `last` again, end the log behind them, and sync it.

    Call under the writer lock, with no transaction open. OSError of the medium; BrokenLogError when a frame is not what
    was committed.
    """
    fd = os.open(log, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    try:
        _verify(fd, last)
        for offset in range(0, HEADER_BYTES + last * FRAME_BYTES, FRAME_BYTES):
            length = min(FRAME_BYTES, HEADER_BYTES + last * FRAME_BYTES - offset)
            _write(fd, os.pread(fd, length, offset), offset)
        if os.fstat(fd).st_size > _start_of(last + 1):
            _write(fd, bytes(FRAME_HEADER_BYTES), _start_of(last + 1))
        _end(fd, last)
        SYSTEM.sync(fd)
    finally:
        os.close(fd)


def sync(log: Path) -> None:
    """Make what stands in the log durable. OSError."""
    fd = SYSTEM.append(log)
    try:
        SYSTEM.sync(fd)
    finally:
        SYSTEM.close(fd)


def end(log: Path, last: int) -> None:
    """Leave nothing behind frame number `last` that belongs to this log, durably.

    What stands there was never committed: a transaction that failed, or the end that a power cut tore. Later commits
    overwrite it from its beginning, and what remains of it would look like the end of something lost. Call as
    `make_durable`. OSError.
    """
    fd = os.open(log, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    try:
        if _end(fd, last):
            SYSTEM.sync(fd)
    finally:
        os.close(fd)


def _end(fd: int, last: int) -> bool:
    """Overwrite the heads of frames behind `last` that have this log's salts, and return whether there were any."""
    header = read_header(os.pread(fd, HEADER_BYTES, 0))
    if header is None:
        return False
    salts = struct.pack(">2I", *header.salts)
    found = False
    at = _start_of(last + 1)
    while len(head := os.pread(fd, FRAME_HEADER_BYTES, at)) == FRAME_HEADER_BYTES:
        if head[8:16] == salts:
            found = True
            _write(fd, bytes(FRAME_HEADER_BYTES), at)
        at += FRAME_BYTES
    return found


def lay_out(log: Path, wanted: int) -> None:
    """Write the log's space before it is needed, so that a commit overwrites instead of appending.

    A sync that makes a file longer also commits the file system's journal: 1.8 ms against 0.45 ms, measured on ext4.
    SQLite reads the log up to the first frame whose checksum or salt is wrong, so zeros behind its end are nothing.
    Call under the writer lock and with a connection open, so that nobody writes or removes the log meanwhile. On a disk
    without the room for it the log grows as it must. OSError for any other reason.
    """
    fd = SYSTEM.append(log)
    try:
        missing = wanted - (begin := SYSTEM.size(fd))
        if missing <= 0 or not _has_room(log.parent, missing):
            return
        try:
            SYSTEM.write(fd, bytes(missing))
            SYSTEM.sync(fd)
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            os.ftruncate(fd, begin)
    finally:
        SYSTEM.close(fd)


def _has_room(directory: Path, missing: int) -> bool:
    space = measure(directory)
    return space is None or space.free >= missing + space.reserve // 2


def _verify(fd: int, last: int) -> None:
    if not last:
        return
    header = read_header(os.pread(fd, HEADER_BYTES, 0))
    if header is None:
        raise BrokenLogError("the head of the index's log is not what was written")
    for number, frame in enumerate(frames(fd, header.order, header.sums), start=1):
        if frame.number != number or not frame.whole or frame.salts != header.salts:
            break
        if number == last:
            return
    raise BrokenLogError("the index's log has lost what was committed; stop the server and start it again")


def _write(fd: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(fd, data, offset)
        data, offset = data[written:], offset + written

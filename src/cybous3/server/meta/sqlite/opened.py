"""What an index's log must still hold when the index is opened, found out before SQLite sees it.

Of a log that is not what was written SQLite believes the part before the first frame whose sum is wrong, copies that
into the tables, and removes the rest; without a log it believes the tables. Either is right after a power cut, which
tears the end of a log that nobody had synced, and wrong for a log that was damaged or removed: acknowledged commits are
gone, and nobody hears of it. So it is judged before, and a log that has lost something stays as it is, byte for byte,
for `fsck --rebuild`, which reads behind the damage (`leaves`).

There are two witnesses. Beside the index stands a note, `index.opened`: the boot of the machine in which it was opened
last, and whether commits may be in its log that nobody synced.

- **The machine has not stopped since.** Whatever processes died, no write is lost. The wal-index, which lies in shared
  memory with a name, still says how many frames are committed and how many of those the tables hold already. So the log
  must hold every committed frame, each with a sum that follows from the one before; without one, the tables must hold
  all of them. That sees every flipped bit, a cut, an empty and a removed log.
- **It has.** Then the wal-index means nothing. Where every commit is synced
  before the next begins, a power cut can tear one transaction at most, the last. So no more than one commit may stand
  behind a frame whose sum is wrong. And the log's head lies in one sector: it is the old one or the new one. Damage in
  the last two transactions cannot be told from a power cut.
  Where commits may be unsynced (`relaxed`, `none`), nothing can be said.

Where nothing is known of the boot (not Linux), or the wal-index cannot be read or is older than the log, as a snapshot
of a file system may have it, the second holds. The note also tells an index that is gone from one that was never there.
Where it cannot be written, because the disk is full, it is removed, and nothing is judged at the next start.

Not seen: a log that is removed together with its wal-index, which is what SQLite itself does when the last connection
closes in order.

Sources: SQLite, "WAL-mode File Format", §1 (the log), §2.1 (the wal-index header), §2.2 (nBackfill); random(4) for the
boot id. A wal-index is truncated by the first connection that opens it, so none but the last process's is ever seen.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, Self

from cybous3.disk.files import SYSTEM
from cybous3.disk.whole import put_whole, read_whole
from cybous3.server.meta.sqlite.errors import DamagedIndexError
from cybous3.server.meta.sqlite.log import HEADER_BYTES, Frame, LogHeader, frames, read_header
from cybous3.server.meta.sqlite.stamp import WalIndex, is_open_here, last_known

TORN_COMMITS_MAX: Final = 1
_NOTE_BYTES_MAX: Final = 4096
_SALTS: Final = 1 << 32  # the first salt is random, and one more each time the log is begun anew
_BEGUN_ANEW_MAX: Final = 1 << 16  # behind a wal-index that is merely old
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class Note(NamedTuple):
    """What was noted when the index was opened last. `boot` is "" where the machine does not tell."""

    boot: str
    unsynced: bool


def note_of(index: Path) -> Path:
    """Return where the note on an index stands."""
    return index.with_suffix(".opened")


def this_boot() -> str:
    """Return what tells this boot of the machine from any other, "" where nothing does."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


class Opening:
    """The note on one index. Every call under the writer lock."""

    def __init__(self, index: Path, boot: str | None = None) -> None:
        """`boot` is this boot's name, for those who know better."""
        self._index = index
        self._boot = this_boot() if boot is None else boot
        self._before = _read(note_of(index))
        self._unsynced = False

    def ensure_whole(self) -> None:
        """Raise DamagedIndexError when the log has lost what was committed. Call before SQLite opens it. OSError."""
        if self._before is None or is_open_here(self._index):
            self._unsynced = self._before is not None and self._before.unsynced
            return
        with _Log(self._index) as log:
            self._unsynced = self._before.unsynced and log.is_there  # else it was closed in order
            if (seen := self._last_known(log)) is not None:
                lost = _lost_by(seen, log)
            elif self._unsynced:
                lost = None
            else:
                lost = _lost_behind(log)
        if lost is not None:
            raise DamagedIndexError(lost)

    @property
    def in_this_boot(self) -> bool:
        """Whether the machine has not stopped since the index was opened last, for all we know."""
        return self._before is not None and self._boot != "" and self._before.boot == self._boot

    def note(self) -> None:
        """Note that it is open now. Call when SQLite has its log and its wal-index. OSError."""
        self._put(Note(self._boot, self._unsynced))

    def expect_unsynced(self) -> None:
        """Note, durably, that from now on commits may stand in the log that nobody synced. OSError."""
        if not self._unsynced:
            self._unsynced = True
            self._put(Note(self._boot, self._unsynced))

    def _last_known(self, log: "_Log") -> WalIndex | None:
        """Return what the wal-index says, if it can be believed."""
        seen = last_known(self._index) if self.in_this_boot else None
        if seen is None or (header := log.header) is None:
            return seen
        return None if 0 < (header.salts[0] - seen.salts[0]) % _SALTS < _BEGUN_ANEW_MAX else seen

    def _put(self, note: Note) -> None:
        if note == self._before:
            return
        path = note_of(self._index)
        try:
            put_whole(SYSTEM, path, json.dumps(note._asdict()).encode(), replace=True)
            self._before = note
        except OSError:
            SYSTEM.unlink(path)  # better none than one that is not true; a full disk has room for that
            self._before = None


class _Log:
    """The log as a file, to be read."""

    def __init__(self, index: Path) -> None:
        self._path = index.with_name(f"{index.name}-wal")
        self._fd: int | None = None
        self._head = b""

    def __enter__(self) -> Self:
        with suppress(FileNotFoundError):
            self._fd = SYSTEM.open(self._path)
            self._head = SYSTEM.read(self._fd, HEADER_BYTES, 0)
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd is not None:
            SYSTEM.close(self._fd)

    @property
    def is_there(self) -> bool:
        """Whether there is one. Every connection makes one, and the last to close in order removes it."""
        return self._fd is not None

    @property
    def is_blank(self) -> bool:
        """Whether nothing was ever written into it, or it is not there."""
        return not any(self._head)

    @property
    def header(self) -> LogHeader | None:
        """The head, None when it is not what was written."""
        return read_header(self._head)

    def frames(self, header: LogHeader) -> Iterable[Frame]:
        """Return the frames, judged as `log.frames` does."""
        return () if self._fd is None else frames(self._fd, header.order, header.sums)


def _lost_by(seen: WalIndex, log: _Log) -> str | None:
    """Say what a log has lost of the frames that had been committed; None when nothing."""
    header = log.header
    if header is None:
        if seen.copied >= seen.frames:
            return None
        what = "is empty or gone" if log.is_blank else "has a head that is not what was written"
        return f"its log {what}, and {seen.frames - seen.copied} of its pages were nowhere else"
    if not seen.frames:
        return None
    if header.salts != seen.salts:
        return "its log is not the one that belongs to it"
    last = _whole(header, log, seen.frames)
    if last < seen.frames:
        return f"page {last + 1} of {seen.frames} in its log is not what was written"
    return None


def _whole(header: LogHeader, log: _Log, wanted: int) -> int:
    """Return how many frames from the first on are what was written, up to `wanted`."""
    last = 0
    for frame in log.frames(header):
        if last == wanted or not _follows(frame, header, last):
            break
        last = frame.number
    return last


def _lost_behind(log: _Log) -> str | None:
    """Say what stands behind the end of a log that no power cut can have left there; None when nothing does."""
    header = log.header
    if header is None:
        return None if log.is_blank else "the head of its log is not what was written"
    last, broken, commits = 0, False, 0
    for frame in log.frames(header):
        broken = broken or not _follows(frame, header, last)
        last = frame.number
        commits += broken and frame.whole and frame.commit and frame.salts == header.salts
    if commits > TORN_COMMITS_MAX:
        return f"its log is broken, with {commits} transactions behind the place"
    return None


def _follows(frame: Frame, header: LogHeader, last: int) -> bool:
    return frame.number == last + 1 and frame.whole and frame.salts == header.salts


def _read(path: Path) -> Note | None:
    """Return the note; None when there is none, or none that makes sense. OSError."""
    raw = read_whole(SYSTEM, path, _NOTE_BYTES_MAX)
    if raw is None or len(raw) > _NOTE_BYTES_MAX:
        return None
    try:
        plain = json.loads(raw)
        boot, unsynced = plain["boot"], plain["unsynced"]
    except (ValueError, TypeError, KeyError):
        return None
    return Note(boot, unsynced) if isinstance(boot, str) and isinstance(unsynced, bool) else None

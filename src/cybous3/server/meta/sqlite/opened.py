"""What an index's log must still hold when the index is opened, found out before SQLite sees it.

Of a log that is not what was written SQLite believes the part before the first frame whose sum is wrong, copies that
into the tables, and removes the rest; without a log it believes the tables. Either is right after a power cut, which
tears the end of a log that nobody had synced, and wrong for a log that was damaged or removed: acknowledged commits are
gone, and nobody hears of it. So it is judged before, and a log that has lost something stays as it is, byte for byte,
for `fsck --rebuild`, which reads behind the damage (`leaves`).

Beside the index stands a note, `index.opened`: the boot of the machine in which it was opened last, whether commits may
be in its log that nobody synced, and the time at which the tables had changed last when a commit was made that they do
not hold.

- **The machine has not stopped since.** Whatever processes died, no write is lost. The wal-index, which lies in shared
  memory with a name, still says how many frames are committed. The log must hold every one, each with a sum that
  follows from the one before. There may be none only if the tables were changed since the commit that was noted: who
  removes a log in order copies it into them first. That sees every flipped bit, a cut, an empty and a removed log.
- **It has.** Then the wal-index means nothing. Where every commit is synced before the next begins, a power cut can
  tear one transaction at most, the last. So no more than one commit may stand behind a frame whose sum is wrong. And
  the log's head lies in one sector: it is the old one or the new one. Damage in the last two transactions cannot be
  told from a power cut. Where commits may be unsynced (`relaxed`, `none`), nothing can be said.

Where nothing is known of the boot (not Linux), or the wal-index cannot be read or is older than the log, as a snapshot
of a file system may have it, the second holds. The note also tells an index that is gone from one that was never there.
Where it cannot be written, because the disk is full, it is removed, and nothing is judged at the next start.

Other programs may have the index open meanwhile, and some of them keep no wal-index (`locking_mode=EXCLUSIVE`). So
where the log is not the one that the wal-index speaks of, and the tables were changed since, the wal-index is merely
old; and where the wal-index changes while the log is being judged, it is judged again.

Sources: SQLite, "WAL-mode File Format", §1 (the log), §2.1 (the wal-index header), §2.2 (nBackfill); random(4) for the
boot id. A wal-index is truncated by the first connection that opens it, so none but the last process's is ever seen.
"""

import json
import os
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
_LOOKS_MAX: Final = 5  # at a log that a living program changes; then it is that program's, and whole
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class Note(NamedTuple):
    """What was noted when the index was opened last. `boot` is "" where the machine does not tell."""

    boot: str
    unsynced: bool
    tables_ns: int | None = None  # when the tables had changed last, at the first commit that they do not hold


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
        self._tables_ns: int | None = None  # as this process has noted it, or found it too young to

    def ensure_whole(self) -> None:
        """Raise DamagedIndexError when the log has lost what was committed. Call before SQLite opens it. OSError."""
        if self._before is None or is_open_here(self._index):
            self._unsynced = self._before is not None and self._before.unsynced
            return
        self._unsynced = self._before.unsynced and _log_of(self._index).exists()  # else it was closed in order
        lost = self._lost()
        for _ in range(_LOOKS_MAX):
            if lost is None or not lost.changing:
                break
            lost = self._lost()
        if lost is not None and not lost.changing:
            raise DamagedIndexError(lost.what)

    def frames_missing(self, found: int) -> int:
        """Return how many committed frames the log has lost, which holds `found` in a row. For the rebuild. OSError."""
        if self._before is None or not self.in_this_boot or (seen := last_known(self._index)) is None:
            return 0
        with _Log(self._index) as log:
            if log.is_blank:
                return 0 if self._tables_changed() else seen.frames - seen.copied
            return 0 if self._is_old(seen, log) else max(0, seen.frames - found)

    @property
    def in_this_boot(self) -> bool:
        """Whether the machine has not stopped since the index was opened last, for all we know."""
        return self._before is not None and self._boot != "" and self._before.boot == self._boot

    def note(self) -> None:
        """Note, durably, that it is open now. Call when SQLite has its log and its wal-index. OSError."""
        tables_ns = self._before.tables_ns if self._before is not None else None
        self._put(Note(self._boot, self._unsynced, tables_ns), durable=True)

    def expect_unsynced(self) -> None:
        """Note, durably, that from now on commits may stand in the log that nobody synced. OSError."""
        if not self._unsynced:
            self._unsynced = True
            found = _read(note_of(self._index))
            tables_ns = found.tables_ns if found is not None else None
            self._put(Note(self._boot, unsynced=True, tables_ns=tables_ns), durable=True)

    def note_commit(self) -> None:
        """Note that a commit was made that the tables do not hold. Call before anybody hears of it. OSError.

        For this boot, so not durably. It costs a look at the file's time, and a small file after each checkpoint.
        """
        if self._index.stat().st_mtime_ns == self._tables_ns:
            return
        found = _read(note_of(self._index))
        tables_ns = self._index.stat().st_mtime_ns
        if found is None or found.tables_ns == tables_ns:  # another process has noted it
            self._tables_ns = tables_ns
            return
        self._tables_ns = _moved(self._index)
        if self._tables_ns != tables_ns:
            self._put(found._replace(tables_ns=self._tables_ns), durable=False)

    def _lost(self) -> "_Lost | None":
        """Return what the log has lost, None when nothing."""
        with _Log(self._index) as log:
            seen = last_known(self._index) if self.in_this_boot else None
            if self.in_this_boot and log.is_blank:
                what = self._lost_without_a_log(seen)
            elif seen is not None and not self._is_old(seen, log):
                what = _lost_by(seen, log)
            elif self._unsynced:
                what = None
            else:
                what = _lost_behind(log)
        if what is None:
            return None
        return _Lost(what, changing=seen is not None and seen != last_known(self._index))

    def _lost_without_a_log(self, seen: WalIndex | None) -> str | None:
        if self._tables_changed() or (seen is not None and seen.copied >= seen.frames):
            return None
        pages = "what was committed last was" if seen is None else f"{seen.frames - seen.copied} of its pages were"
        return f"its log is empty or gone, and {pages} nowhere else"

    def _is_old(self, seen: WalIndex, log: "_Log") -> bool:
        """Tell whether the wal-index is older than the log."""
        header = log.header
        if header is None or header.salts == seen.salts:
            return False
        return 0 < (header.salts[0] - seen.salts[0]) % _SALTS < _BEGUN_ANEW_MAX or self._tables_changed()

    def _tables_changed(self) -> bool:
        """Tell whether the tables were changed since the commit that was noted, or none was."""
        return self._before is None or self._before.tables_ns != self._index.stat().st_mtime_ns

    def _put(self, note: Note, *, durable: bool) -> None:
        if note == self._before:
            return
        path = note_of(self._index)
        content = json.dumps(note._asdict()).encode()
        try:
            if durable:
                put_whole(SYSTEM, path, content, replace=True)
            else:
                _put_for_this_boot(path, content)
            self._before = note
        except OSError:
            if durable:  # better none than one that is not true; a full disk has room for that
                SYSTEM.unlink(path)
                self._before = None


class _Lost(NamedTuple):
    """What a log has lost, and whether somebody was changing it meanwhile."""

    what: str
    changing: bool


class _Log:
    """The log as a file, to be read."""

    def __init__(self, index: Path) -> None:
        self._path = _log_of(index)
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
        lost = seen.frames - seen.copied
        return (
            f"the head of its log is not what was written, and {lost} of its pages were nowhere else" if lost else None
        )
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
        boot, unsynced, tables_ns = (plain[field] for field in Note._fields)
    except (ValueError, TypeError, KeyError):
        return None
    if not (isinstance(boot, str) and isinstance(unsynced, bool) and isinstance(tables_ns, int | None)):
        return None
    return Note(boot, unsynced, tables_ns)


def _moved(file: Path) -> int:
    """Move the time of the file's last change on by a nanosecond and return it.

    Clocks of file systems stand still for some milliseconds, and a change within the same ones must show. Where they
    have no nanoseconds the time stays as it was.
    """
    found = file.stat()
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns + 1))
    return file.stat().st_mtime_ns


def _put_for_this_boot(path: Path, content: bytes) -> None:
    """Let `path` be a file of `content`, whole unless the machine stops. OSError."""
    aside = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    fd = SYSTEM.create(aside)
    try:
        SYSTEM.write(fd, content)
        SYSTEM.rename(aside, path)
    except OSError:
        SYSTEM.unlink(aside)
        raise
    finally:
        SYSTEM.close(fd)


def _log_of(index: Path) -> Path:
    return index.with_name(f"{index.name}-wal")

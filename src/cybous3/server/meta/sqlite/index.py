"""The SQLite index, put together: one connection that reads, one that writes, one lock between the processes."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from cybous3.disk.files import SYSTEM
from cybous3.server.meta.space import measure
from cybous3.server.meta.sqlite.accounts import SqliteAccounts
from cybous3.server.meta.sqlite.buckets import SqliteBuckets
from cybous3.server.meta.sqlite.committer import Committer
from cybous3.server.meta.sqlite.errors import BrokenIndexError, translated
from cybous3.server.meta.sqlite.garbage import SqliteGarbage, SqliteScrubs, SqliteUnsynced
from cybous3.server.meta.sqlite.lock import WriterLock
from cybous3.server.meta.sqlite.log import FRAME_BYTES, PAGE_BYTES, end, lay_out, make_durable, sync
from cybous3.server.meta.sqlite.objects import SqliteObjects
from cybous3.server.meta.sqlite.opened import Opening
from cybous3.server.meta.sqlite.reading import Reader
from cybous3.server.meta.sqlite.remembered import Remembered
from cybous3.server.meta.sqlite.schema import migrate
from cybous3.server.meta.sqlite.stamp import Stamp, open_stamp
from cybous3.server.meta.sqlite.uploads import SqliteUploads

Synchronous = Literal["FULL", "NORMAL"]

CHECKPOINT_PAGES: Final = (
    4096  # of 4 KiB: the log is copied into the tables every 16 MiB, within the commit that fills it
)
CHECKPOINT_PAGES_MIN: Final = 64
LOG_BYTES: Final = CHECKPOINT_PAGES * FRAME_BYTES
STATEMENTS: Final = 256
FOREIGN_WAIT_S: Final = 5.0  # for other programs (a backup, a shell) that write without our lock

_PRAGMAS: Final = (
    f"PRAGMA page_size = {PAGE_BYTES}",  # of a new file
    "PRAGMA journal_mode = WAL",
    "PRAGMA foreign_keys = OFF",  # the statements keep the references, and say so with S3's codes
    "PRAGMA secure_delete = FAST",  # zero what is deleted where that costs no further write
    "PRAGMA cache_size = -16384",  # KiB
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_spill = OFF",  # a page is written to the log once a transaction, so frames are never summed anew
)


class SqliteIndex:
    """`Index` of the port."""

    def __init__(
        self,
        reading: sqlite3.Connection,
        writing: sqlite3.Connection,
        lock: WriterLock,
        stamp: Stamp,
        committer: Committer,
        clock: Callable[[], float],
    ) -> None:
        self._reading = reading
        self._writing = writing
        self._lock = lock
        self._stamp = stamp
        self._remembered = committer.remembered
        self._committer = committer
        self._reader = Reader(reading)
        self._closing: asyncio.Task[None] | None = None
        self.buckets: Final = SqliteBuckets(self._reader, self._committer, self._remembered)
        self.objects: Final = SqliteObjects(self._reader, self._committer, self._remembered)
        self.uploads: Final = SqliteUploads(self._reader, self._committer)
        self.accounts: Final = SqliteAccounts(self._reader, self._committer, self._remembered)
        self.garbage: Final = SqliteGarbage(self._reader, self._committer, clock)
        self.unsynced: Final = SqliteUnsynced(self._reader, self._committer)
        self.scrubs: Final = SqliteScrubs(self._reader, self._committer)
        committer.is_strict = self._is_strict

    def _is_strict(self, bucket: str) -> bool:
        """Return whether writes of the bucket are synced. Of one that is absent, nothing will be written."""
        found = self.buckets.find(bucket)
        return found is None or found.durability == "strict"

    def mark(self, bucket: str, key: str) -> tuple[int, int] | None:
        """See the port."""
        return self._remembered.mark(("object", bucket, key))

    def time_commits(self, note: Callable[[bool, float], None]) -> None:
        """Have `note` told of every commit that changed something: whether it was synced, and the seconds it took."""
        self._committer.on_commit = note

    def spare(self) -> int:
        """See the port: the pages that deleted rows left."""
        pages, size = self._reader.one("PRAGMA freelist_count"), self._reader.one("PRAGMA page_size")
        return 0 if pages is None or size is None else int(pages[0]) * int(size[0])

    async def probe(self) -> None:
        """See the port."""

        def mutation(connection: sqlite3.Connection) -> int:
            connection.execute("UPDATE probe SET value = value + 1")
            value: int = connection.execute("SELECT value FROM probe").fetchone()[0]
            return value

        written = await self._committer.run(mutation, touches=())
        row = self._reader.one("SELECT value FROM probe")
        if row is None or row[0] < written:
            raise BrokenIndexError(f"the index acknowledged {written} and reads {row}")

    async def aclose(self) -> None:
        """See the port."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close())
        await self._closing

    async def _close(self) -> None:
        await self._committer.aclose()
        await asyncio.get_running_loop().run_in_executor(None, self._close_files)

    def _close_files(self) -> None:
        """Close under the lock: the last one to close copies the log into the tables."""
        self._lock.acquire()
        try:
            self._reading.close()
            self._writing.close()
            self._stamp.close()
        finally:
            self._lock.release()
            self._lock.close()


def _never() -> bool:
    return False


class _Log:
    """`Log` of the committer. Without a mark nobody but SQLite knows where the log ends: then it cannot be repaired."""

    def __init__(self, index: Path, stamp: Stamp, opening: Opening) -> None:
        self._path = _log_of(index)
        self._stamp = stamp
        self._opening = opening
        self._pages = _checkpoint_pages(index)

    def is_full(self) -> bool:
        return (self._stamp.frames() or 0) >= self._pages

    def make_durable(self) -> None:
        frames = self._stamp.frames()
        if frames is None:
            raise BrokenIndexError(
                "the index's disk failed, and on this system only a new start finds out what is left"
            )
        make_durable(self._path, frames)

    def expect_unsynced(self) -> None:
        self._opening.expect_unsynced()

    def note_commit(self) -> None:
        self._opening.note_commit()


async def open_sqlite(
    path: Path,
    *,
    synchronous: Synchronous = "FULL",
    alone: Callable[[], bool] = _never,
    clock: Callable[[], float] = time.time,
) -> SqliteIndex:
    """Open the index at `path`, making or migrating it if need be. For start-up: it blocks and waits for writers.

    FULL syncs a commit before it is acknowledged unless the mode of its bucket asks for less. NORMAL syncs none,
    whatever the modes say: for tests, and for filling an index that can be filled again. Nothing done here reads the
    objects, so it takes as long with a million of them as with none; a log that a crash left is read once, 16 MiB at
    most. Open one for each process and event loop, after forking.
    `alone`: whether a commit may keep the event loop for as long as it takes, because nobody else would be served.
    `clock` gives seconds since 1970. DamagedIndexError when the log has lost what was committed (`opened`), and then
    nothing is touched; IndexTooNewError, IndexTooOldError; OSError.
    """
    make_private(path)
    lock = WriterLock(path)
    lock.acquire()
    opening = Opening(path)
    try:
        opening.ensure_whole()
        writing = _connect(path, synchronous)
        migrate(writing)
        reading = _connect(path, synchronous)
        reading.execute("PRAGMA query_only = ON")
        lay_out(_log_of(path), min(LOG_BYTES, _checkpoint_pages(path) * FRAME_BYTES))
        stamp = open_stamp(path)
        if (frames := stamp.frames()) is not None:  # else nobody but SQLite knows how long the log is
            writing.execute("PRAGMA wal_autocheckpoint = 0")
            if not opening.in_this_boot:
                _end_log(writing, path, frames)
        if frames != 0:  # a process that was killed may have written a commit and not synced it, and now it counts
            sync(_log_of(path))
        if synchronous == "FULL":
            opening.note()
    except sqlite3.Error as error:
        raise translated(error) from error
    finally:
        lock.release()
    log = _Log(path, stamp, opening)
    committer = Committer(writing, lock, Remembered(stamp), log, alone, ever_synced=synchronous == "FULL")
    return SqliteIndex(reading, writing, lock, stamp, committer, clock)


def _end_log(writing: sqlite3.Connection, path: Path, frames: int) -> None:
    """Make nothing of what a power cut left behind the log's end: the next one must not find it behind a torn end."""
    writing.execute("BEGIN IMMEDIATE")
    try:
        end(_log_of(path), frames)
    finally:
        writing.rollback()


def make_private(path: Path) -> None:
    """Create the file with mode 0600; SQLite gives its log and shared memory the same.

    A file that exists is not even opened: closing it would drop the locks that another connection of this process
    holds on it (fcntl(2)), and SQLite relies on them.
    """
    try:
        fd = SYSTEM.create(path)
    except FileExistsError:
        return
    SYSTEM.close(fd)
    SYSTEM.sync_directory(path.parent)


def _connect(path: Path, synchronous: Synchronous) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=FOREIGN_WAIT_S, isolation_level=None, check_same_thread=False, cached_statements=STATEMENTS
    )
    for pragma in _PRAGMAS:
        connection.execute(pragma)
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_checkpoint_pages(path)}")
    return connection


def _log_of(index: Path) -> Path:
    return index.with_name(f"{index.name}-wal")


def _checkpoint_pages(path: Path) -> int:
    """Return when the log is copied: on a small disk so early that the copy fits into a part of the reserve."""
    space = measure(path.parent)
    if space is None:
        return CHECKPOINT_PAGES
    return max(CHECKPOINT_PAGES_MIN, min(CHECKPOINT_PAGES, space.reserve // 4 // 4096))

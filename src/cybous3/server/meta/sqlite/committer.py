"""Group commit: mutations that arrive while one group is being synced share the next sync.

The statements of a group run on the event loop, 20 to 40 us a mutation, because a thread that computes beside a busy
interpreter waits for it at every statement. The COMMIT runs in a thread: it is one call, spends its time in `write` and
`fsync` without the interpreter, and the loop serves reads and parses requests meanwhile. The measurement is ADR 0003.
While nobody else is there to be served, and the disk has been quick, the COMMIT runs on the loop too: waking a thread
and being woken by it costs as much as the commit itself (ADR 0008).

A group that holds a mutation of a `strict` bucket, or of anything that is not a bucket's, is committed at SQLite's
`synchronous=FULL`: the COMMIT returns after an fsync of the log. All others are committed at `NORMAL`: appended to the
log and not synced. What that leaves to a power cut (SQLite: "Write-Ahead Logging", "PRAGMA synchronous"): the commits
since the last sync, the latest first, each whole or not at all, because recovery reads the log up to the first frame
whose running checksum is wrong. It never leaves the tables inconsistent: a checkpoint syncs the log before it writes a
page into them, and them before the log is begun anew. Every FULL commit and every checkpoint makes all commits before
it durable too. A crash of the process takes nothing in any mode. `relaxed` and `none` are the same here; they differ in
the blobs: what a relaxed transaction refers to stands in `unsynced`, by the same transaction, until its bytes are
durable. So after a power cut a relaxed object whose commit survived and whose bytes did not is found by that table
alone; one of mode `none` is found when it is read or scrubbed.

Checkpoints are our own statement, after the commit that fills the log and before the lock is given up, because the
ones that SQLite makes by itself keep their errors to themselves. After a failed commit or checkpoint the log is in
doubt; `log` says what is done. The kernel tells of a failed sync once to every descriptor that was open (Linux since
4.13), so each process that has the index open hears of it by its own commit and does the same.

What a mutation may rely on: it sees the effects of those before it in its group, it is alone in writing (all
processes), and what it raises is raised to its caller and to nobody else. What it must keep: raise S3Error before it
writes, never after.
"""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from cybous3.server.meta.sqlite.errors import BrokenIndexError, translated
from cybous3.server.meta.sqlite.lock import WriterLock
from cybous3.server.meta.sqlite.remembered import Name, Remembered
from cybous3.server.meta.sqlite.thread import OneThread
from cybous3.server.wire.errors import S3Error

T = TypeVar("T")
Mutation = Callable[[sqlite3.Connection], T]


class _Waiting(NamedTuple):
    mutation: Mutation[Any]
    future: "asyncio.Future[Any]"
    touches: Sequence[Name] | None
    bucket: str | None


class Log(Protocol):
    """What the committer needs to know of the write-ahead log."""

    def is_full(self) -> bool:
        """Return whether it is to be copied into the tables now."""
        ...

    def make_durable(self) -> None:
        """Make what was committed durable anew, and what was not nothing. OSError, BrokenIndexError."""
        ...

    def expect_unsynced(self) -> None:
        """Note, durably, that commits may be in the log that nobody synced. OSError."""
        ...

    def note_commit(self) -> None:
        """Note that the log holds a commit that the tables do not. OSError."""
        ...


IN_PLACE_S_MAX: Final = 0.002  # a commit that may take longer than the last one did is not waited for on the loop
GROUP_MAX: Final = 64  # mutations in one transaction: bounds what the loop does at a stretch to about 2 ms


def _never() -> bool:
    return False


def _untold(_synced: bool, _seconds: float) -> None:  # noqa: FBT001  # as the commit tells it
    """Tell nobody."""


def _always(_: str) -> bool:
    return True


class Committer:
    """Runs mutations in shared transactions. One for each index and event loop."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        lock: WriterLock,
        remembered: Remembered,
        log: Log,
        alone: Callable[[], bool] = _never,
        *,
        ever_synced: bool = True,
    ) -> None:
        """`alone` tells whether the one who waits for a commit is all there is to be served.

        Unless `ever_synced`, no commit at all is synced. Set `is_strict` before the first commit.
        """
        self.is_strict: Callable[[str], bool] = _always
        self.on_commit: Callable[[bool, float], None] = _untold  # whether it was synced, and the seconds it took
        self.waiting = True  # see `Unsynced.waiting`: nobody knows what the process before left
        self._log = log
        self._in_doubt = False
        self._unsynced_noted = False
        self._ever_synced = ever_synced
        self._level = ""
        self._connection = connection
        self._lock = lock
        self.remembered: Final = remembered
        self._alone = alone
        self._took_s = IN_PLACE_S_MAX  # the last COMMIT
        self._waiting: deque[_Waiting] = deque()
        self._drain: asyncio.Task[None] | None = None
        self._thread = OneThread("index-commit")
        self._closed = False

    async def run(
        self, mutation: Mutation[T], touches: Sequence[Name] | None = None, *, bucket: str | None = None
    ) -> T:
        """Return what `mutation` returns once it is committed. Cancelled before its group began, it never happens.

        `bucket` is the one whose mode decides whether the commit must be synced; None: it must. `touches` are the rows
        it may change, of those that are remembered; None: any. Of objects, name each.
        """
        if self._closed:
            raise BrokenIndexError("the index is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._waiting.append(_Waiting(mutation, future, touches, bucket))
        if self._drain is None:
            self._drain = loop.create_task(self._work())
        return await future

    async def aclose(self) -> None:
        """Finish what waits, refuse what comes."""
        self._closed = True
        if self._drain is not None:
            await self._drain
        self._thread.close()

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._group()
        finally:
            self._drain = None

    async def _group(self) -> None:
        try:
            if not self._lock.try_acquire():
                await self._thread.run(self._lock.acquire)
        except OSError as error:  # of the lock file's disk: nobody may wait for ever
            group = self._next_group()
            _answer(group, [error] * len(group))
            return
        try:
            await self._locked_group()
        finally:
            self._lock.release()

    async def _locked_group(self) -> None:
        if self._in_doubt and (error := await self._settle()) is not None:
            group = self._next_group()
            _answer(group, [error] * len(group))
            return
        group = self._next_group()
        if group and not await self._commit(group):
            for one in group:
                await self._commit([one], last=True)
        if self._log.is_full():
            await self._checkpoint()
        if self._in_doubt:
            await self._settle()  # if it cannot be now, the next group tries first

    async def _checkpoint(self) -> None:
        try:
            await self._thread.run(lambda: self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall())
        except sqlite3.Error:
            self._in_doubt = True  # everybody has their answer; what is to be done about it, `_settle` does

    async def _settle(self) -> Exception | None:
        """Make the log durable anew and return None, or what keeps it from being so."""
        try:
            await self._thread.run(self._repair)
        except sqlite3.Error as error:
            return translated(error)
        except (OSError, BrokenIndexError) as error:
            return error
        self._in_doubt = False
        return None

    def _repair(self) -> None:
        """Hold SQLite's own lock, too: programs that do not know ours must not append meanwhile."""
        if self._connection.in_transaction:
            self._connection.rollback()
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._log.make_durable()
        finally:
            self._connection.rollback()

    def _next_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        while self._waiting and len(group) < GROUP_MAX:
            waiting = self._waiting.popleft()
            if not waiting.future.done():
                group.append(waiting)
        return group

    async def _commit(self, group: list[_Waiting], *, last: bool = False) -> bool:
        """Run and commit `group`, answer its members, return True; if one spoiled it for all, undo it, return False.

        A group of one (`last`) has nobody to blame but itself, so it is answered in any case. A failed COMMIT is the
        medium's doing; everybody in the group gets it, and nothing is tried again.
        """
        before = self._connection.total_changes
        synced = any(waiting.bucket is None or self.is_strict(waiting.bucket) for waiting in group)
        try:
            if not synced and not self._unsynced_noted:
                await self._thread.run(self._log.expect_unsynced)
                self._unsynced_noted = True
            self._set_level("FULL" if synced and self._ever_synced else "NORMAL")
            answers = _apply(self._connection, group)
        except Exception as error:  # noqa: BLE001  # whatever it is, it goes to the one who caused it
            _undo(self._connection)
            if not last and len(group) > 1:
                return False
            _answer(group, [_as_promised(error)] * len(group))
            return True
        self.remembered.expect(_touched(group) if self._connection.total_changes != before else None)
        try:
            await self._sync(in_place=len(group) == 1 and self._alone())
        except sqlite3.Error as error:
            self.remembered.expect(None)  # before the lock is given up: the next transaction may be somebody else's
            _undo(self._connection)
            self._in_doubt = True
            await self._settle()  # before anybody is told "failed": a kill right after that must not bring it back
            answers = [translated(error)] * len(group)
        else:
            self._note(synced=synced, changed=self._connection.total_changes != before)
        finally:
            self.remembered.expect(None)
        _answer(group, answers)
        return True

    def _set_level(self, level: str) -> None:
        if level != self._level:
            self._connection.execute(f"PRAGMA synchronous = {level}")
            self._level = level

    def _note(self, *, synced: bool, changed: bool) -> None:
        """Take note of a commit. One that changed nothing wrote nothing and synced nothing."""
        if changed:
            self._log.note_commit()
            self.waiting = not synced
            self.on_commit(synced and self._ever_synced, self._took_s)

    async def _sync(self, *, in_place: bool) -> None:
        started = time.perf_counter()
        if in_place and self._took_s < IN_PLACE_S_MAX:
            self._connection.commit()
        else:
            await self._thread.run(self._connection.commit)
        self._took_s = time.perf_counter() - started


def _apply(connection: sqlite3.Connection, group: list[_Waiting]) -> list[Any]:
    connection.execute("BEGIN IMMEDIATE")
    return [_one(connection, waiting.mutation) for waiting in group]


def _one(connection: sqlite3.Connection, mutation: Mutation[Any]) -> Any:  # noqa: ANN401  # a result or an S3Error
    before = connection.total_changes
    try:
        return mutation(connection)
    except S3Error as error:
        if connection.total_changes != before:
            raise BrokenIndexError("a mutation wrote before it refused") from error
        return error


def _answer(group: list[_Waiting], answers: list[Any]) -> None:
    for (_, future, _, _), answer in zip(group, answers, strict=True):
        if future.done():
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)


def _touched(group: list[_Waiting]) -> set[Name] | None:
    """Return what the group may change of what is remembered; None: anything."""
    names: set[Name] = set()
    for waiting in group:
        if waiting.touches is None:
            return None
        names.update(waiting.touches)
    return names


def _undo(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        # Who waits hears of what made us undo. If even that fails, the next BEGIN does, and undoes again.
        with suppress(sqlite3.Error):
            connection.rollback()


def _as_promised(error: Exception) -> Exception:
    return translated(error) if isinstance(error, sqlite3.Error) else error

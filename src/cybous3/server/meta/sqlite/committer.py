"""Group commit: mutations that arrive while one group is being synced share the next sync.

The statements of a group run on the event loop, 20 to 40 us a mutation, because a thread that computes beside a busy
interpreter waits for it at every statement. The COMMIT runs in a thread: it is one call, spends its time in `write` and
`fsync` without the interpreter, and the loop serves reads and parses requests meanwhile. The measurement is ADR 0003.

What a mutation may rely on: it sees the effects of those before it in its group, it is alone in writing (all
processes), and what it raises is raised to its caller and to nobody else. What it must keep: raise S3Error before it
writes, never after.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from cybous3.server.meta.sqlite.errors import BrokenIndexError, translated
from cybous3.server.meta.sqlite.lock import WriterLock
from cybous3.server.wire.errors import S3Error

T = TypeVar("T")
Mutation = Callable[[sqlite3.Connection], T]
_Waiting = tuple[Mutation[Any], "asyncio.Future[Any]"]

GROUP_MAX: Final = 64  # mutations in one transaction: bounds what the loop does at a stretch to about 2 ms


class Committer:
    """Runs mutations in shared transactions. One for each index and event loop."""

    def __init__(self, connection: sqlite3.Connection, lock: WriterLock) -> None:
        self._connection = connection
        self._lock = lock
        self._waiting: deque[_Waiting] = deque()
        self._drain: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="index-commit")
        self._closed = False

    async def run(self, mutation: Mutation[T]) -> T:
        """Return what `mutation` returns once it is committed. Cancelled before its group began, it never happens."""
        if self._closed:
            raise BrokenIndexError("the index is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._waiting.append((mutation, future))
        if self._drain is None:
            self._drain = loop.create_task(self._work())
        return await future

    async def aclose(self) -> None:
        """Finish what waits, refuse what comes."""
        self._closed = True
        if self._drain is not None:
            await self._drain
        self._thread.shutdown(wait=True)

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._group()
        finally:
            self._drain = None

    async def _group(self) -> None:
        if not self._lock.try_acquire():
            await self._in_thread(self._lock.acquire)
        try:
            group = self._next_group()
            if group and not await self._commit(group):
                for one in group:
                    await self._commit([one], last=True)
        finally:
            self._lock.release()

    def _next_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        while self._waiting and len(group) < GROUP_MAX:
            waiting = self._waiting.popleft()
            if not waiting[1].done():
                group.append(waiting)
        return group

    async def _commit(self, group: list[_Waiting], *, last: bool = False) -> bool:
        """Run and commit `group`, answer its members, return True; if one spoiled it for all, undo it, return False.

        A group of one (`last`) has nobody to blame but itself, so it is answered in any case. A failed COMMIT is the
        medium's doing; everybody in the group gets it, and nothing is tried again.
        """
        try:
            answers = _apply(self._connection, group)
        except Exception as error:  # noqa: BLE001  # whatever it is, it goes to the one who caused it
            _undo(self._connection)
            if not last and len(group) > 1:
                return False
            _answer(group, [_as_promised(error)] * len(group))
            return True
        try:
            await self._in_thread(self._connection.commit)
        except sqlite3.Error as error:
            _undo(self._connection)
            answers = [translated(error)] * len(group)
        _answer(group, answers)
        return True

    async def _in_thread(self, work: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _apply(connection: sqlite3.Connection, group: list[_Waiting]) -> list[Any]:
    connection.execute("BEGIN IMMEDIATE")
    return [_one(connection, mutation) for mutation, _ in group]


def _one(connection: sqlite3.Connection, mutation: Mutation[Any]) -> Any:  # noqa: ANN401  # a result or an S3Error
    before = connection.total_changes
    try:
        return mutation(connection)
    except S3Error as error:
        if connection.total_changes != before:
            raise BrokenIndexError("a mutation wrote before it refused") from error
        return error


def _answer(group: list[_Waiting], answers: list[Any]) -> None:
    for (_, future), answer in zip(group, answers, strict=True):
        if future.done():
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)


def _undo(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.rollback()


def _as_promised(error: Exception) -> Exception:
    return translated(error) if isinstance(error, sqlite3.Error) else error

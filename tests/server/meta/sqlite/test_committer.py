"""Group commit: who shares a transaction shares neither errors nor fate."""

import asyncio
import errno
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from cybous3.server.meta.sqlite import index as module
from cybous3.server.meta.sqlite.committer import GROUP_MAX
from cybous3.server.meta.sqlite.errors import BrokenIndexError, translated
from cybous3.server.meta.sqlite.index import SqliteIndex, open_sqlite
from cybous3.server.meta.sqlite.lock import WriterLock
from cybous3.server.model.objects import ALWAYS
from cybous3.server.wire.errors import S3Error
from tests.contracts.values import BUCKET, record

pytestmark = pytest.mark.anyio


@pytest.fixture
async def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqliteIndex:
    monkeypatch.setattr(module, "LOG_BYTES", 0)
    opened = await open_sqlite(tmp_path / "index.db", synchronous="NORMAL")
    await opened.buckets.create(BUCKET)
    return opened


def commits(index: SqliteIndex) -> list[str]:
    """Record every COMMIT of the index from now on."""
    seen: list[str] = []
    index._writing.set_trace_callback(lambda sql: seen.append(sql) if sql == "COMMIT" else None)
    return seen


async def test_writers_who_wait_together_commit_together(index: SqliteIndex) -> None:
    seen = commits(index)
    await asyncio.gather(*(index.objects.put(record(f"{number}"), ALWAYS) for number in range(GROUP_MAX)))
    assert len(seen) == 1
    await asyncio.gather(*(index.objects.put(record(f"{number}"), ALWAYS) for number in range(GROUP_MAX + 1)))
    assert len(seen) == 3
    await index.aclose()


async def test_a_mutation_that_breaks_takes_no_neighbour_along(index: SqliteIndex) -> None:
    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO probe VALUES (2, 2)")

    outcomes = await asyncio.gather(
        index.objects.put(record("before"), ALWAYS),
        index._committer.run(broken),
        index.objects.put(record("after"), ALWAYS),
        return_exceptions=True,
    )
    assert (outcomes[0], outcomes[2]) == (None, None)
    assert isinstance(outcomes[1], BrokenIndexError)
    for key in ("before", "after"):
        assert await index.objects.get(BUCKET.name, key) == record(key)
    await index.aclose()


async def test_writing_before_refusing_is_found_out_and_undone(index: SqliteIndex) -> None:
    def sloppy(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE probe SET value = 99")
        raise S3Error("NoSuchKey")

    with pytest.raises(BrokenIndexError, match="wrote before it refused"):
        await index._committer.run(sloppy)
    assert index._reader.one("SELECT value FROM probe") == (0,)
    await index.aclose()


async def test_a_failed_commit_fails_everybody_in_it_and_is_not_tried_again(index: SqliteIndex) -> None:
    class FailingOnce:
        def __init__(self, connection: sqlite3.Connection) -> None:
            self.connection = connection
            self.commits = 0

        def __getattr__(self, name: str) -> object:
            return getattr(self.connection, name)

        def commit(self) -> None:
            self.commits += 1
            if self.commits > 1:
                return self.connection.commit()
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
            raise error

    failing = FailingOnce(index._writing)
    index._committer._connection = failing  # type: ignore[assignment] # a connection in all it is asked for
    outcomes = await asyncio.gather(
        *(index.objects.put(record(key), ALWAYS) for key in ("a", "b")), return_exceptions=True
    )
    assert [getattr(outcome, "errno", None) for outcome in outcomes] == [errno.EIO, errno.EIO]
    assert failing.commits == 1
    for key in ("a", "b"):
        with pytest.raises(S3Error):
            await index.objects.get(BUCKET.name, key)
    await index.objects.put(record("a"), ALWAYS)
    await index.aclose()


async def test_who_writes_after_a_failed_commit_is_not_taken_for_us(index: SqliteIndex, tmp_path: Path) -> None:
    """A shell that waits for SQLite's lock, and not for ours, gets it with the rollback."""

    class Overtaken:
        def __init__(self, connection: sqlite3.Connection) -> None:
            self.connection = connection

        def __getattr__(self, name: str) -> object:
            return getattr(self.connection, name)

        def commit(self) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        def rollback(self) -> None:
            self.connection.rollback()
            stranger = sqlite3.connect(tmp_path / "index.db")
            with stranger:
                stranger.execute("UPDATE objects SET damaged = 'x' WHERE key = CAST('one' AS BLOB)")
            stranger.close()

    await index.objects.put(record("one"), ALWAYS)
    await index.objects.get(BUCKET.name, "one")
    index._committer._connection = Overtaken(index._writing)  # type: ignore[assignment] # as above
    with pytest.raises(BrokenIndexError):
        await index.objects.put(record("two"), ALWAYS)
    assert (await index.objects.get(BUCKET.name, "one")).damaged == "x"
    index._committer._connection = index._writing
    await index.aclose()


async def test_a_lock_that_fails_is_told_to_who_waits_for_it(
    index: SqliteIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> bool:
        raise OSError(errno.ENOLCK, "no locks available")

    with monkeypatch.context() as failing:
        failing.setattr(index._lock, "try_acquire", fail)
        async with asyncio.timeout(5):
            with pytest.raises(OSError, match="no locks"):
                await index.objects.put(record("one"), ALWAYS)
    await index.objects.put(record("one"), ALWAYS)
    await index.aclose()


async def test_a_rollback_that_fails_leaves_nobody_waiting(index: SqliteIndex) -> None:
    class Broken:
        def __init__(self, connection: sqlite3.Connection) -> None:
            self.connection = connection

        def __getattr__(self, name: str) -> object:
            return getattr(self.connection, name)

        def fail(self) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        commit = rollback = fail

    index._committer._connection = Broken(index._writing)  # type: ignore[assignment] # as above
    for key in ("one", "two"):
        async with asyncio.timeout(5):
            with pytest.raises(BrokenIndexError):
                await index.objects.put(record(key), ALWAYS)
    index._committer._connection = index._writing
    # The next one finds what was left open, and ends it.
    await index.objects.put(record("one"), ALWAYS)
    with pytest.raises(S3Error):
        await index.objects.get(BUCKET.name, "two")
    await index.aclose()


async def test_cancelled_while_waiting_it_never_happens(index: SqliteIndex) -> None:
    task = asyncio.create_task(index.objects.put(record("key"), ALWAYS))
    other = asyncio.create_task(index.objects.put(record("other"), ALWAYS))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await other
    with pytest.raises(S3Error):
        await index.objects.get(BUCKET.name, "key")
    await index.aclose()


async def test_cancelled_while_it_commits_the_others_get_their_answer(index: SqliteIndex) -> None:
    started = asyncio.Event()

    def slow(_: sqlite3.Connection) -> None:
        started.set()

    tasks = [asyncio.create_task(index._committer.run(slow)) for _ in range(2)]
    await started.wait()
    tasks[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    await tasks[1]
    await index.aclose()


async def test_closing_finishes_what_waits_and_refuses_what_comes(index: SqliteIndex, tmp_path: Path) -> None:
    waiting = [asyncio.create_task(index.objects.put(record(f"{number}"), ALWAYS)) for number in range(100)]
    await asyncio.sleep(0)
    await index.aclose()
    await asyncio.gather(*waiting)
    with pytest.raises(BrokenIndexError, match="closed"):
        await index.objects.put(record("late"), ALWAYS)
    again = await open_sqlite(tmp_path / "index.db")
    assert (await again.objects.get(BUCKET.name, "99")).key == "99"
    await again.aclose()


async def test_the_loop_goes_on_while_another_process_writes(index: SqliteIndex, tmp_path: Path) -> None:
    """Waiting for the writer lock is a thread's business."""
    other = WriterLock(tmp_path / "index.db")
    assert other.try_acquire()
    put = asyncio.create_task(index.objects.put(record("key"), ALWAYS))
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert not put.done()
    other.release()
    await put
    other.close()
    await index.aclose()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("SQLITE_FULL", errno.ENOSPC),
        ("SQLITE_IOERR_WRITE", errno.EIO),
        ("SQLITE_READONLY_DBMOVED", errno.EROFS),
        ("SQLITE_CANTOPEN", errno.EACCES),
    ],
)
def test_what_the_medium_does_is_an_oserror(name: str, code: int) -> None:
    error = sqlite3.OperationalError("it failed")
    error.sqlite_errorname = name
    found = translated(error)
    assert isinstance(found, OSError)
    assert found.errno == code


def test_what_we_do_is_not() -> None:
    assert isinstance(translated(sqlite3.ProgrammingError("nonsense")), BrokenIndexError)


async def test_a_broken_read_is_translated(index: SqliteIndex) -> None:
    for call in (index._reader.one, index._reader.all):
        with pytest.raises(BrokenIndexError, match="no such table"):
            call("SELECT * FROM nowhere")
    index._reading.close()
    with pytest.raises(BrokenIndexError):
        index._reader.bucket("x")
    await index.aclose()


async def test_a_lone_commit_stays_on_the_loop_while_the_disk_is_quick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = [True]
    monkeypatch.setattr(module, "LOG_BYTES", 0)
    index = await open_sqlite(tmp_path / "alone.db", synchronous="NORMAL", alone=lambda: alone[0])
    await index.buckets.create(BUCKET)
    hops: list[str] = []
    run = index._committer._thread.run

    async def counted(work: Callable[[], object]) -> None:
        hops.append("hop")
        await run(work)

    monkeypatch.setattr(index._committer._thread, "run", counted)
    index._committer._took_s = 0.0
    await index.objects.put(record("quick"), ALWAYS)
    assert hops == []
    index._committer._took_s = 1.0
    await index.objects.put(record("slow"), ALWAYS)
    assert hops == ["hop"]
    index._committer._took_s = 0.0
    await asyncio.gather(*(index.objects.put(record(f"{number}"), ALWAYS) for number in range(2)))
    assert hops == ["hop"] * 2
    alone[0] = False
    index._committer._took_s = 0.0
    await index.objects.put(record("others"), ALWAYS)
    assert hops == ["hop"] * 3
    await index.aclose()

"""What SQLite adds to the contract: it outlives its process, and several processes share it."""

import asyncio
import multiprocessing
import os
import sqlite3
import stat
import sys
from pathlib import Path

import pytest

from cybous3.server.meta.sqlite import accounts
from cybous3.server.meta.sqlite.check import check
from cybous3.server.meta.sqlite.errors import BrokenIndexError
from cybous3.server.meta.sqlite.index import LOG_BYTES, open_sqlite
from cybous3.server.meta.sqlite.schema import MIGRATIONS, IndexTooNewError, IndexTooOldError
from cybous3.server.model.objects import ALWAYS, WriteCondition
from cybous3.server.wire.errors import S3Error
from tests.contracts.values import BUCKET, OWNER, access_key, blob, in_blobs, record, user

pytestmark = pytest.mark.anyio


async def test_what_was_acknowledged_is_there_after_reopening(tmp_path: Path) -> None:
    stored = in_blobs("key", [blob()])
    first = await open_sqlite(tmp_path / "index.db")
    await first.buckets.create(BUCKET)
    await first.objects.put(stored, ALWAYS)
    await first.objects.put(record("inline"), ALWAYS)
    await first.aclose()
    second = await open_sqlite(tmp_path / "index.db")
    assert await second.objects.get(BUCKET.name, "key") == stored
    assert (await second.objects.get(BUCKET.name, "inline")).inline == b"abc"
    await second.aclose()


async def test_what_was_acknowledged_is_in_the_files_before_anything_is_closed(tmp_path: Path) -> None:
    """A copy of the files, taken as a crash would leave them, holds every acknowledged write."""
    index = await open_sqlite(tmp_path / "index.db")
    await index.buckets.create(BUCKET)
    await asyncio.gather(*(index.objects.put(record(f"key-{number}"), ALWAYS) for number in range(50)))
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for suffix in ("", "-wal"):
        (crashed / f"index.db{suffix}").write_bytes((tmp_path / f"index.db{suffix}").read_bytes())
    await index.aclose()
    recovered = await open_sqlite(crashed / "index.db")
    for number in range(50):
        assert await recovered.objects.get(BUCKET.name, f"key-{number}") == record(f"key-{number}")
    await recovered.aclose()


async def test_every_commit_is_synced(tmp_path: Path) -> None:
    index = await open_sqlite(tmp_path / "index.db")
    assert index._writing.execute("PRAGMA synchronous").fetchone() == (2,)
    assert index._writing.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    await index.aclose()
    relaxed = await open_sqlite(tmp_path / "index.db", synchronous="NORMAL")
    assert relaxed._writing.execute("PRAGMA synchronous").fetchone() == (1,)
    await relaxed.aclose()


async def test_the_log_has_its_space_before_it_needs_it(tmp_path: Path) -> None:
    index = await open_sqlite(tmp_path / "index.db")
    assert (tmp_path / "index.db-wal").stat().st_size >= LOG_BYTES
    await index.buckets.create(BUCKET)
    assert (tmp_path / "index.db-wal").stat().st_size < LOG_BYTES + 4096
    await index.aclose()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
async def test_nobody_else_may_look(tmp_path: Path) -> None:
    index = await open_sqlite(tmp_path / "index.db")
    await index.buckets.create(BUCKET)
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in os.scandir(tmp_path)}
    assert len(modes) == 6
    assert set(modes.values()) == {0o600}
    await index.aclose()


async def test_opening_again_does_not_touch_the_file_behind_sqlites_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing any descriptor of a file drops this process' locks on it, those of other connections included.

    SQLite takes none on the log.
    """
    first = await open_sqlite(tmp_path / "index.db")
    touched: list[str] = []
    system_open = os.open

    def noting(path: str, *arguments: int) -> int:
        fd = system_open(path, *arguments)
        touched.append(Path(path).name)
        return fd

    monkeypatch.setattr(os, "open", noting)
    second = await open_sqlite(tmp_path / "index.db")
    assert set(touched) == {"index.db-turn", "index.db-wal", "index.db-write", "index.opened"}
    await second.aclose()
    await first.aclose()


async def test_a_later_schema_is_not_touched(tmp_path: Path) -> None:
    await (await open_sqlite(tmp_path / "index.db")).aclose()
    connection = sqlite3.connect(tmp_path / "index.db")
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(IndexTooNewError, match=f"schema {len(MIGRATIONS) + 1}"):
        await open_sqlite(tmp_path / "index.db")


async def test_what_is_no_database_is_an_error_and_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "index.db").write_bytes(b"my diary" * 1000)
    with pytest.raises(Exception, match="not a database"):
        await open_sqlite(tmp_path / "index.db")
    assert (tmp_path / "index.db").read_bytes() == b"my diary" * 1000


async def test_two_indexes_on_one_file_see_each_other(tmp_path: Path) -> None:
    one, other = await open_sqlite(tmp_path / "index.db"), await open_sqlite(tmp_path / "index.db")
    await one.buckets.create(BUCKET)
    await other.objects.put(record("key"), ALWAYS)
    assert await one.objects.get(BUCKET.name, "key") == record("key")
    await other.accounts.add_user(user("anna"))
    await other.accounts.add_key(access_key("KEY"))
    assert await one.accounts.find_key("KEY") is not None
    await other.accounts.delete_key("KEY")
    assert await one.accounts.find_key("KEY") is None
    await asyncio.gather(
        *(index.objects.put(record(f"{number}"), ALWAYS) for number in range(40) for index in (one, other))
    )
    await one.aclose()
    await other.probe()
    await other.aclose()


def _contend(path: str, rounds: int, results: "multiprocessing.Queue[list[int]]") -> None:
    """Try to make the same objects as everybody else and report which were ours."""

    async def run() -> list[int]:
        index = await open_sqlite(Path(path), synchronous="NORMAL")
        won = []
        for number in range(rounds):
            try:
                await index.objects.put(record(f"key-{number}"), WriteCondition(if_none_match="*"))
            except S3Error as error:
                assert error.code == "PreconditionFailed"  # noqa: PT017  # runs in another process
            else:
                won.append(number)
        await index.aclose()
        return won

    results.put(asyncio.run(run()))


async def test_of_several_processes_one_wins_each_round_and_none_starves(tmp_path: Path) -> None:
    rounds = 100
    index = await open_sqlite(tmp_path / "index.db", synchronous="NORMAL")
    await index.buckets.create(BUCKET)
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[list[int]] = context.Queue()
    processes = [context.Process(target=_contend, args=(str(tmp_path / "index.db"), rounds, results)) for _ in range(3)]
    for process in processes:
        process.start()
    won = [number for _ in processes for number in results.get(timeout=60)]
    for process in processes:
        process.join()
    assert sorted(won) == list(range(rounds))
    page = await index.buckets.list(OWNER)
    assert list(page) == [BUCKET]
    await index.aclose()


async def test_found_keys_are_remembered_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "_REMEMBERED_MAX", 2)
    index = await open_sqlite(tmp_path / "index.db", synchronous="NORMAL")
    await index.accounts.add_user(user("anna"))
    for number in range(5):
        key = access_key(f"KEY{number}")
        await index.accounts.add_key(key)
        found = await index.accounts.find_key(key.access_key)
        assert found == (key, user("anna"))
        assert await index.accounts.find_key(key.access_key) is found
        assert len(index.accounts._rows) <= 2
    await index.aclose()


async def test_a_probe_that_reads_less_than_it_wrote_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = await open_sqlite(tmp_path / "index.db", synchronous="NORMAL")
    monkeypatch.setattr(index._reader, "one", lambda _: (0,))
    with pytest.raises(BrokenIndexError, match="acknowledged 1"):
        await index.probe()
    await index.aclose()


async def test_an_index_of_schema_1_is_taken_over_unless_it_has_objects(tmp_path: Path) -> None:
    for name, statement in (("empty.db", ""), ("full.db", "INSERT INTO blobs (id) VALUES (x'00');")):
        connection = sqlite3.connect(tmp_path / name)
        connection.executescript(MIGRATIONS[0])
        connection.execute("INSERT INTO users VALUES ('u', 'anna', 'Anna', '', 1)")
        connection.execute("INSERT INTO access_keys VALUES ('KEY', 'u', x'00', 1, NULL)")
        connection.execute("INSERT INTO buckets (name, owner, region, created_ms) VALUES ('old', 'u', 'r', 1)")
        connection.commit()
        connection.execute("PRAGMA user_version = 1")
        connection.executescript(statement)
        connection.close()
    index = await open_sqlite(tmp_path / "empty.db")
    assert (await index.buckets.get("old")).durability == "strict"
    await index.objects.put(record("key", bucket="old"), ALWAYS)
    await index.aclose()
    assert check(tmp_path / "empty.db") == []
    with pytest.raises(IndexTooOldError, match="schema 1"):
        await open_sqlite(tmp_path / "full.db")

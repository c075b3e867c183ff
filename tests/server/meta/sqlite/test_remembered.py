"""What is remembered is what a read would find, whoever commits: this index, another one, or a stranger."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cybous3.server.meta.sqlite import index as module
from cybous3.server.meta.sqlite import remembered as memory
from cybous3.server.meta.sqlite.index import SqliteIndex, open_sqlite
from cybous3.server.meta.sqlite.remembered import Remembered
from cybous3.server.model.objects import ALWAYS, Extent, ObjectPart, WriteCondition
from cybous3.server.wire.errors import S3Error
from tests.contracts.values import BUCKET, access_key, record, user

pytestmark = pytest.mark.anyio
A, B = ("object", "b", "a"), ("object", "b", "b")


@pytest.fixture
async def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteIndex]:
    monkeypatch.setattr(module, "LOG_BYTES", 0)
    opened = await open_sqlite(tmp_path / "index.db", synchronous="NORMAL")
    await opened.buckets.create(BUCKET)
    yield opened
    await opened.aclose()


def reads(index: SqliteIndex) -> list[str]:
    """Record every statement of the reading connection from now on."""
    seen: list[str] = []
    index._reading.set_trace_callback(seen.append)
    return seen


async def test_a_second_read_asks_nobody(index: SqliteIndex) -> None:
    await index.objects.put(record("one"), ALWAYS)
    first = await index.objects.get(BUCKET.name, "one")
    seen = reads(index)
    assert await index.objects.get(BUCKET.name, "one") is first
    assert seen == []


async def test_our_own_write_costs_the_memory_of_what_it_wrote(index: SqliteIndex) -> None:
    for key in ("one", "two"):
        await index.objects.put(record(key), ALWAYS)
        await index.objects.get(BUCKET.name, key)
    kept = await index.objects.get(BUCKET.name, "two")
    await index.objects.put(record("one", etag="e" * 32), ALWAYS)
    seen = reads(index)
    assert (await index.objects.get(BUCKET.name, "one")).etag == "e" * 32
    assert len(seen) == 1
    assert await index.objects.get(BUCKET.name, "two") is kept
    assert len(seen) == 1


async def test_a_write_of_another_index_is_seen(index: SqliteIndex, tmp_path: Path) -> None:
    await index.objects.put(record("one"), ALWAYS)
    await index.objects.get(BUCKET.name, "one")
    other = await open_sqlite(tmp_path / "index.db", synchronous="NORMAL")
    await other.objects.put(record("one", etag="f" * 32), ALWAYS)
    assert (await index.objects.get(BUCKET.name, "one")).etag == "f" * 32
    await other.aclose()
    await other.aclose()
    # Closing the other one has dropped no lock of ours: a checkpoint and a write still go through.
    await index.objects.put(record("one", etag="0" * 32), ALWAYS)
    assert (await index.objects.get(BUCKET.name, "one")).etag == "0" * 32


async def test_a_write_of_a_stranger_is_seen(index: SqliteIndex, tmp_path: Path) -> None:
    await index.objects.put(record("one"), ALWAYS)
    await index.objects.get(BUCKET.name, "one")
    before = index.mark(BUCKET.name, "one")
    stranger = sqlite3.connect(tmp_path / "index.db")
    with stranger:
        stranger.execute("UPDATE objects SET damaged = 'x'")
    stranger.close()
    assert index.mark(BUCKET.name, "one") != before
    assert (await index.objects.get(BUCKET.name, "one")).damaged == "x"


async def test_a_transaction_that_changes_nothing_announces_nothing(index: SqliteIndex, tmp_path: Path) -> None:
    await index.objects.put(record("one"), ALWAYS)
    await index.objects.get(BUCKET.name, "one")
    with pytest.raises(S3Error):
        await index.objects.put(record("two"), WriteCondition(if_match="0" * 32))
    other = await open_sqlite(tmp_path / "index.db", synchronous="NORMAL")
    await other.objects.delete(BUCKET.name, "one", ALWAYS)
    await other.aclose()
    with pytest.raises(S3Error):
        await index.objects.get(BUCKET.name, "one")


async def test_the_mark_of_an_object_outlives_other_writes_and_not_its_own(index: SqliteIndex) -> None:
    await index.objects.put(record("one"), ALWAYS)
    mark = index.mark(BUCKET.name, "one")
    assert mark is not None
    await index.objects.put(record("two"), ALWAYS)
    assert index.mark(BUCKET.name, "one") == mark
    await index.objects.delete_many(BUCKET.name, [("one", ALWAYS)])
    assert index.mark(BUCKET.name, "one") != mark


async def test_accounts_and_buckets_are_in_every_mark(index: SqliteIndex) -> None:
    mark = index.mark(BUCKET.name, "one")
    await index.accounts.add_user(user("anna"))
    changed = index.mark(BUCKET.name, "one")
    assert changed != mark
    await index.accounts.add_key(access_key("KEY"))
    assert index.mark(BUCKET.name, "one") not in (mark, changed)


async def test_readers_never_see_the_past_beside_a_writer(index: SqliteIndex) -> None:
    async def write() -> None:
        for number in range(60):
            await index.objects.put(record("one", etag=f"{number:032}"), ALWAYS)
            acknowledged[0] = number

    async def read() -> None:
        while not writing.done():
            least = acknowledged[0]
            found = await index.objects.get(BUCKET.name, "one")
            assert int(found.etag) >= least
            await asyncio.sleep(0)

    acknowledged = [0]
    await index.objects.put(record("one", etag=f"{0:032}"), ALWAYS)
    writing = asyncio.ensure_future(write())
    await asyncio.gather(writing, read(), read())


class Counter:
    """A stamp that tests move: what SQLite's header says, reduced to its counter."""

    def __init__(self) -> None:
        self.changes = 7

    def read(self) -> bytes:
        half = b"\0" * 8 + self.changes.to_bytes(4, "little") + b"\0" * 36
        return half + half


def of(stamp: object) -> Remembered:
    return Remembered(stamp)  # type: ignore[arg-type]  # it reads like one


def test_without_a_mark_nothing_is_kept() -> None:
    class Nothing:
        def read(self) -> bytes:
            return b""

    values = of(Nothing())
    assert values.recall(A) is None
    values.keep(A, 1)
    assert values.recall(A) is None
    assert values.mark(A) is None


def test_an_expectation_covers_one_transaction_only() -> None:
    stamp = Counter()
    values = of(stamp)
    values.recall(A)
    values.keep(A, 1)
    values.keep(B, 2)
    values.expect([A])
    stamp.changes += 2
    assert values.recall(B) is None


def test_an_expectation_that_was_withdrawn_covers_none() -> None:
    stamp = Counter()
    values = of(stamp)
    values.recall(A)
    values.keep(B, 2)
    values.expect([A])
    values.expect(None)
    stamp.changes += 1
    assert values.recall(B) is None


def test_a_header_that_is_being_written_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    stamp = Counter()
    values = of(stamp)
    values.recall(A)
    values.keep(B, 2)
    values.expect([A])
    torn = stamp.read()[:48]
    stamp.changes += 1
    monkeypatch.setattr(values, "_read_stamp", lambda: torn + stamp.read()[48:])
    assert values.recall(B) is None


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "BYTES_MAX", 3 * 1024)
    values = of(Counter())
    values.recall(A)
    for number in range(5):
        values.keep(("object", "b", str(number)), number)
    assert [values.recall(("object", "b", str(number))) for number in range(5)] == [None, None, 2, 3, 4]


def test_an_object_of_many_parts_counts_for_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "BYTES_MAX", 1024 * 1024)
    values = of(Counter())
    values.recall(A)
    parts = tuple(ObjectPart(number, 1, "e" * 32) for number in range(1000))
    extents = tuple(Extent("b" * 32, 1) for _ in parts)
    names = [("object", "b", str(number)) for number in range(5)]
    for name in names:
        values.keep(name, record(name[2], inline=None, parts=parts, extents=extents))
    kept = [name for name in names if values.recall(name) is not None]
    assert kept == names[-2:]


def test_too_many_touched_rows_end_the_era(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "TOUCHED_MAX", 3)
    stamp = Counter()
    values = of(stamp)
    mark = values.mark(("object", "b", "untouched"))
    values.expect([("object", "b", str(number)) for number in range(4)])
    stamp.changes += 1
    assert values.mark(("object", "b", "untouched")) != mark


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("orwa"), st.integers(0, 2), st.booleans()), max_size=30))
def test_what_is_recalled_is_what_is_there(steps: list[tuple[str, int, bool]]) -> None:
    """A model: rows that own commits, foreign commits and refused transactions change, read through the memory."""
    rows, stamp = [0, 0, 0], Counter()
    values = of(stamp)
    for kind, row, before in steps:
        name = ("object", "b", str(row))
        if kind == "o":  # our own commit; with or without a look at the memory before it is settled
            values.expect([name])
            rows[row] += 1
            stamp.changes += 1
            if before:
                assert values.recall(name) is None
            values.expect(None)
        elif kind == "w":  # a group of which every member was refused
            values.expect(None)
            values.expect(None)
        elif kind == "a":  # somebody else's commit
            rows[row] += 1
            stamp.changes += 1
        found = values.recall(name)
        if found is None:
            values.keep(name, found := rows[row])
        assert found == rows[row]

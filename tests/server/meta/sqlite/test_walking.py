"""Rows that are not what was written: nobody is given them, and they can be replaced."""

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from cybous3.server.meta.port import DamagedRecord, DamagedRecordError, ListQuery
from cybous3.server.meta.sqlite import index as module
from cybous3.server.meta.sqlite.index import SqliteIndex, open_sqlite
from cybous3.server.model.objects import ALWAYS, WriteCondition
from tests.contracts.index_contract import refused
from tests.contracts.values import BUCKET, blob, in_blobs, part, record, upload

pytestmark = pytest.mark.anyio


@pytest.fixture
async def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteIndex]:
    monkeypatch.setattr(module, "LOG_BYTES", 0)
    opened = await open_sqlite(tmp_path / "index.db", synchronous="NORMAL")
    await opened.buckets.create(BUCKET)
    for key in ("a", "b", "c"):
        await opened.objects.put(record(key, inline=key.encode() * 3, user={"x": "y"}), ALWAYS)
    yield opened
    await opened.aclose()


def spoil(index: SqliteIndex, statement: str) -> None:
    index._writing.execute(statement)


ROWS = [
    "UPDATE objects SET etag = 'x' WHERE key = x'62'",
    "UPDATE objects SET size = 4 WHERE key = x'62'",
    "UPDATE objects SET sum = sum + 1 WHERE key = x'62'",
    "UPDATE objects SET content = 3 WHERE key = x'62'",
    "UPDATE objects SET user = NULL WHERE key = x'62'",
    "UPDATE objects SET user = CAST(x'ff' AS TEXT) WHERE key = x'62'",
]
BODIES = [
    "UPDATE contents SET data = x'00' WHERE id = 2",
    "DELETE FROM contents WHERE id = 2",
]


@pytest.mark.parametrize("damage", [*ROWS, *BODIES])
async def test_a_damaged_object_is_not_returned_and_its_neighbours_are(index: SqliteIndex, damage: str) -> None:
    spoil(index, damage)
    with pytest.raises(DamagedRecordError, match="'b' in bucket 'bucket' is damaged"):
        await index.objects.get(BUCKET.name, "b")
    first, second, third = await index.objects.walk()
    assert isinstance(second, DamagedRecord)
    assert (second.bucket, second.key) == (BUCKET.name, "b")
    assert [getattr(one, "inline", None) for one in (first, third)] == [b"aaa", b"ccc"]


@pytest.mark.parametrize("damage", [*ROWS[:5], *BODIES])
@pytest.mark.parametrize("heal", ["put", "delete", "delete many"])
async def test_a_put_or_a_delete_heals_it_and_touches_no_neighbour(index: SqliteIndex, damage: str, heal: str) -> None:
    spoil(index, damage)
    if heal == "delete":
        assert await index.objects.delete(BUCKET.name, "b", ALWAYS)
    elif heal == "delete many":
        assert await index.objects.delete_many(BUCKET.name, [("b", ALWAYS)]) == [None]
    await index.objects.put(record("b"), ALWAYS)
    assert await index.objects.get(BUCKET.name, "b") == record("b")
    for key in ("a", "c"):
        assert (await index.objects.get(BUCKET.name, key)).inline == key.encode() * 3


async def test_a_condition_cannot_be_asked_of_a_damaged_row(index: SqliteIndex) -> None:
    spoil(index, ROWS[0])
    for condition in (WriteCondition(if_match="x"), WriteCondition(if_none_match="x")):
        with pytest.raises(DamagedRecordError):
            await index.objects.put(record("b"), condition)
        (answer,) = await index.objects.delete_many(BUCKET.name, [("b", condition)])
        assert isinstance(answer, DamagedRecordError)
    await refused("PreconditionFailed", index.objects.put(record("b"), WriteCondition(if_none_match="*")))
    await index.objects.put(record("b"), WriteCondition(if_match="*"))
    assert await index.objects.get(BUCKET.name, "b") == record("b")


async def test_damage_of_a_row_is_not_quarantined_or_forgotten(index: SqliteIndex) -> None:
    seen = await index.objects.get(BUCKET.name, "b")
    spoil(index, ROWS[0])
    assert not await index.objects.quarantine(seen, "why")
    assert not await index.objects.forget(BUCKET.name, "b", seen.extents)


async def test_a_damaged_layout_is_told(index: SqliteIndex) -> None:
    stored = in_blobs("wide", [blob(), blob()])
    await index.objects.put(stored, ALWAYS)
    spoil(index, "UPDATE layouts SET extents = substr(extents, 25)")
    with pytest.raises(DamagedRecordError, match="refers to"):
        await index.objects.get(BUCKET.name, "wide")
    spoil(index, "DELETE FROM layouts")
    await index.objects.put(replace(stored, extents=(), inline=b"abc", size=3), ALWAYS)
    assert (await index.objects.get(BUCKET.name, "wide")).inline == b"abc"


async def test_a_damaged_part_is_not_returned(index: SqliteIndex) -> None:
    begun, parts = upload("key"), [part(1), part(2)]
    await index.uploads.create(begun)
    for one in parts:
        await index.uploads.put_part(BUCKET.name, "key", begun.id, one)
    spoil(index, "UPDATE parts SET etag = 'x' WHERE number = 1")
    with pytest.raises(DamagedRecordError, match="part 1"):
        await index.uploads.parts(BUCKET.name, "key", begun.id)
    damaged, whole = await index.uploads.walk()
    assert isinstance(damaged, DamagedRecord)
    assert (damaged.upload_id, damaged.number) == (begun.id, 1)
    assert getattr(whole, "part", None) == parts[1]
    await index.uploads.put_part(BUCKET.name, "key", begun.id, part(1))
    assert len(await index.uploads.parts(BUCKET.name, "key", begun.id)) == 2


async def test_a_key_that_is_no_text_is_told_by_the_walk(index: SqliteIndex) -> None:
    spoil(index, "UPDATE objects SET key = x'61ff' WHERE key = x'62'")
    _, damaged, _ = await index.objects.walk()
    assert damaged == DamagedRecord(BUCKET.name, "a\ufffd", "the key is not UTF-8")


async def test_a_page_that_sqlite_cannot_read_is_damage_of_the_record(tmp_path: Path) -> None:
    path = tmp_path / "broken.db"
    index = await open_sqlite(path, synchronous="NORMAL")
    await index.buckets.create(BUCKET)
    for number in range(200):
        await index.objects.put(record(f"{number:04}"), ALWAYS)
    await index.aclose()
    with sqlite3.connect(path) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'objects'").fetchone()
    connection.close()
    content = bytearray(path.read_bytes())
    content[(root - 1) * 4096 : root * 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    broken = await open_sqlite(path, synchronous="NORMAL")
    with pytest.raises(DamagedRecordError, match="malformed"):
        await broken.objects.get(BUCKET.name, "0001")
    with pytest.raises(DamagedRecordError):
        await broken.objects.walk()
    with pytest.raises(Exception, match="malformed"):
        await broken.objects.list(ListQuery(BUCKET.name))
    await broken.aclose()

"""A new index of what was salvaged holds the same, agrees with itself, and says what did not fit."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from cybous3.server.meta.port import UploadedPart
from cybous3.server.meta.sqlite.check import check
from cybous3.server.meta.sqlite.index import open_sqlite
from cybous3.server.meta.sqlite.rebuild import build
from cybous3.server.meta.sqlite.salvage import Salvaged, salvage
from tests.contracts.values import BUCKET, access_key, blob, in_blobs, part, record, upload, user
from tests.support.indexes import fill_index


def test_what_was_salvaged_is_an_index_again(tmp_path: Path) -> None:
    filled = fill_index(tmp_path / "old.db", 60)
    assert build(tmp_path / "new.db", salvage(tmp_path / "old.db")) == []
    assert check(tmp_path / "new.db") == []
    found = salvage(tmp_path / "new.db")
    assert {one.key: one for one in found.objects} == filled.objects
    assert ([one.part for one in found.parts], found.uploads) == (list(filled.parts.values()), [filled.upload])
    assert (found.users, found.keys, found.buckets) == ([filled.user], [filled.key], [BUCKET])
    assert (tmp_path / "new.db").stat().st_mode & 0o077 == 0
    assert sorted(entry.name for entry in tmp_path.iterdir() if entry.name.startswith("new")) == ["new.db"]


def test_the_new_index_can_be_used(tmp_path: Path) -> None:
    build(tmp_path / "new.db", Salvaged(buckets=[replace(BUCKET, durability="relaxed")], objects=[record("key")]))

    async def use() -> None:
        index = await open_sqlite(tmp_path / "new.db")
        assert await index.objects.get(BUCKET.name, "key") == record("key")
        await index.buckets.create(replace(BUCKET, name="other"))
        assert (await index.buckets.get(BUCKET.name)).durability == "relaxed"
        await index.aclose()

    asyncio.run(use())


def test_what_does_not_fit_is_told(tmp_path: Path) -> None:
    shared = blob()
    taken = part(1, shared)
    values = Salvaged(
        buckets=[BUCKET, BUCKET],
        users=[user("anna"), user("anna")],
        keys=[access_key("KEY"), access_key("KEY")],
        objects=[
            in_blobs("one", [shared]),
            in_blobs("two", [shared]),
            in_blobs("one", [blob()]),
            record("three", bucket="absent"),
        ],
        uploads=[upload("key", "known"), upload("key", "homeless", bucket="absent")],
        parts=[
            UploadedPart(BUCKET.name, "key", "known", taken),
            UploadedPart("absent", "key", "homeless", part(2)),
        ],
    )
    lost = build(tmp_path / "new.db", values)
    assert [(one.kind, one.name) for one in lost] == [
        ("user", "anna"),
        ("access key", "KEY"),
        ("object", "bucket/two"),
        ("object", "bucket/one"),
        ("object", "absent/three"),
        ("upload", "homeless"),
        ("part", "1 of upload known"),
        ("part", "2 of upload homeless"),
    ]
    assert check(tmp_path / "new.db") == []


@pytest.mark.parametrize("name", ["new.db", "new.db-wal"])
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        build(tmp_path / "new.db", Salvaged())
    assert (tmp_path / name).read_bytes() == b"mine"

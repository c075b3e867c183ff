"""A snapshot is one state of an index that is in use, whole or not there."""

import asyncio
from pathlib import Path

import pytest

from cybous3.server.meta.sqlite.check import check
from cybous3.server.meta.sqlite.errors import DamagedIndexError
from cybous3.server.meta.sqlite.index import open_sqlite
from cybous3.server.meta.sqlite.salvage import salvage
from cybous3.server.meta.sqlite.snapshot import snapshot
from cybous3.server.model.objects import ALWAYS
from tests.contracts.values import BUCKET, record


def test_a_snapshot_under_writes_is_one_state_and_needs_no_log(tmp_path: Path) -> None:
    async def run() -> int:
        index = await open_sqlite(tmp_path / "index.db", synchronous="NORMAL")
        await index.buckets.create(BUCKET)
        done = 0

        async def write() -> None:
            nonlocal done
            for number in range(300):
                await index.objects.put(record(f"{number:05}"), ALWAYS)
                done += 1

        writing = asyncio.create_task(write())
        while done < 50:  # noqa: ASYNC110  # a count has no event
            await asyncio.sleep(0)
        before = done
        await asyncio.to_thread(snapshot, tmp_path / "index.db", tmp_path / "copy.db")
        await writing
        await index.aclose()
        return before

    before = asyncio.run(run())
    assert sorted(entry.name for entry in tmp_path.iterdir() if entry.name.startswith("copy")) == ["copy.db"]
    assert check(tmp_path / "copy.db") == []
    found = [one.key for one in salvage(tmp_path / "copy.db").objects]
    assert found == [f"{number:05}" for number in range(len(found))]
    assert len(found) >= before
    assert (tmp_path / "copy.db").stat().st_mode & 0o077 == 0


def test_nothing_is_overwritten_and_a_bad_source_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"mine")
    (tmp_path / "diary").write_bytes(b"my diary" * 1000)
    with pytest.raises(FileExistsError):
        snapshot(tmp_path / "diary", tmp_path / "taken")
    with pytest.raises(DamagedIndexError):
        snapshot(tmp_path / "diary", tmp_path / "copy")
    with pytest.raises(OSError, match="opened"):
        snapshot(tmp_path / "absent", tmp_path / "copy")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["diary", "taken"]

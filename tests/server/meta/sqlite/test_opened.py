"""A log that has lost what was committed is noticed before SQLite believes it, and one that has not is not accused."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cybous3.disk.files import SystemFiles
from cybous3.server.meta.sqlite import index as module
from cybous3.server.meta.sqlite import opened
from cybous3.server.meta.sqlite.errors import DamagedIndexError
from cybous3.server.meta.sqlite.index import SqliteIndex, open_sqlite
from cybous3.server.meta.sqlite.log import FRAME_BYTES, HEADER_BYTES, frames, read_header
from cybous3.server.meta.sqlite.opened import Opening, note_of
from cybous3.server.meta.sqlite.salvage import salvage
from cybous3.server.meta.sqlite.stamp import last_known
from cybous3.server.model.buckets import Durability
from cybous3.server.model.objects import ALWAYS
from tests.contracts.values import BUCKET, record

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="the boot id and the wal-index are Linux's"),
]

COMMITS = 5
CODE = """
import asyncio, os, signal, sys
from dataclasses import replace
from pathlib import Path
from cybous3.server.meta.sqlite import index as module
from cybous3.server.model.objects import ALWAYS
from tests.contracts.values import BUCKET, record

async def main(path, commits, mode, checkpoint):
    module.LOG_BYTES = 0
    index = await module.open_sqlite(Path(path))
    if index.buckets.find(BUCKET.name) is None:
        await index.buckets.create(replace(BUCKET, durability=mode))
    else:
        index._writing.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
    for number in range(int(commits)):
        await index.objects.put(record(f"{number}{os.getpid()}", inline=b"x" * 100, size=100), ALWAYS)
        if str(number) == checkpoint:
            index._writing.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(*sys.argv[1:]))
"""

Damage = Callable[[Path], None]


def killed(path: Path, commits: int = COMMITS, mode: Durability = "strict", checkpoint: str = "") -> Path:
    """Return an index whose process was killed after so many new objects.

    `checkpoint` names the one behind which it copied its log into the tables.
    """
    ended = subprocess.run(  # our own interpreter
        [sys.executable, "-c", CODE, str(path), str(commits), mode, checkpoint], check=False, timeout=60
    )
    assert ended.returncode == -signal.SIGKILL
    return path


def log_of(index: Path) -> Path:
    return index.with_name(f"{index.name}-wal")


def shared_of(index: Path) -> Path:
    return index.with_name(f"{index.name}-shm")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return killed(tmp_path / "index.db")


@asynccontextmanager
async def reopened(path: Path) -> AsyncIterator[SqliteIndex]:
    index = await open_sqlite(path)
    try:
        yield index
    finally:
        await index.aclose()


async def count(path: Path) -> int:
    async with reopened(path) as index:
        found: int = index._reading.execute("SELECT count(*) FROM objects").fetchone()[0]
        return found


def state_of(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}


async def refused(path: Path) -> str:
    """Open an index that must not be, and see that nothing was touched."""
    before = state_of(path.parent)
    with pytest.raises(DamagedIndexError) as found:
        await open_sqlite(path)
    assert found.value.exit_code == 11
    assert "fsck --rebuild" in (found.value.hint or "")
    assert state_of(path.parent) == before
    return found.value.message


def flip(file: Path, at: int, bit: int = 1) -> None:
    with file.open("r+b") as opened_file:
        opened_file.seek(at)
        (byte,) = opened_file.read(1)
        opened_file.seek(at)
        opened_file.write(bytes([byte ^ bit]))


def changed_ns(path: Path) -> int:
    return path.stat().st_mtime_ns


def another_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened, "this_boot", lambda: "another boot")


def commits_of(path: Path) -> list[int]:
    """Return the numbers of the frames that end a transaction."""
    with log_of(path).open("rb") as file:
        header = read_header(file.read(HEADER_BYTES))
        assert header is not None
        return [one.number for one in frames(file.fileno(), header.order, header.sums) if one.commit]


async def test_after_a_kill_everything_is_there_and_stays_there(path: Path) -> None:
    assert await count(path) == COMMITS
    assert not log_of(path).exists()
    assert await count(path) == COMMITS


async def test_every_changed_bit_of_what_was_committed_is_seen(path: Path) -> None:
    seen = last_known(path)
    assert seen is not None
    assert seen.frames > COMMITS
    assert seen.copied == 0
    end = HEADER_BYTES + seen.frames * FRAME_BYTES
    starts = range(HEADER_BYTES, end, FRAME_BYTES)
    heads = {at for start in starts for at in range(start, start + 24)}
    for at in sorted({*range(HEADER_BYTES), *heads, *range(HEADER_BYTES, end, 499), end - 1}):
        flip(log_of(path), at, 1 << at % 8)
        with pytest.raises(DamagedIndexError):
            Opening(path).ensure_whole()
        flip(log_of(path), at, 1 << at % 8)
    Opening(path).ensure_whole()


def _cut(path: Path) -> None:
    log = log_of(path)
    os.truncate(log, log.stat().st_size - 1)


def _cut_to_the_head(path: Path) -> None:
    os.truncate(log_of(path), HEADER_BYTES)


def _empty(path: Path) -> None:
    os.truncate(log_of(path), 0)


def _zero(path: Path) -> None:
    log_of(path).write_bytes(bytes(log_of(path).stat().st_size))


def _remove(path: Path) -> None:
    log_of(path).unlink()


def _another_log(path: Path) -> None:
    other = killed(path.with_name("other.db"))
    log_of(path).write_bytes(log_of(other).read_bytes())
    for one in path.parent.glob("other*"):
        one.unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_cut, "in its log is not what was written"),
        (_cut_to_the_head, "page 1 of"),
        (_empty, "is empty or gone"),
        (_zero, "is empty or gone"),
        (_remove, "is empty or gone"),
        (_another_log, "not the one that belongs to it"),
    ],
)
async def test_a_log_that_has_lost_something_is_left_as_it_is(path: Path, damage: Damage, said: str) -> None:
    damage(path)
    assert said in await refused(path)
    assert said in await refused(path)


async def test_what_was_not_committed_may_be_anything(path: Path) -> None:
    with log_of(path).open("ab") as log:
        log.write(os.urandom(3 * FRAME_BYTES))
    assert await count(path) == COMMITS


async def test_a_log_that_is_in_the_tables_is_not_missed(tmp_path: Path) -> None:
    path = killed(tmp_path / "index.db", checkpoint=str(COMMITS - 1))
    seen = last_known(path)
    assert seen is not None
    assert seen.copied == seen.frames > 0
    log_of(path).unlink()
    assert await count(path) == COMMITS


async def test_a_log_that_is_partly_in_the_tables_is(tmp_path: Path) -> None:
    path = killed(tmp_path / "index.db", checkpoint="2")
    log_of(path).unlink()
    assert "is empty or gone" in await refused(path)


async def test_a_wal_index_that_says_nothing_accuses_nobody(path: Path) -> None:
    for at in (0, 48):
        flip(shared_of(path), at)
    assert last_known(path) is None
    assert await count(path) == COMMITS


async def test_a_wal_index_that_was_being_written_counts_as_it_was_before(path: Path) -> None:
    before = last_known(path)
    flip(shared_of(path), 48 + 16)
    assert last_known(path) == before
    flip(shared_of(path), 16)
    assert last_known(path) is None
    shared_of(path).write_bytes(b"short")
    assert last_known(path) is None
    assert await count(path) == COMMITS


async def test_without_a_wal_index_the_log_itself_tells(path: Path) -> None:
    shared_of(path).unlink()
    flip(log_of(path), HEADER_BYTES + 100)
    assert "transactions behind the place" in await refused(path)


async def test_another_program_that_closes_it_in_order_does_no_harm(path: Path) -> None:
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM objects").fetchone() == (COMMITS,)
    connection.close()
    assert not log_of(path).exists()
    assert await count(path) == COMMITS


async def test_a_copy_of_the_files_is_judged_like_them(path: Path, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
        for name in state_of(tmp_path):
            shutil.copy2(tmp_path / name, folder / name)
    log_of(cut / path.name).unlink()
    assert await count(whole / path.name) == COMMITS
    assert "is empty or gone" in await refused(cut / path.name)


async def test_a_log_that_is_gone_with_its_wal_index_is_missed(path: Path) -> None:
    log_of(path).unlink()
    shared_of(path).unlink()
    assert "what was committed last was nowhere else" in await refused(path)


async def test_what_a_killed_process_left_unsynced_is_synced_before_anybody_builds_on_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a second commit would stand behind one that a power cut can tear, and an answer rest on it."""
    synced: list[Path] = []
    monkeypatch.setattr(module, "sync", synced.append)
    async with reopened(path):
        assert synced == [log_of(path)]
    async with reopened(path):
        assert synced == [log_of(path)]


@pytest.mark.parametrize("left", [0, 3])
def test_a_rebuild_knows_how_many_pages_of_the_log_are_gone(path: Path, left: int) -> None:
    seen = last_known(path)
    assert seen is not None
    os.truncate(log_of(path), left and HEADER_BYTES + left * FRAME_BYTES + 77)
    lost = {(one.kind, one.name) for one in salvage(path).lost}
    assert ("log", f"{seen.frames - left} frames") in lost


def test_a_rebuild_of_a_whole_log_misses_nothing(path: Path) -> None:
    assert [one for one in salvage(path).lost if one.kind == "log"] == []


@pytest.mark.parametrize("statement", ["SELECT count(*) FROM objects", "PRAGMA wal_checkpoint(TRUNCATE)"])
@pytest.mark.parametrize("closes", [True, False])
async def test_a_program_that_keeps_no_wal_index_does_no_harm(path: Path, statement: str, *, closes: bool) -> None:
    """It leaves the wal-index as it was, and closes in order, or dies."""
    code = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('PRAGMA locking_mode = EXCLUSIVE');"
        "c.execute(sys.argv[2]).fetchall(); c.execute('UPDATE probe SET value = value + 1'); c.commit();"
    )
    code += "c.close()" if closes else "os._exit(1)"
    before = shared_of(path).read_bytes()
    subprocess.run([sys.executable, "-c", code, str(path), statement], check=closes, timeout=60)  # noqa: ASYNC221
    assert shared_of(path).read_bytes() == before
    assert await count(path) == COMMITS


async def test_a_log_that_a_living_program_changes_meanwhile_is_judged_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = last_known(path)
    assert now is not None
    seen = [now._replace(frames=1_000_000), now]
    monkeypatch.setattr(opened, "last_known", lambda _: seen.pop(0) if seen else now)
    Opening(path).ensure_whole()
    assert not seen
    monkeypatch.setattr(opened, "last_known", lambda _: now._replace(frames=1_000_000))
    with pytest.raises(DamagedIndexError):
        Opening(path).ensure_whole()
    numbers = iter(range(1_000_000, 2_000_000))
    monkeypatch.setattr(opened, "last_known", lambda _: now._replace(frames=next(numbers)))
    Opening(path).ensure_whole()


async def test_every_checkpoint_and_the_commit_behind_it_are_told_apart(tmp_path: Path) -> None:
    """However fast they follow each other; and of two that have the index open, both know."""
    path = tmp_path / "index.db"
    async with reopened(path) as index, reopened(path) as other:
        await index.buckets.create(BUCKET)
        times = set()
        for number in range(5):
            for one in (index, other):
                await one.objects.put(record(f"{number}{one is other}"), ALWAYS)
                assert json.loads(note_of(path).read_bytes())["tables_ns"] == changed_ns(path)
            times.add(changed_ns(path))
            index._writing.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            assert changed_ns(path) not in times
        assert len(times) == 5


async def test_where_files_have_no_nanoseconds_a_missing_log_is_not_missed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "utime", lambda *_, **__: None)
    async with reopened(path) as index:
        index._writing.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        await index.objects.put(record("later"), ALWAYS)
        assert json.loads(note_of(path).read_bytes())["tables_ns"] != changed_ns(path)


async def test_a_snapshot_with_a_wal_index_of_before_accuses_nobody(path: Path) -> None:
    """A file system that is stopped for a moment has what was synced; a wal-index never is."""
    old = shared_of(path).read_bytes()
    killed(path, 1)
    now = last_known(path)
    shared_of(path).write_bytes(old)
    then = last_known(path)
    assert now is not None
    assert then is not None
    assert (now.salts[0] - then.salts[0]) % 2**32 == 1
    assert await count(path) == COMMITS + 1


@pytest.mark.parametrize("torn", [0, 1])
async def test_a_power_cut_may_tear_the_last_transaction_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch, torn: int
) -> None:
    """A broken frame with one transaction behind it may be a torn end; with two it cannot be."""
    ends = commits_of(path)
    another_boot(monkeypatch)
    flip(log_of(path), HEADER_BYTES + (ends[-2 - torn] - 1) * FRAME_BYTES + 1000)
    if torn:
        assert "its log is broken, with 2 transactions behind the place" in await refused(path)
    else:
        assert await count(path) == COMMITS - 2


async def test_after_a_power_cut_the_head_of_the_log_is_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    another_boot(monkeypatch)
    flip(log_of(path), 20)
    assert "the head of its log" in await refused(path)


async def test_after_a_power_cut_a_log_may_be_empty(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    another_boot(monkeypatch)
    log_of(path).write_bytes(bytes(FRAME_BYTES * 10))
    assert await count_or_none(path) is None


async def count_or_none(path: Path) -> int | None:
    """Return how many objects there are, None when there is not even the bucket."""
    async with reopened(path) as index:
        return None if index.buckets.find(BUCKET.name) is None else COMMITS


async def test_nothing_is_said_of_a_log_with_commits_that_nobody_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = killed(tmp_path / "index.db", mode="relaxed")
    assert json.loads(note_of(path).read_bytes())["unsynced"] is True
    flip(log_of(path), HEADER_BYTES + (commits_of(path)[-4]) * FRAME_BYTES + 1000)
    assert "in its log is not what was written" in await refused(path)  # no machine has stopped
    another_boot(monkeypatch)
    assert await count(path) < COMMITS


async def test_once_closed_in_order_nothing_is_unsynced(tmp_path: Path) -> None:
    path = killed(tmp_path / "index.db", mode="none")
    assert await count(path) == COMMITS
    assert json.loads(note_of(path).read_bytes())["unsynced"] is True  # its log was there when it was opened
    assert await count(path) == COMMITS
    assert json.loads(note_of(path).read_bytes())["unsynced"] is False


async def test_what_a_power_cut_left_behind_the_end_is_made_nothing_of(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else two power cuts, each with a torn end, would look like damage."""
    monkeypatch.setattr(module, "LOG_BYTES", 0)
    ends = commits_of(path)
    another_boot(monkeypatch)
    flip(log_of(path), HEADER_BYTES + ends[-2] * FRAME_BYTES + 1000)  # the first page of the last transaction
    async with reopened(path) as index:
        assert index._stamp.frames() == ends[-2]
        assert commits_of(path) == ends[:-1]
        behind = log_of(path).read_bytes()[HEADER_BYTES + ends[-2] * FRAME_BYTES :]
        assert {behind[at : at + 24] for at in range(0, len(behind), FRAME_BYTES)} == {bytes(24)}


async def test_the_note_is_written_once_a_boot(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = note_of(path).stat().st_ino
    assert await count(path) == COMMITS
    assert note_of(path).stat().st_ino == first
    another_boot(monkeypatch)
    assert await count(path) == COMMITS
    assert note_of(path).stat().st_ino != first


async def test_without_room_for_a_note_there_is_none_and_all_goes_on(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(SystemFiles):
        def create(self, path: Path) -> int:
            raise OSError(28, "No space left on device", str(path))

    another_boot(monkeypatch)
    monkeypatch.setattr(opened, "SYSTEM", Full())
    assert await count(path) == COMMITS
    assert not note_of(path).exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"boot": 1, "unsynced": false, "tables_ns": null}', b"x" * 5000, b'{"boot": ""}'],
)
async def test_a_note_that_makes_no_sense_is_none(path: Path, content: bytes) -> None:
    note_of(path).write_bytes(content)
    assert await count(path) == COMMITS
    assert json.loads(note_of(path).read_bytes())["boot"] == opened.this_boot() != ""


def test_where_the_machine_does_not_tell_its_boot_nothing_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opened, "_BOOT_ID", tmp_path / "absent")
    assert opened.this_boot() == ""


async def test_an_index_that_this_process_has_open_is_not_looked_at(tmp_path: Path) -> None:
    async with reopened(tmp_path / "index.db") as first, reopened(tmp_path / "index.db") as second:
        await first.buckets.create(BUCKET)
        assert second.buckets.find(BUCKET.name) is not None

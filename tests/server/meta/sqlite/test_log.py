"""The log after a failed sync: written again from what is there, or nothing is committed any more."""

import asyncio
import errno
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from cybous3.disk.files import SystemFiles
from cybous3.server.meta.space import RESERVE_MIN, Space
from cybous3.server.meta.sqlite import index as module
from cybous3.server.meta.sqlite import log as log_module
from cybous3.server.meta.sqlite.index import SqliteIndex, open_sqlite
from cybous3.server.meta.sqlite.log import FRAME_BYTES, HEADER_BYTES, BrokenLogError, lay_out, make_durable
from cybous3.server.model.buckets import Durability
from cybous3.server.model.objects import ALWAYS
from cybous3.server.wire.errors import S3Error
from tests.contracts.values import BUCKET, record

pytestmark = pytest.mark.anyio


@pytest.fixture
async def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteIndex]:
    monkeypatch.setattr(module, "LOG_BYTES", 0)
    opened = await open_sqlite(tmp_path / "index.db")
    await opened.buckets.create(BUCKET)
    yield opened
    await opened.aclose()


async def test_groups_are_synced_as_the_strictest_of_their_buckets_wants(index: SqliteIndex) -> None:
    modes: tuple[Durability, ...] = ("relaxed", "none")
    for mode in modes:
        await index.buckets.create(replace(BUCKET, name=mode, durability=mode))
    levels: list[str] = []
    index._writing.set_trace_callback(lambda sql: levels.append(sql[-6:].strip()) if "synchronous" in sql else None)
    await index.objects.put(record("a", bucket="relaxed"), ALWAYS)
    await index.objects.put(record("a", bucket="none"), ALWAYS)
    assert levels == ["NORMAL"]
    await index.objects.put(record("a"), ALWAYS)
    await index.objects.put(record("b"), ALWAYS)
    assert levels == ["NORMAL", "= FULL"]
    await index.buckets.set_durability(BUCKET.name, "none")
    await index.objects.put(record("c"), ALWAYS)
    assert levels == ["NORMAL", "= FULL", "NORMAL"]


async def test_the_log_is_written_again_byte_for_byte_and_ends_behind_the_last_commit(
    index: SqliteIndex, tmp_path: Path
) -> None:
    log = tmp_path / "index.db-wal"
    last = index._stamp.frames()
    assert last
    whole = log.read_bytes()
    behind = HEADER_BYTES + last * FRAME_BYTES
    log.write_bytes(whole[:behind] + b"x" * FRAME_BYTES)
    make_durable(log, last)
    content = log.read_bytes()
    assert content[:behind] == whole[:behind]
    assert content[behind : behind + 24] == bytes(24)
    await index.objects.put(record("a"), ALWAYS)


@pytest.mark.parametrize("place", [0, 20, HEADER_BYTES + 4, HEADER_BYTES + 100, HEADER_BYTES + FRAME_BYTES + 9])
async def test_a_log_that_has_lost_something_is_not_gone_on_with(
    index: SqliteIndex, tmp_path: Path, place: int
) -> None:
    log = tmp_path / "index.db-wal"
    content = bytearray(log.read_bytes())
    content[place] ^= 1
    log.write_bytes(content)
    with pytest.raises(BrokenLogError):
        make_durable(log, index._stamp.frames() or 0)


async def test_while_the_log_is_in_doubt_nothing_is_committed_and_then_all_goes_on(
    index: SqliteIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise OSError(errno.EIO, "the disk failed")

    index._committer._in_doubt = True
    with monkeypatch.context() as context:
        context.setattr(module, "make_durable", failing)
        for key in ("a", "b"):
            with pytest.raises(OSError, match="the disk failed"):
                await index.objects.put(record(key), ALWAYS)
    await index.objects.put(record("c"), ALWAYS)
    with pytest.raises(S3Error):
        await index.objects.get(BUCKET.name, "a")


async def test_a_full_log_is_copied_into_the_tables(index: SqliteIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index._committer._log, "_pages", 8)
    for number in range(40):
        await index.objects.put(record(f"{number}", inline=b"x" * 9000, size=9000), ALWAYS)
    assert (index._stamp.frames() or 0) < 40


async def test_a_checkpoint_that_fails_puts_the_log_in_doubt(index: SqliteIndex) -> None:
    index._writing.execute("BEGIN IMMEDIATE")  # a checkpoint within a transaction is an error
    await index._committer._checkpoint()
    assert index._committer._in_doubt
    assert await index._committer._settle() is None
    assert not index._committer._in_doubt


_CHILD = """
import asyncio, json, sys
from pathlib import Path
from cybous3.server.meta.sqlite.index import open_sqlite
from cybous3.server.model.objects import ALWAYS
from tests.contracts.values import record

async def main():
    index = await open_sqlite(Path(sys.argv[1]))
    answers = {}
    for number in range(12):
        try:
            await index.objects.put(record(f"{number:02}"), ALWAYS)
        except OSError as error:
            answers[f"{number:02}"] = error.errno
        else:
            answers[f"{number:02}"] = 0
    print(json.dumps(answers), flush=True)
    import os
    os._exit(0)

asyncio.run(main())
"""


@pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is not installed: no call of the system can be made to fail"
)
@pytest.mark.parametrize("when", ["5", "4+3", "6+"])
def test_a_failed_sync_is_answered_and_never_happens(tmp_path: Path, when: str) -> None:
    """What was acknowledged is there after a kill, what was refused is not, and the writes come back by themselves."""
    path = tmp_path / "index.db"
    asyncio.run(_make(path))
    command = ["strace", "-f", "-qq", "-o", str(tmp_path / "trace"), "-e", "trace=fdatasync"]
    command += ["-e", f"inject=fdatasync:error=EIO:when={when}", sys.executable, "-c", _CHILD, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # our own
    if "ptrace" in done.stderr:
        pytest.skip("strace may not trace here")
    answers: dict[str, int] = json.loads(done.stdout)
    assert set(answers.values()) == {0, errno.EIO}
    if when != "4+3":
        assert (answers["11"] == 0) == (when == "5"), "it goes on once the disk does"
    found = _keys(path)
    assert found == {key for key, answer in answers.items() if answer == 0}


async def _make(path: Path) -> None:
    """Strace counts the calls of each thread: those of opening a new index would differ from place to place."""
    index = await open_sqlite(path)
    await index.buckets.create(BUCKET)
    await index.aclose()


def _keys(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    found = {key.decode() for (key,) in connection.execute("SELECT key FROM objects")}
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    return found


class _Short(SystemFiles):
    """A disk that takes half of what it is given and then fails."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def write(self, fd: int, data: bytes) -> None:
        super().write(fd, data[: len(data) // 2])
        raise OSError(self._number, "no more")


def test_a_log_that_finds_no_room_is_as_long_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "index.db-wal"
    log.write_bytes(b"frames")
    monkeypatch.setattr(log_module, "SYSTEM", _Short(errno.ENOSPC))
    lay_out(log, 1000)
    assert log.read_bytes() == b"frames"
    monkeypatch.setattr(log_module, "SYSTEM", _Short(errno.EIO))
    with pytest.raises(OSError, match="no more"):
        lay_out(log, 1000)


def test_the_last_of_the_room_is_left_to_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "index.db-wal"
    log.write_bytes(b"frames")
    needed = 994 + RESERVE_MIN // 2  # what is missing, and half of the reserve
    for free, length in ((needed - 1, 6), (needed, 1000)):
        monkeypatch.setattr(log_module, "measure", lambda _, free=free: Space(1000, free))
        lay_out(log, 1000)
        assert log.stat().st_size == length
    lay_out(log, 500)
    assert log.read_bytes() == b"frames".ljust(1000, b"\0"), "it is never cut"

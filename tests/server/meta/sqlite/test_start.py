"""A start reads as much of an index of many objects as of one that is empty: the tables are not gone through."""

import asyncio
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from cybous3.server.meta.sqlite.index import SqliteIndex, open_sqlite
from cybous3.server.model.objects import ALWAYS
from tests.contracts.values import BUCKET, blob, record, user
from tests.support.fill import fill

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts by /proc/self/io")

MANY = 20_000  # 3 MB of rows: a start that reads them cannot hide
DEPTH = 3  # pages more that a look into a larger tree may take
PAGE = 4096


class Read(NamedTuple):
    """What this process has read so far."""

    calls: int
    size: int


def read_so_far() -> Read:
    told = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return Read(int(told["syscr"]), int(told["rchar"]))


def since(before: Read) -> Read:
    now = read_so_far()
    return Read(now.calls - before.calls, now.size - before.size)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """Return an index without objects and one with MANY."""
    empty, many = (tmp_path_factory.mktemp(name) / "index.db" for name in ("empty", "many"))
    asyncio.run(prepare(empty))
    shutil.copy(empty, many)
    fill(many, BUCKET.name, MANY)
    yield empty, many
    shutil.rmtree(many.parent)


async def prepare(path: Path) -> None:
    index = await open_sqlite(path, synchronous="NORMAL")
    await index.accounts.add_user(user("anna"))
    await index.buckets.create(BUCKET)
    await index.aclose()


async def leave_log(path: Path, crashed: Path) -> None:
    """Copy the index as a kill in the middle of writes leaves it."""
    index = await open_sqlite(path, synchronous="NORMAL")
    await asyncio.gather(*(index.objects.put(record(f"new-{number}"), ALWAYS) for number in range(100)))
    for suffix in ("", "-wal"):
        shutil.copy(path.with_name(path.name + suffix), crashed.with_name(crashed.name + suffix))
    await index.aclose()


async def ask(index: SqliteIndex) -> None:
    """Ask what a server asks before it is ready, and whenever its metrics are read."""
    await index.garbage.referenced([blob()])
    await index.garbage.due(256)
    await index.unsynced.pending(1_000_000)
    await index.accounts.users()
    await index.buckets.list(None, limit=1000)
    await index.objects.damaged(None, 1000)
    await index.scrubs.load()
    index.spare()
    await index.probe()


async def cost(path: Path) -> tuple[Read, Read]:
    """Return what opening took, and what the first questions did."""
    before = read_so_far()
    index = await open_sqlite(path)
    opened = since(before)
    before = read_so_far()
    await ask(index)
    asked = since(before)
    await index.aclose()
    return opened, asked


def test_a_start_after_a_clean_end_reads_no_more_of_many(folders: tuple[Path, Path]) -> None:
    (empty, few), (many, more) = (asyncio.run(cost(path)) for path in folders)
    assert many == empty
    assert more.size - few.size <= DEPTH * PAGE
    assert many.size + more.size < 50 * PAGE


def test_a_start_after_a_kill_reads_the_log_and_no_more_of_many(folders: tuple[Path, Path], tmp_path: Path) -> None:
    costs = []
    for path in folders:
        crashed = tmp_path / path.parent.name
        asyncio.run(leave_log(path, crashed))
        costs.append(asyncio.run(cost(crashed)))
    (empty, few), (many, more) = costs
    # The log of the larger one holds the inner pages that its puts have changed, too.
    assert many.size - empty.size <= 100 * PAGE
    assert more.size - few.size <= DEPTH * PAGE

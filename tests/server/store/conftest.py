"""A store over each pair of adapters, and bodies to feed it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cybous3.server.blobs.local.store import LocalBlobs
from cybous3.server.blobs.memory.store import MemoryBlobs
from cybous3.server.blobs.port import Blobs
from cybous3.server.meta.memory.index import MemoryIndex
from cybous3.server.meta.port import Index
from cybous3.server.meta.sqlite import index as sqlite_index
from cybous3.server.meta.sqlite.index import open_sqlite
from cybous3.server.store.store import Store
from tests.contracts.values import BUCKET, entropy


class Ticking:
    """A clock that never shows the same second twice."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


class Pieces:
    """A body of given pieces, which may end in an error."""

    def __init__(self, *pieces: bytes, error: Exception | None = None) -> None:
        self._pieces: Iterator[bytes] = iter([piece for piece in pieces if piece])
        self._error = error
        self.reads = 0

    async def read(self) -> bytes:
        self.reads += 1
        await asyncio.sleep(0)
        piece = next(self._pieces, b"")
        if not piece and self._error is not None:
            raise self._error
        return piece


@pytest.fixture(params=["memory", "durable"])
async def parts_of_store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Index, Blobs]]:
    """Yield an index with one bucket and a place for blobs; SQLite and files, or memory."""
    monkeypatch.setattr(sqlite_index, "LOG_BYTES", 0)  # laying out the log takes longer than most tests
    index: Index
    blobs: Blobs
    if request.param == "memory":
        index, blobs = MemoryIndex(), MemoryBlobs(entropy)
    else:
        index = await open_sqlite(tmp_path / "index.db", synchronous="NORMAL")
        blobs = LocalBlobs(tmp_path, "w0", entropy)
    await index.buckets.create(BUCKET)
    yield index, blobs
    await index.aclose()
    await blobs.aclose()


@pytest.fixture
async def store(parts_of_store: tuple[Index, Blobs]) -> AsyncIterator[Store]:
    index, blobs = parts_of_store
    opened = Store(index, blobs, clock=Ticking(), entropy=entropy, region="us-east-1")
    yield opened
    await opened.aclose()

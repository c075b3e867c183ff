"""The SQLite index keeps every promise of the port, and what it acknowledged outlives it."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cybous3.server.meta.port import Index
from cybous3.server.meta.sqlite import index as module
from cybous3.server.meta.sqlite.index import open_sqlite
from tests.contracts.index_contract import (
    AccountContract,
    BucketContract,
    DamageContract,
    DurabilityContract,
    GarbageContract,
    HoldContract,
    ListingContract,
    ManifestContract,
    ObjectContract,
    Opener,
    UploadContract,
)


class SqliteAdapter:
    @pytest.fixture(autouse=True)
    def _short_log(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Laying out the log takes longer than most of these tests."""
        monkeypatch.setattr(module, "LOG_BYTES", 0)

    @pytest.fixture
    async def index(self, tmp_path: Path) -> AsyncIterator[Index]:
        opened = await open_sqlite(tmp_path / "index.db", synchronous="NORMAL")
        yield opened
        await opened.aclose()

    @pytest.fixture
    def opener(self) -> Opener:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Index]:
            with tempfile.TemporaryDirectory() as folder:
                index = await open_sqlite(Path(folder) / "index.db", synchronous="NORMAL")
                try:
                    yield index
                finally:
                    await index.aclose()

        return opened


class TestBuckets(SqliteAdapter, BucketContract):
    pass


class TestObjects(SqliteAdapter, ObjectContract):
    pass


class TestListings(SqliteAdapter, ListingContract):
    pass


class TestUploads(SqliteAdapter, UploadContract):
    pass


class TestAccounts(SqliteAdapter, AccountContract):
    pass


class TestGarbages(SqliteAdapter, GarbageContract):
    pass


class TestHolds(SqliteAdapter, HoldContract):
    pass


class TestDurabilities(SqliteAdapter, DurabilityContract):
    pass


class TestDamages(SqliteAdapter, DamageContract):
    pass


class TestManifests(SqliteAdapter, ManifestContract):
    pass

"""The memory index keeps every promise of the port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from cybous3.server.meta.memory.index import MemoryIndex
from cybous3.server.meta.port import Index
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


class MemoryAdapter:
    @pytest.fixture
    def index(self) -> Index:
        return MemoryIndex()

    @pytest.fixture
    def opener(self) -> Opener:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Index]:
            yield MemoryIndex()

        return opened


class TestBuckets(MemoryAdapter, BucketContract):
    pass


class TestObjects(MemoryAdapter, ObjectContract):
    pass


class TestListings(MemoryAdapter, ListingContract):
    pass


class TestUploads(MemoryAdapter, UploadContract):
    pass


class TestAccounts(MemoryAdapter, AccountContract):
    pass


class TestGarbages(MemoryAdapter, GarbageContract):
    pass


class TestHolds(MemoryAdapter, HoldContract):
    pass


class TestDurabilities(MemoryAdapter, DurabilityContract):
    pass


class TestDamages(MemoryAdapter, DamageContract):
    pass


class TestManifests(MemoryAdapter, ManifestContract):
    pass

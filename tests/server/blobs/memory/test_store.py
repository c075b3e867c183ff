"""The memory store keeps every promise of the port."""

import pytest

from cybous3.server.blobs.memory.store import MemoryBlobs
from cybous3.server.blobs.port import Blobs
from tests.contracts.blobs_contract import BlobsContract
from tests.contracts.values import entropy


class TestMemoryBlobs(BlobsContract):
    @pytest.fixture
    def blobs(self) -> Blobs:
        return MemoryBlobs(entropy)

"""The memory store keeps every promise of the port."""

from typing import cast

import pytest

from cybous3.server.blobs.memory.store import MemoryBlobs
from cybous3.server.blobs.port import Blobs
from tests.contracts.blobs_contract import BlobsContract, Cut, Flip, written
from tests.contracts.values import entropy


class TestMemoryBlobs(BlobsContract):
    @pytest.fixture
    def blobs(self) -> Blobs:
        return MemoryBlobs(entropy)

    @pytest.fixture
    def flip(self) -> Flip:
        return lambda blobs, blob, at: cast("MemoryBlobs", blobs).flip(blob, at)

    @pytest.fixture
    def cut(self) -> Cut:
        return lambda blobs, blob, length: cast("MemoryBlobs", blobs).cut(blob, length)


@pytest.mark.anyio
async def test_what_a_power_cut_would_take_can_be_told() -> None:
    blobs = MemoryBlobs(entropy)
    kept, lost, gone = [await written(blobs, b"x", sync=False) for _ in range(3)]
    await written(blobs, b"x")
    assert blobs.unsynced == {kept, lost, gone}
    await blobs.sync([kept])
    await blobs.delete([gone])
    assert blobs.unsynced == {lost}

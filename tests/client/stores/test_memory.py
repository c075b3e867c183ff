import pytest

from cybous3.client.stores.memory import MemoryStore
from tests.contracts.store_contract import StoreContract


class TestMemory(StoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()

from pathlib import Path

import pytest

from cybous3.client.stores.local import LocalStore
from tests.contracts.store_contract import StoreContract


class TestLocal(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> LocalStore:
        return LocalStore(tmp_path / "bucket")

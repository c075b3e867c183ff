"""A place in memory, and machines that open the vault there."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cybous3.client.keys.state import State, open_state
from cybous3.client.stores.documents import BucketDocuments
from cybous3.client.stores.memory import MemoryStore
from cybous3.client.vault.documents import Cache
from cybous3.client.vault.opening import Keeper

NOW_S = 1_700_000_000


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def machine(tmp_path: Path, store: MemoryStore) -> Iterator[Callable[[str], Keeper]]:
    """Return a function that makes a machine with a memory of its own."""
    opened: list[State] = []

    def make(name: str) -> Keeper:
        state = open_state(tmp_path / name / "state.sqlite")
        opened.append(state)
        cache = Cache(tmp_path / name / "vaults")
        return Keeper(BucketDocuments(store, "p"), state, cache, lambda: NOW_S, os.urandom)

    yield make
    for state in opened:
        state.close()

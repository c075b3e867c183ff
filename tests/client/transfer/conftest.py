"""A vault over a store in memory: everything real but the network."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cybous3.client.keys.state import State, open_state
from cybous3.client.stores.memory import MemoryStore
from cybous3.client.transfer.download import Downloader
from cybous3.client.transfer.files import Files
from cybous3.client.transfer.journal import Journals
from cybous3.client.transfer.port import Limits, Surroundings
from cybous3.client.transfer.sealing import VaultKeys
from cybous3.client.transfer.upload import Uploader
from cybous3.crypto.keyset import Keyset
from cybous3.crypto.names import NameCodec, NamesMode

NOW_MS = 1_700_000_000_000


@dataclass
class Bench:
    """One machine and its vault."""

    store: MemoryStore
    around: Surroundings
    journals: Journals
    state: State

    @property
    def up(self) -> Uploader:
        return Uploader(self.store, self.around, self.journals)

    @property
    def down(self) -> Downloader:
        return Downloader(self.store, self.around, self.journals)

    @property
    def files(self) -> Files:
        return Files(self.store, self.around)


def machine(home: Path, store: MemoryStore, keys: VaultKeys, limits: Limits = Limits()) -> Bench:  # noqa: B008  # frozen
    state = open_state(home / "state.sqlite")
    around = Surroundings(keys, state, os.urandom, lambda: NOW_MS, limits)
    return Bench(store, around, Journals(home / "journal"), state)


@pytest.fixture(scope="session")
def keys() -> VaultKeys:
    keyset = Keyset.create(os.urandom, 1_700_000_000)
    vault_id = os.urandom(16)
    return VaultKeys(vault_id, keyset, NameCodec(keyset.names_key, vault_id, NamesMode.ENCRYPTED, "vault"))


@pytest.fixture
def bench(tmp_path: Path, keys: VaultKeys) -> Iterator[Bench]:
    made = machine(tmp_path / "home", MemoryStore(), keys)
    yield made
    made.state.close()


@pytest.fixture
def other(tmp_path: Path, keys: VaultKeys, bench: Bench) -> Iterator[Bench]:
    """Make a second machine with the same vault."""
    made = machine(tmp_path / "other-home", bench.store, keys)
    yield made
    made.state.close()

"""What integration checks work on: an endpoint, a bucket of their own, and a vault in it; all gone afterwards."""

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from cybous3.client.keys.state import State, open_state
from cybous3.client.stores.connect import Access, open_buckets, open_store
from cybous3.client.stores.documents import BucketDocuments
from cybous3.client.stores.port import Buckets, Store, each_entry
from cybous3.client.sync.folders import Folders
from cybous3.client.transfer.download import Downloader
from cybous3.client.transfer.files import Files
from cybous3.client.transfer.journal import Journals
from cybous3.client.transfer.port import Surroundings
from cybous3.client.transfer.sealing import VaultKeys
from cybous3.client.transfer.upload import Uploader
from cybous3.client.vault.documents import Cache
from cybous3.client.vault.opening import Keeper, SeedSecret
from cybous3.core.sigv4.credentials import Credentials
from cybous3.crypto.mnemonic import create_mnemonic, mnemonic_seed
from cybous3.crypto.vault import OpenVault

PREFIX = "vault"


@dataclass
class Machine:
    """One machine that knows the vault's words: its memory, and everything that moves files."""

    home: Path
    store: Store
    seed: bytes = field(repr=False)
    state: State = field(init=False)
    keeper: Keeper = field(init=False)
    vault: OpenVault = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.state = open_state(self.home / "state.sqlite")
        documents = BucketDocuments(self.store, PREFIX)
        self.keeper = Keeper(documents, self.state, Cache(self.home / "vaults"), time.time, os.urandom)

    def create(self) -> None:
        """Make the vault."""
        self.vault = self.keeper.create([(SeedSecret(self.seed), "words")])

    def open(self) -> None:
        """Open the vault with the words alone."""
        self.vault = self.keeper.open([SeedSecret(self.seed)])

    @property
    def around(self) -> Surroundings:
        """What transfers need."""
        keys = VaultKeys(self.vault.vault_id, self.vault.keyset, self.vault.names(PREFIX))
        return Surroundings(keys, self.state, os.urandom, lambda: time.time_ns() // 1_000_000)

    @property
    def up(self) -> Uploader:
        """Store."""
        return Uploader(self.store, self.around, Journals(self.home / "journal"))

    @property
    def down(self) -> Downloader:
        """Fetch."""
        return Downloader(self.store, self.around, Journals(self.home / "journal"))

    @property
    def files(self) -> Files:
        """List, look, delete, copy."""
        return Files(self.store, self.around)

    @property
    def folders(self) -> Folders:
        """Trees."""
        return Folders(self.store, self.around, Journals(self.home / "journal"), self.home / "trees.sqlite")

    def key(self, path: str) -> str:
        """Where a file lies in the bucket."""
        return self.around.vault.object_key(path)


@dataclass
class Bench:
    """The endpoint under test and what the checks made of it. `scratch` is a local folder for them."""

    access: Access
    bucket: str
    scratch: Path
    buckets: Buckets
    store: Store
    seed: bytes = field(repr=False)
    alice: Machine
    machines: list[Machine] = field(default_factory=list)

    def machine(self, name: str, *, seed: bytes | None = None, store: Store | None = None) -> Machine:
        """Return a machine that has seen nothing yet."""
        made = Machine(self.scratch / f"home-{name}", store or self.store, seed or self.seed)
        self.machines.append(made)
        return made

    def as_someone(self, credentials: Credentials | None) -> Store:
        """Return the bucket as seen with other credentials, or with none."""
        return open_store(replace(self.access, credentials=credentials), self.bucket)

    def stored(self, key: str) -> bytes:
        """Return an object's stored bytes."""
        with self.store.get(key) as download:
            return download.read()

    def lie(self, key: str, data: bytes, metadata: dict[str, str] | None = None) -> None:
        """Put other bytes in an object's place, as a lying server would."""
        self.store.put(key, data, metadata=metadata or self.store.head(key).metadata)


@contextmanager
def bench(access: Access, scratch: Path, say: Callable[[str], None]) -> Iterator[Bench]:
    """Make a bucket for the checks; remove it and all that is in it at the end, whatever happened."""
    buckets = open_buckets(access)
    bucket = f"cybs3-check-{secrets.token_hex(6)}"
    buckets.create_bucket(bucket)
    store = open_store(access, bucket)
    seed = mnemonic_seed(create_mnemonic(os.urandom))
    try:
        alice = Machine(scratch / "home-alice", store, seed)
        made = Bench(access, bucket, scratch, buckets, store, seed, alice, [alice])
        try:
            yield made
        finally:
            for machine in made.machines:
                machine.state.close()
    finally:
        leftover = _empty(store)
        buckets.delete_bucket(bucket)
        store.close()
        buckets.close()
        say(f"removed bucket {bucket} ({leftover} objects)")


def _empty(store: Store) -> int:
    for upload in list(store.list_uploads()):
        store.abort_upload(upload.key, upload.upload_id)
    keys = [entry.key for entry in each_entry(store)]
    for start in range(0, len(keys), 1000):
        store.delete_many(keys[start : start + 1000])
    return len(keys)

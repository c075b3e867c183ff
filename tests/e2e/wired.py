"""One machine with the real client, a real server, and a wire between them that does everything a network may do."""

import io
import os
import time
from collections.abc import Iterator
from pathlib import Path

from cybous3.client.keys.state import open_state
from cybous3.client.stores.connect import Access, open_buckets, open_store
from cybous3.client.stores.retry import Policy, RetryingStore
from cybous3.client.stores.s3.connection import Timeouts
from cybous3.client.transfer.download import Downloader
from cybous3.client.transfer.files import Files
from cybous3.client.transfer.journal import Journals
from cybous3.client.transfer.port import Limits, Surroundings
from cybous3.client.transfer.sealing import VaultKeys
from cybous3.client.transfer.upload import Uploader
from cybous3.core.sigv4.credentials import Credentials
from cybous3.crypto.keyset import Keyset
from cybous3.crypto.names import NameCodec, NamesMode
from cybous3.lab.chaos.proxy.rules import Act, Match, Rule, When
from cybous3.lab.chaos.proxy.wire import Wire
from tests.support.server import Server

MIB = 2**20
HASTY = Policy(first_wait_s=0.005, wait_max_s=0.05)
USUAL = Timeouts(connect_s=5.0, idle_s=10.0)
SHORT = Timeouts(connect_s=2.0, idle_s=0.5)
LARGE = 8 * MIB + 70_000  # two parts


class Bench:
    """One machine, one vault, one bucket, and the wire."""

    def __init__(
        self, server: Server, wire: Wire, home: Path, keys: VaultKeys, bucket: str, timeouts: Timeouts
    ) -> None:
        self.wire, self.home = wire, home
        credentials = Credentials(server.root.access_key, server.root.secret_key)
        self.access = Access(wire.endpoint, credentials, server.region, timeouts=timeouts, policy=HASTY)
        self.store: RetryingStore = open_store(self.access, bucket)
        self.state = open_state(home / "state.sqlite")
        limits = Limits(single_max=4 * MIB)
        self.around = around = Surroundings(keys, self.state, os.urandom, lambda: time.time_ns() // 1_000_000, limits)
        self.journals = journals = Journals(home / "journal")
        self.up, self.down = Uploader(self.store, around, journals), Downloader(self.store, around, journals)
        self.files = Files(self.store, around)

    def write(self, name: str, size: int) -> bytes:
        data = os.urandom(size)
        (self.home / name).write_bytes(data)
        return data

    def content(self, path: str) -> bytes:
        out = io.BytesIO()
        self.down.stream(path, out)
        return out.getvalue()

    def rule(self, act: Act, *operations: str, nth: int = 1) -> None:
        when = When(frozenset({nth}) if nth else frozenset())
        self.wire.add(Rule("rule", act, Match(operations=frozenset(operations)), when))

    def asked(self) -> int:
        return self.wire.journal.counts.get("requests", 0)

    def keep(self, name: str) -> bytes:
        """Store a file of little, and fetch it over everything that was in the way."""
        data = self.write(name, 3000)
        self.up.put_file(self.home / name, name)
        return data

    def close(self) -> None:
        self.store.close()
        self.state.close()


def made(server: Server, home: Path, timeouts: Timeouts) -> Iterator[Bench]:
    keyset, vault_id = Keyset.create(os.urandom, 1_700_000_000), os.urandom(16)
    keys = VaultKeys(vault_id, keyset, NameCodec(keyset.names_key, vault_id, NamesMode.ENCRYPTED, "vault"))
    bucket = f"faults-{os.urandom(6).hex()}"
    with Wire(("127.0.0.1", server.port), seed=11, learn=True) as wire:
        bench = Bench(server, wire, home, keys, bucket, timeouts)
        buckets = open_buckets(bench.access)
        buckets.create_bucket(bucket)
        buckets.close()
        yield bench
        bench.close()

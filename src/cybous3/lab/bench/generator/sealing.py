"""The `encrypt` workload: the client's own way of storing a file, into a store in memory, without a network.

What is measured is everything `cybs3 files put` does to the bytes and the name of one object but for reading the disk
and sending: key, header, segments, footer, metadata. Threads stand for clients, as in the client. After each block the
last object of each thread is opened again and compared; what does not come back counts as "wrong bytes".
"""

import io
import os
import random
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cybous3.client.keys.state import State, open_state
from cybous3.client.stores.documents import BucketDocuments
from cybous3.client.stores.memory import MemoryStore
from cybous3.client.transfer.download import Downloader
from cybous3.client.transfer.journal import Journals
from cybous3.client.transfer.port import Surroundings
from cybous3.client.transfer.sealing import VaultKeys
from cybous3.client.transfer.upload import Uploader
from cybous3.client.vault.documents import Cache
from cybous3.client.vault.opening import Keeper, SeedSecret
from cybous3.core.errors import CybousError
from cybous3.crypto.mnemonic import create_mnemonic, mnemonic_seed
from cybous3.lab.bench.generator.arrivals import schedule
from cybous3.lab.bench.generator.contents import Contents
from cybous3.lab.bench.generator.load import Load
from cybous3.lab.bench.generator.wire import WRONG_BYTES
from cybous3.lab.bench.recorder import Recording
from cybous3.lab.bench.workload import Workload

OP = "encrypt"
_PREFIX = "vault"


class _Vault:
    """A vault that lives in memory and in one scratch folder."""

    def __init__(self, folder: Path) -> None:
        self.store = MemoryStore()
        self._state: State = open_state(folder / "state.sqlite")
        documents = BucketDocuments(self.store, _PREFIX)
        keeper = Keeper(documents, self._state, Cache(folder / "vaults"), time.time, os.urandom)
        seed = mnemonic_seed(create_mnemonic(os.urandom))
        vault = keeper.create([(SeedSecret(seed), "words")])
        keys = VaultKeys(vault.vault_id, vault.keyset, vault.names(_PREFIX))
        around = Surroundings(keys, self._state, os.urandom, lambda: time.time_ns() // 1_000_000)
        journals = Journals(folder / "journal")
        self.up = Uploader(self.store, around, journals)
        self.down = Downloader(self.store, around, journals)

    def close(self) -> None:
        self._state.close()


@dataclass
class _Turn:
    """What the threads of one block share: the schedule, how much is left, and the lock over both."""

    load: Load
    seconds: float | None
    left: int | None
    recording: Recording
    seed: int
    lock: threading.Lock = field(default_factory=threading.Lock)
    warm: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        rate = self.load.rate
        self._schedule = schedule(rate, self.load.arrivals, self.seed) if rate is not None else None
        self._cold = 0 if self.seconds is None else self.load.concurrency
        self.until = float("inf")

    def take(self) -> float | None:
        """Return when the next operation is meant to begin; None: the block is over."""
        with self.lock:
            now = time.monotonic()
            if self.left == 0 or now >= self.until:
                return None
            intended = now if self._schedule is None else self.recording.began + next(self._schedule)
            if intended >= self.until:
                return None
            if self.left is not None:
                self.left -= 1
            return intended

    def note(self, who: int, intended: float, started: float, size: int, code: str | None) -> None:
        """Record an operation."""
        ended = time.monotonic()
        with self.lock:
            self.recording.add(OP, intended, started, ended, size, code)
            self.warm.add(who)
            if self._cold and len(self.warm) >= self._cold and self.seconds is not None:
                self._cold, self.recording.warm_at = 0, ended
                self.until = ended + self.seconds


class Sealing:
    """Threads that seal."""

    def __init__(self, workload: Workload, load: Load) -> None:
        self._workload, self._load = workload, load
        self._contents = Contents(workload.seed)
        self._folder = tempfile.TemporaryDirectory(prefix="cybs3-bench-")
        self._vault = _Vault(Path(self._folder.name))
        self._stopped = threading.Event()
        self._blocks = 0

    def setup(self) -> Sequence[Recording]:
        """Nothing has to lie there."""
        return []

    def stop(self) -> None:
        """End the block early."""
        self._stopped.set()

    def run(self, seconds: float | None, operations: int | None) -> Sequence[Recording]:
        """Seal for a block, then open the last of each thread."""
        self._stopped.clear()
        self._blocks += 1
        began = time.monotonic()
        recording = Recording(began, time.time() - began)
        turn = _Turn(self._load, seconds, operations, recording, self._workload.seed + self._blocks)
        threads = [
            threading.Thread(target=self._work, args=(turn, number), daemon=True)
            for number in range(self._load.concurrency)
        ]
        cpu_s = time.process_time()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        recording.cpu_s = time.process_time() - cpu_s
        recording.interrupted = self._stopped.is_set()
        self._open_again(recording)
        return [recording]

    def _work(self, turn: _Turn, number: int) -> None:
        rng = random.Random(f"{self._workload.seed}/{number}")  # noqa: S311  # sizes, not secrets
        while not self._stopped.is_set():
            intended = turn.take()
            if intended is None:
                return
            time.sleep(max(intended - time.monotonic(), 0.0))
            self._seal(turn, number, self._workload.sizes.sample(rng), intended)

    def _seal(self, turn: _Turn, number: int, size: int, intended: float) -> None:
        path = _path(number, size)
        body = b"".join(self._contents.pieces(self._contents.start(path, size), 0, size))
        # A copy of the contents is the source's cost, not the sealing's: the clock starts behind it.
        started = time.monotonic()
        try:
            self._vault.up.put_stream(io.BytesIO(body), path)
        except CybousError as error:
            turn.note(number, intended, started, 0, type(error).__name__)
        else:
            turn.note(number, started if self._load.rate is None else intended, started, size, None)

    def _open_again(self, recording: Recording) -> None:
        """Compare what can be read back of every size and thread."""
        sizes = [size for size, _ in self._workload.sizes.choices]
        for path, size in [(_path(number, size), size) for number in range(self._load.concurrency) for size in sizes]:
            out = io.BytesIO()
            try:
                self._vault.down.stream(path, out)
            except CybousError:
                continue  # this thread never drew this size
            start = self._contents.start(path, size)
            if out.getvalue() != b"".join(self._contents.pieces(start, 0, size)):
                now = time.monotonic()
                recording.add(OP, now, now, now, 0, WRONG_BYTES)

    def close(self) -> None:
        """Forget the vault."""
        self._vault.close()
        self._folder.cleanup()


def _path(number: int, size: int) -> str:
    """Return the one path a thread writes for a size: a vault in memory must not grow with the time it runs."""
    return f"bench/{number}-{size}"

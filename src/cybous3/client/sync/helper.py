"""A helper process: does batches of a tree's steps for the process that started it (`crew`), and decides nothing.

What passes through its pipes (a length in four bytes, then a pickle; both ends are this program, of one person):
- in: an `Order` with the keys and the place of the vault, which come by no other way; then a `Batch` after another;
- out: a `Result` for each batch, with what is to be remembered of it, for only the parent writes the memory.

It ends when its input ends, after the files under way: a parent that is killed leaves nobody behind. Of an error that
makes going on hopeless it begins no other file.
"""

import os
import pickle
import sqlite3
import struct
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Lock, Thread, local
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from cybous3.client.keys.intents import Intents
from cybous3.client.keys.state import Seen, State, intents_of
from cybous3.client.stores.connect import Access, open_store
from cybous3.client.stores.port import Store
from cybous3.client.sync.moving import HOPELESS, Done, Job, Mover
from cybous3.client.transfer.journal import Journals
from cybous3.client.transfer.port import Surroundings, no_progress
from cybous3.client.transfer.sealing import VaultKeys
from cybous3.core.errors import CybousError
from cybous3.crypto.keyset import Keyset
from cybous3.crypto.names import NameCodec, NamesMode

if TYPE_CHECKING:
    from cybous3.client.sync.plan import Step

_LENGTH = struct.Struct("!I")
_BUSY_S = 20.0


class Kit(NamedTuple):
    """All that opens the vault again in another process. Its representation shows no key."""

    access: Access
    bucket: str
    prefix: str
    names: NamesMode
    vault_id: bytes
    keyset: bytes  # as `Keyset.encode` gives it
    state: Path  # the memory, which is only read
    journals: Path
    accept_rollback: bool = False

    def __repr__(self) -> str:
        return f"Kit({self.access!r}, {self.bucket!r})"


class Order(NamedTuple):
    """What a helper is started with."""

    kit: Kit
    job: Job
    threads: int


class Batch(NamedTuple):
    """Steps for one thread, one after the other. `number` is the sender's own."""

    number: int
    steps: "list[Step]"


class Result(NamedTuple):
    """What became of a batch: for each step, in order, what was done or the error; fewer when a helper stopped."""

    number: int
    outcomes: list[tuple[Done | None, CybousError | OSError | None]]
    seen: list[tuple[str, Seen]]


class Sights(State):
    """The memory of this machine to look at; what is noted, each thread collects for the parent."""

    def __init__(self, path: Path) -> None:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        super().__init__(
            sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False),
            intents=Intents(intents_of(path)),
        )
        self._mine = local()

    def note_objects(self, vault_id: bytes, sights: Iterable[tuple[str, Seen]]) -> None:  # noqa: ARG002  # a helper has one vault
        """Collect what was written or read."""
        self._mine.sights = [*getattr(self._mine, "sights", ()), *sights]

    def taken(self) -> list[tuple[str, Seen]]:
        """Return what this thread collected since it asked last."""
        sights: list[tuple[str, Seen]] = getattr(self._mine, "sights", [])
        self._mine.sights = []
        return sights


def send(out: BinaryIO, message: object) -> None:
    """Write one message and flush."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    out.write(_LENGTH.pack(len(data)) + data)
    out.flush()


def receive(source: BinaryIO) -> Any:  # noqa: ANN401  # the protocol says what comes
    """Return the next message, None at the end; a message that is cut off counts as the end."""
    head = source.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = source.read(length)
    return pickle.loads(data) if len(data) == length else None  # noqa: S301  # our own pipe


def portable(error: CybousError | OSError) -> CybousError | OSError:
    """Return the error if a pickle brings it over whole, else one of no family that says the same."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    except Exception:  # noqa: BLE001  # whatever its constructor thought of too few arguments
        return CybousError(str(error))
    return error


def surroundings(kit: Kit, memory: Sights) -> Surroundings:
    """Return what every transfer shares, made from the kit."""
    keyset = Keyset.decode(kit.keyset)
    names = NameCodec(keyset.names_key, kit.vault_id, kit.names, kit.prefix)
    return Surroundings(
        vault=VaultKeys(kit.vault_id, keyset, names),
        memory=memory,
        entropy=os.urandom,
        now_ms=lambda: time.time_ns() // 1_000_000,
        accept_rollback=kit.accept_rollback,
    )


def serve(source: BinaryIO, out: BinaryIO, opening: Callable[[Kit], Store] | None = None) -> None:
    """Do what comes until nothing comes. `opening`: makes the kit's store."""
    order: Order | None = receive(source)
    if order is None:
        return
    store = (opening or _store)(order.kit)
    memory = Sights(order.kit.state)
    try:
        mover = Mover(store, surroundings(order.kit, memory), Journals(order.kit.journals))
        helper = _Helper(mover.work(order.job, no_progress), memory, out)
        helper.run(source, order.threads)
    finally:
        memory.close()
        store.close()


class _Helper:
    def __init__(self, work: "Callable[[Step], Done]", memory: Sights, out: BinaryIO) -> None:
        self._work = work
        self._memory = memory
        self._out = out
        self._speaking = Lock()
        self._todo: SimpleQueue[Batch | None] = SimpleQueue()
        self._stop = Event()

    def run(self, source: BinaryIO, threads: int) -> None:
        crew = [Thread(target=self._batches, name=f"cybs3-{number}") for number in range(threads)]
        for thread in crew:
            thread.start()
        while (batch := receive(source)) is not None:
            self._todo.put(batch)
        self._stop.set()
        for _ in crew:
            self._todo.put(None)
        for thread in crew:
            thread.join()

    def _batches(self) -> None:
        try:
            while (batch := self._todo.get()) is not None:
                result = self._done(batch)
                with self._speaking:
                    send(self._out, result)
        except BrokenPipeError:
            self._stop.set()  # nobody listens any more
        except BaseException:  # noqa: BLE001  # see below
            # A defect: the parent sees the end of the pipe, a person what is wrong.
            import traceback  # noqa: PLC0415  # hardly ever

            traceback.print_exc()
            self._out.flush()
            os._exit(70)

    def _done(self, batch: Batch) -> Result:
        outcomes: list[tuple[Done | None, CybousError | OSError | None]] = []
        for step in batch.steps:
            if self._stop.is_set():
                break
            try:
                outcomes.append((self._work(step), None))
            except (CybousError, OSError) as error:
                outcomes.append((None, portable(error)))
                if isinstance(error, HOPELESS):
                    self._stop.set()
        return Result(batch.number, outcomes, self._memory.taken())


def _store(kit: Kit) -> Store:
    return open_store(kit.access, kit.bucket)


def main() -> None:
    """Serve over standard input and output, to which nothing else may write."""
    source, out = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(source, out)

"""The modes of `overhead`: a table from a name to a way of moving files through one vault.

`client` is what `cybs3 files put` and `get` do. `plain` is the very same pipeline with passing through in the place of
sealing, so that the difference is encryption and nothing else: parts, workers, buffers, records and syncs are shared.
Encrypted names belong to both.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from cybous3.client.stores.port import Store
from cybous3.client.transfer.download import Downloader
from cybous3.client.transfer.files import Files
from cybous3.client.transfer.journal import Journals
from cybous3.client.transfer.passthrough import without_encryption
from cybous3.client.transfer.port import Surroundings
from cybous3.client.transfer.upload import Uploader
from cybous3.lab.bench.overhead import BASE, Modes, Mover
from cybous3.lab.integration.bench import Machine


class ClientMover:
    """`overhead.Mover` by the client's own transfer, in whatever way its surroundings seal."""

    def __init__(self, store: Store, around: Surroundings, home: Path) -> None:
        journals = Journals(home / "journal")
        self._up = Uploader(store, around, journals)
        self._down = Downloader(store, around, journals)
        self._files = Files(store, around)

    def put(self, local: Path, name: str) -> None:
        """Store the file."""
        self._up.put_file(local, name)

    def get(self, name: str, local: Path) -> None:
        """Fetch and verify it."""
        self._down.get_file(name, local)

    def remove(self, name: str) -> None:
        """Delete the file, and forget it: a later one of the same name is not taken for a rollback."""
        self._files.delete(name)


@contextmanager
def vault_modes(store: Store, scratch: Path) -> Iterator[Modes]:
    """Make a vault in the bucket and yield the table over it; `scratch` holds what the client remembers."""
    machine = Machine(scratch / "home", store, os.urandom(64))
    try:
        machine.create()
        around = machine.around
        yield {
            BASE: _opened(ClientMover(store, without_encryption(around), machine.home)),
            "client": _opened(ClientMover(store, around, machine.home)),
        }
    finally:
        machine.state.close()


def _opened(mover: Mover) -> Callable[[], AbstractContextManager[Mover]]:
    return lambda: nullcontext(mover)

"""The modes of `overhead`: a table from a name to a way of moving files to the same bucket.

`plain` moves bytes as they are, through the same store, in parts of the same size, by as many workers, with the same
care for local files: written aside, synced, renamed. `client` is what `cybs3 files put` and `get` do: encrypted
contents, encrypted names, sealed metadata.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from cybous3.client.stores.port import Part, Store
from cybous3.client.transfer.parallel import all_of
from cybous3.client.transfer.port import Limits
from cybous3.client.transfer.source import FileSource
from cybous3.lab.bench.overhead import BASE, Modes, Mover
from cybous3.lab.integration.bench import Machine


class PlainMover:
    """`overhead.Mover` without any encryption."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._limits = Limits()

    def put(self, local: Path, name: str) -> None:
        """Store the file in one request when small, in parallel parts when not."""
        with FileSource(local) as source:
            size, step = source.size, self._limits.single_max
            if size <= step:
                self._store.put(name, _piece(source, 0, size))
                return
            upload = self._store.create_upload(name)

            def part(number: int) -> Part:
                start = (number - 1) * step
                return self._store.upload_part(name, upload, number, _piece(source, start, min(step, size - start)))

            numbers = range(1, -(-size // step) + 1)
            parts = all_of(numbers, part, workers=self._limits.workers)
            self._store.complete_upload(name, upload, sorted(parts, key=lambda made: made.number))

    def get(self, name: str, local: Path) -> None:
        """Fetch the file by ranges in parallel, into a file beside its place, synced and renamed."""
        size = self._store.head(name).size
        aside = local.with_name(f".{local.name}.part")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.truncate(descriptor, size)
            starts = range(0, size, self._limits.window)
            all_of(starts, partial(self._window, name, descriptor, size), workers=self._limits.workers)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        aside.replace(local)

    def _window(self, name: str, descriptor: int, size: int, start: int) -> None:
        length = min(self._limits.window, size - start)
        buffer = memoryview(bytearray(length))
        with self._store.get(name, start=start, length=length) as download:
            download.readinto(buffer)
        os.pwrite(descriptor, buffer, start)

    def remove(self, name: str) -> None:
        """Delete the object."""
        self._store.delete(name)


def _piece(source: FileSource, start: int, length: int) -> memoryview:
    buffer = memoryview(bytearray(length))
    source.read_into(buffer, start)
    return buffer


class ClientMover:
    """`overhead.Mover` by the client's own transfer, as its commands use it."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._up, self._down = machine.up, machine.down

    def put(self, local: Path, name: str) -> None:
        """Encrypt and store."""
        self._up.put_file(local, name)

    def get(self, name: str, local: Path) -> None:
        """Fetch, verify, decrypt."""
        self._down.get_file(name, local)

    def remove(self, name: str) -> None:
        """Delete the file, and forget it: a later one of the same name is not taken for a rollback."""
        self._machine.files.delete(name)


@contextmanager
def _plain(store: Store) -> Iterator[Mover]:
    yield PlainMover(store)


@contextmanager
def _client(store: Store, home: Path) -> Iterator[Mover]:
    machine = Machine(home, store, os.urandom(64))
    try:
        machine.create()
        yield ClientMover(machine)
    finally:
        machine.state.close()


def modes(store: Store, scratch: Path) -> Modes:
    """Return the table, over one bucket. `scratch` holds what the client remembers."""
    return {BASE: partial(_plain, store), "client": partial(_client, store, scratch / "home")}

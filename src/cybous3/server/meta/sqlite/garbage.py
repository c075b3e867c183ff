"""The blobs that anything refers to, the queue of those that nothing does any more, and those nobody has synced."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence

from cybous3.server.meta.sqlite.committer import Committer
from cybous3.server.meta.sqlite.reading import Reader
from cybous3.server.model.scrubs import ScrubState


def is_known(connection: sqlite3.Connection, blob: bytes) -> bool:
    """Return whether an object, a part or the queue refers to the blob."""
    return connection.execute("SELECT 1 FROM blobs WHERE id = ?", (blob,)).fetchone() is not None


def add_blobs(connection: sqlite3.Connection, blobs: Iterable[bytes]) -> None:
    """Note blobs that an object or part refers to from now on."""
    connection.executemany("INSERT INTO blobs (id) VALUES (?)", [(blob,) for blob in blobs])


def bury(connection: sqlite3.Connection, blobs: Iterable[bytes]) -> None:
    """Queue blobs that nothing refers to from now on."""
    buried = list(blobs)
    if not buried:
        return
    (first,) = connection.execute("SELECT coalesce(max(dead), 0) + 1 FROM blobs WHERE dead IS NOT NULL").fetchone()
    connection.executemany("UPDATE blobs SET dead = ? WHERE id = ?", enumerate(buried, first))
    connection.executemany("DELETE FROM unsynced WHERE blob = ?", [(blob,) for blob in buried])


def note_unsynced(connection: sqlite3.Connection, blobs: Iterable[bytes]) -> None:
    """Note blobs whose bytes may not be durable when the transaction that refers to them is."""
    connection.executemany("INSERT OR IGNORE INTO unsynced (blob) VALUES (?)", [(blob,) for blob in blobs])


class SqliteGarbage:
    """`Garbage` of the port."""

    def __init__(self, reader: Reader, committer: Committer, clock: Callable[[], float]) -> None:
        self._reader = reader
        self._committer = committer
        self._clock = clock

    async def due(self, limit: int) -> Sequence[str]:
        """See the port."""
        if self._reader.one("SELECT 1 FROM holds WHERE until_ms > ?", (int(self._clock() * 1000),)):
            return []
        found = self._reader.all("SELECT id FROM blobs WHERE dead IS NOT NULL ORDER BY dead LIMIT ?", (limit,))
        return [blob.hex() for (blob,) in found]

    async def done(self, blobs: Sequence[str]) -> None:
        """See the port."""
        ids = [(bytes.fromhex(blob),) for blob in blobs]

        def mutation(connection: sqlite3.Connection) -> None:
            connection.executemany("DELETE FROM blobs WHERE id = ? AND dead IS NOT NULL", ids)

        await self._committer.run(mutation, touches=())

    async def referenced(self, blobs: Sequence[str]) -> frozenset[str]:
        """See the port."""
        return frozenset(
            blob for blob in blobs if self._reader.one("SELECT 1 FROM blobs WHERE id = ?", (bytes.fromhex(blob),))
        )

    async def hold(self, name: str, until_ms: int) -> None:
        """See the port."""

        def mutation(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO holds (name, until_ms) VALUES (?, ?)", (name, until_ms))

        await self._committer.run(mutation, touches=())

    async def release(self, name: str) -> None:
        """See the port."""

        def mutation(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM holds WHERE name = ?", (name,))

        await self._committer.run(mutation, touches=())


class SqliteUnsynced:
    """`Unsynced` of the port."""

    def __init__(self, reader: Reader, committer: Committer) -> None:
        self._reader = reader
        self._committer = committer

    def waiting(self) -> bool:
        """See the port."""
        return self._committer.waiting

    async def pending(self, limit: int) -> Sequence[str]:
        """See the port."""
        return [blob.hex() for (blob,) in self._reader.all("SELECT blob FROM unsynced ORDER BY seq LIMIT ?", (limit,))]

    async def among(self, blobs: Sequence[str]) -> Sequence[str]:
        """See the port."""
        with self._reader.snapshot():
            if self._reader.one("SELECT 1 FROM unsynced LIMIT 1") is None:
                return []
            return [
                blob
                for blob in blobs
                if self._reader.one("SELECT 1 FROM unsynced WHERE blob = ?", (bytes.fromhex(blob),))
            ]

    async def done(self, blobs: Sequence[str]) -> None:
        """See the port. It always changes a row: a transaction that has changed nothing is not synced."""
        ids = [(bytes.fromhex(blob),) for blob in blobs]

        def mutation(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE probe SET value = value + 1")
            connection.executemany("DELETE FROM unsynced WHERE blob = ?", ids)

        await self._committer.run(mutation, touches=())


class SqliteScrubs:
    """`Scrubs` of the port."""

    def __init__(self, reader: Reader, committer: Committer) -> None:
        self._reader = reader
        self._committer = committer

    async def load(self) -> ScrubState | None:
        """See the port."""
        row = self._reader.one("SELECT position, started_ms, finished_ms, objects, bytes, damaged FROM scrub")
        return None if row is None else ScrubState(*row)

    async def save(self, state: ScrubState) -> None:
        """See the port."""
        values = (state.position, state.started_ms, state.finished_ms, state.objects, state.bytes, state.damaged)

        def mutation(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO scrub VALUES (1, ?, ?, ?, ?, ?, ?)", values)

        await self._committer.run(mutation, touches=())

"""The blobs that anything refers to, and the queue of those that nothing does any more."""

import sqlite3
from collections.abc import Iterable, Sequence

from cybous3.server.meta.sqlite.committer import Committer
from cybous3.server.meta.sqlite.reading import Reader


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


class SqliteGarbage:
    """`Garbage` of the port."""

    def __init__(self, reader: Reader, committer: Committer) -> None:
        self._reader = reader
        self._committer = committer

    async def due(self, limit: int) -> Sequence[str]:
        """See the port."""
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

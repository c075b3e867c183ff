"""What was equal on both sides last time: the memory that makes a second run of an unchanged tree cheap.

One row a file: the local size and time and the remote ETag at the moment both were known to hold the same bytes. Rows
are found by the object's key, so the file says no more about names than the bucket does. Losing it costs comparisons,
never data; so commits do not wait for the disk.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from cybous3.client.keys.files import ensure_private_directory, ensure_private_file
from cybous3.client.sync.plan import Known
from cybous3.core.errors import CybousError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS known (
    tree BLOB NOT NULL, key TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, etag TEXT NOT NULL,
    PRIMARY KEY (tree, key)
) STRICT, WITHOUT ROWID
"""
_BUSY_S = 20.0


class DamagedMemory(CybousError):
    """The memory of earlier runs cannot be read."""

    exit_code = 30


class KnownFiles:
    """The memory of one tree against one vault."""

    def __init__(self, path: Path, vault_id: bytes, root: Path, folder: str) -> None:
        ensure_private_directory(path.parent)
        ensure_private_file(path)
        self._tree = hashlib.sha256(b"\0".join([vault_id, str(root.resolve()).encode(), folder.encode()])).digest()
        self._lock = Lock()
        try:
            self._connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode = WAL").close()
            self._connection.execute("PRAGMA synchronous = NORMAL").close()
            self._connection.execute(_SCHEMA).close()
        except sqlite3.DatabaseError as error:
            raise DamagedMemory(
                f"{path}: the memory of earlier runs is damaged ({error})",
                hint="remove the file; the next run compares everything",
            ) from error

    def all(self) -> Mapping[str, Known]:
        """Return every row by object key."""
        with self._lock:
            rows = self._connection.execute("SELECT key, size, mtime_ns, etag FROM known WHERE tree = ?", (self._tree,))
            return {key: Known(size, mtime_ns, etag) for key, size, mtime_ns, etag in rows}

    def note(self, rows: Iterable[tuple[str, Known]]) -> None:
        """Remember files that are equal on both sides."""
        with self._lock, self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(
                "INSERT OR REPLACE INTO known VALUES (?, ?, ?, ?, ?)",
                ((self._tree, key, known.size, known.mtime_ns, known.etag) for key, known in rows),
            )

    def forget(self, keys: Iterable[str]) -> None:
        """Forget files that are gone."""
        with self._lock, self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(
                "DELETE FROM known WHERE tree = ? AND key = ?", ((self._tree, key) for key in keys)
            )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

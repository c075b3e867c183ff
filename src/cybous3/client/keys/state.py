"""What this machine has seen of each vault, so that a server that shows older things is found out.

Trust on first use, per machine: the highest generation of the vault document, and for each object key the object id,
generation and more of what was written or read last (encryption.md §4.8.1). Names are those of the bucket, so the
file tells no more than the bucket does. It does not find a deletion nobody noted here; manifests will.

One connection, guarded by a lock: safe from many threads, and between processes as SQLite is. A row that is lost in a
crash costs one detection, so commits need not wait for the disk. Rows that follow one another closely share a
transaction: what this process noted it sees at once, others after at most 64 rows, or with the first row noted 50 ms
after the last commit, or when the memory is closed. A process that is killed loses no more than these.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from cybous3.client.keys.errors import DamagedFile, ForeignFile, LocalProblem, Rollback
from cybous3.client.keys.files import ensure_private_directory, ensure_private_file
from cybous3.client.keys.intents import Intent, Intents

_SCHEMA_VERSION = 1
_APPLICATION_ID = 0x43594233  # "CYB3", so that a foreign database is not mistaken for ours
_SCHEMA = """
CREATE TABLE vault (vault_id BLOB PRIMARY KEY, generation INTEGER NOT NULL, digest BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE object (
    vault_id BLOB NOT NULL, key TEXT NOT NULL, object_id BLOB NOT NULL, generation INTEGER NOT NULL,
    etag TEXT NOT NULL, version_id TEXT, size INTEGER NOT NULL, digest BLOB NOT NULL,
    PRIMARY KEY (vault_id, key)
) WITHOUT ROWID;
"""
_BUSY_S = 20.0
_ROWS_TOGETHER = 64
_APART_S = 0.05
_INSERT = "INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_LOOK_UP = "SELECT object_id, generation, etag, size, digest, version_id FROM object WHERE vault_id = ? AND key = ?"


class Seen(NamedTuple):
    """One object as this machine saw it last."""

    object_id: bytes
    generation: int
    etag: str
    size: int  # of the stored object, bytes
    digest: bytes = b""  # the keyed hash of the content, where known
    version_id: str | None = None


class State:
    """The memory of one home. Open it with `open_state`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        monotonic: Callable[[], float] = time.monotonic,
        intents: Intents | None = None,
    ) -> None:
        self._connection = connection
        self._intents = intents or Intents()
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._pending: dict[tuple[bytes, str], Seen] = {}
        self._committed_s = -_APART_S
        self._closed = False

    def close(self) -> None:
        """Write what is noted and close the file. May be called twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                self._commit(())
            finally:
                self._connection.close()
                self._intents.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def vault_generation(self, vault_id: bytes) -> int | None:
        """Return the highest generation seen, None if this machine never saw the vault."""
        row = self._one("SELECT generation FROM vault WHERE vault_id = ?", vault_id)
        return None if row is None else int(row[0])

    def see_vault(self, vault_id: bytes, generation: int, digest: bytes, *, accept_rollback: bool = False) -> None:
        """Note a vault document.

        Raises Rollback when it is older than the newest seen, or another one of the same generation.
        """
        row = self._one("SELECT generation, digest FROM vault WHERE vault_id = ?", vault_id)
        if row is not None and not accept_rollback:
            known, known_digest = int(row[0]), bytes(row[1])
            if generation < known:
                raise Rollback(
                    f"the bucket shows generation {generation} of the vault; this machine has seen {known}",
                    hint="somebody put back an old copy; --accept-rollback goes on with it",
                )
            if generation == known and digest != known_digest:
                raise Rollback(
                    f"the bucket shows another generation {generation} of the vault than this machine has seen",
                    hint="somebody replaced the vault document; --accept-rollback goes on with it",
                )
        if row is None or (generation, digest) != (int(row[0]), bytes(row[1])):
            self._write([("INSERT OR REPLACE INTO vault VALUES (?, ?, ?)", (vault_id, generation, digest))])

    def forget_vault(self, vault_id: bytes) -> None:
        """Forget everything about the vault; the next sight of it is trusted again."""
        self._write([(f"DELETE FROM {table} WHERE vault_id = ?", (vault_id,)) for table in ("vault", "object")])  # noqa: S608  # our two names

    def object_seen(self, vault_id: bytes, key: str) -> Seen | None:
        """Return what was noted for the object, None if nothing was."""
        with self._lock:
            pending = self._pending.get((vault_id, key))
            if pending is not None:
                return pending
            row = self._connection.execute(_LOOK_UP, (vault_id, key)).fetchone()
        return None if row is None else Seen(*row)

    def check_object(
        self, vault_id: bytes, key: str, object_id: bytes, generation: int, *, accept_rollback: bool = False
    ) -> None:
        """Compare an authenticated sight of an object with memory. Raises Rollback when it is older, or a twin."""
        known = self.object_seen(vault_id, key)
        if known is None or accept_rollback or generation > known.generation:
            return
        if generation < known.generation or object_id != known.object_id:
            raise Rollback(
                f"an older state of {key!r} than this machine has seen "
                f"(generation {generation}, known {known.generation})",
                hint="somebody put back an old copy; --accept-rollback goes on with it",
            )

    def note_objects(self, vault_id: bytes, sights: Iterable[tuple[str, Seen]]) -> None:
        """Note what was written or read: at once for this process, for others see the module."""
        with self._lock:
            before = dict(self._pending)
            self._pending.update(((vault_id, key), seen) for key, seen in sights)
            if len(self._pending) >= _ROWS_TOGETHER or self._monotonic() >= self._committed_s + _APART_S:
                try:
                    self._commit(())
                except BaseException:
                    self._pending = before  # what could not be written was not noted
                    raise

    def forget_objects(self, vault_id: bytes, keys: Iterable[str]) -> None:
        """Forget objects that this machine deleted, in one transaction."""
        self._write(("DELETE FROM object WHERE vault_id = ? AND key = ?", (vault_id, key)) for key in keys)

    def intend(self, vault_id: bytes, intents: Iterable[tuple[str, Intent]]) -> None:
        """Leave word, for whoever comes after a kill, of what is about to be written over or deleted."""
        self._intents.note(vault_id, intents)

    def intended(self, vault_id: bytes, key: str) -> list[Intent]:
        """Return what this machine was about to make of the object, done or not; what was noted since settles it."""
        return self._intents.of(vault_id, key)

    def _one(self, sql: str, *values: bytes | str) -> tuple[Any, ...] | None:
        with self._lock:
            row: tuple[Any, ...] | None = self._connection.execute(sql, values).fetchone()
        return row

    def _write(self, statements: Iterable[tuple[str, tuple[object, ...]]]) -> None:
        with self._lock:
            self._commit(statements)

    def _commit(self, statements: Iterable[tuple[str, tuple[object, ...]]]) -> None:
        """Write what is pending, then the statements, in one transaction. The caller holds the lock."""
        statements = tuple(statements)
        if not (statements or self._pending):
            return
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(
                _INSERT,
                (
                    (vault_id, key, s.object_id, s.generation, s.etag, s.version_id, s.size, s.digest)
                    for (vault_id, key), s in self._pending.items()
                ),
            )
            for sql, values in statements:
                self._connection.execute(sql, values)
        self._pending.clear()
        self._committed_s = self._monotonic()


def open_state(path: Path) -> State:
    """Open the memory at `path`, creating it if it is not there. A file that is not ours is left alone."""
    ensure_private_directory(path.parent)
    # Mode 600 from the first moment; SQLite gives its side files the mode of the main one.
    ensure_private_file(path)
    try:
        connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.OperationalError) as error:
        raise LocalProblem(f"{path}: cannot be opened: {error}") from error
    try:
        _prepare(connection, path)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise DamagedFile(
            f"{path}: the memory of this machine is damaged ({error})",
            hint="move the file away; older states are then not detected until they are seen again",
        ) from error
    except ForeignFile:
        connection.close()
        raise
    return State(connection, intents=Intents(intents_of(path)))


def intents_of(path: Path) -> Path:
    """Return where the intents lie that belong to the memory at `path`."""
    return path.with_name(path.name + ".intents")


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA journal_mode = WAL").close()
    connection.execute("PRAGMA synchronous = NORMAL").close()
    application, version = _number(connection, "application_id"), _number(connection, "user_version")
    if (application, version) == (_APPLICATION_ID, _SCHEMA_VERSION):
        return
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        # Read again behind the lock: another process may have been first.
        application, version = _number(connection, "application_id"), _number(connection, "user_version")
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if application == 0 and tables == 0:
            for statement in _SCHEMA.strip().split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        elif (application, version) != (_APPLICATION_ID, _SCHEMA_VERSION):
            raise ForeignFile(f"{path}: not the memory of this version of cybs3 (version {version})")


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    with closing(connection.execute(f"PRAGMA {pragma}")) as cursor:
        return int(cursor.fetchone()[0])

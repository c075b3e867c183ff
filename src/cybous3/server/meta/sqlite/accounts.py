"""Users and access keys in SQL."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from cybous3.server.meta.sqlite.committer import Committer
from cybous3.server.meta.sqlite.reading import Reader
from cybous3.server.meta.sqlite.remembered import Remembered
from cybous3.server.meta.sqlite.sums import row_sum
from cybous3.server.model.accounts import AccessKey, User
from cybous3.server.wire.errors import S3Error

_USER: Final = "id, name, display_name, email, root"
_USERS: Final = f"SELECT {_USER} FROM users "  # noqa: S608  # constants
_ADD_USER: Final = f"INSERT INTO users ({_USER}, sum) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608  # constants
_TAKEN: Final = "SELECT 1 FROM users WHERE id = ?1 OR name = ?2 OR (email <> '' AND email = ?3)"
_KEY: Final = "access_key, user_id, sealed_secret, created_ms, buckets"
_KEYS: Final = f"SELECT {_KEY} FROM access_keys WHERE user_id = ? ORDER BY created_ms, access_key"  # noqa: S608  # constants
_ADD_KEY: Final = f"INSERT INTO access_keys ({_KEY}, sum) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608  # constants
_FIND: Final = (
    "SELECT k.access_key, k.user_id, k.sealed_secret, k.created_ms, k.buckets, "
    "u.id, u.name, u.display_name, u.email, u.root "
    "FROM access_keys k JOIN users u ON u.id = k.user_id WHERE k.access_key = ?"
)
_REMEMBERED_MAX: Final = 1024

_Found = tuple[AccessKey, User]


class SqliteAccounts:
    """`Accounts` of the port."""

    def __init__(self, reader: Reader, committer: Committer, remembered: Remembered) -> None:
        self._reader = reader
        self._committer = committer
        self._remembered = remembered
        self._rows: dict[str, tuple[tuple[Any, ...], _Found]] = {}

    async def add_user(self, user: User) -> None:
        """See the port."""

        def mutation(connection: sqlite3.Connection) -> None:
            if connection.execute(_TAKEN, (user.id, user.name, user.email)).fetchone():
                raise S3Error(
                    "EntityAlreadyExists", f"a user with the name, id or e-mail of {user.name!r} already exists"
                )
            insert_user(connection, user)

        await self._committer.run(mutation)

    async def users(self) -> Sequence[User]:
        """See the port."""
        return [user_of(row) for row in self._reader.all(_USERS + "ORDER BY name")]

    async def user(self, user_id: str) -> User:
        """See the port."""
        row = self._reader.one(_USERS + "WHERE id = ?", (user_id,))
        if row is None:
            raise _no_such("user", user_id)
        return user_of(row)

    async def delete_user(self, name: str) -> None:
        """See the port."""

        def mutation(connection: sqlite3.Connection) -> None:
            row = connection.execute("SELECT id FROM users WHERE name = ?", (name,)).fetchone()
            if row is None:
                raise _no_such("user", name)
            if connection.execute("SELECT 1 FROM buckets WHERE owner = ? LIMIT 1", row).fetchone():
                raise S3Error("DeleteConflict", f"the user {name!r} still owns buckets")
            connection.execute("DELETE FROM access_keys WHERE user_id = ?", row)
            connection.execute("DELETE FROM users WHERE id = ?", row)

        await self._committer.run(mutation)

    async def add_key(self, key: AccessKey) -> None:
        """See the port."""

        def mutation(connection: sqlite3.Connection) -> None:
            if connection.execute("SELECT 1 FROM access_keys WHERE access_key = ?", (key.access_key,)).fetchone():
                raise S3Error("EntityAlreadyExists", f"the access key {key.access_key!r} already exists")
            if connection.execute("SELECT 1 FROM users WHERE id = ?", (key.user_id,)).fetchone() is None:
                raise _no_such("user", key.user_id)
            insert_key(connection, key)

        await self._committer.run(mutation)

    async def keys(self, user_id: str) -> Sequence[AccessKey]:
        """See the port."""
        return [key_of(row) for row in self._reader.all(_KEYS, (user_id,))]

    async def find_key(self, access_key: str) -> _Found | None:
        """See the port. An unchanged row gives the same objects, also after something else was committed."""
        found: _Found | None = self._remembered.recall(("key", access_key))
        if found is None:
            found = self._read_key(access_key)
            if found is not None:
                self._remembered.keep(("key", access_key), found)
        return found

    def _read_key(self, access_key: str) -> _Found | None:
        row = self._reader.one(_FIND, (access_key,))
        remembered = self._rows.get(access_key)
        if row is None:
            self._rows.pop(access_key, None)
            return None
        if remembered is not None and remembered[0] == row:
            return remembered[1]
        found = (key_of(row[:5]), user_of(row[5:]))
        if len(self._rows) >= _REMEMBERED_MAX:
            self._rows.clear()
        self._rows[access_key] = (row, found)
        return found

    async def delete_key(self, access_key: str) -> None:
        """See the port."""

        def mutation(connection: sqlite3.Connection) -> None:
            if connection.execute("SELECT 1 FROM access_keys WHERE access_key = ?", (access_key,)).fetchone() is None:
                raise _no_such("access key", access_key)
            connection.execute("DELETE FROM access_keys WHERE access_key = ?", (access_key,))

        await self._committer.run(mutation)


def insert_user(connection: sqlite3.Connection, user: User) -> None:
    """Add a row, inside a transaction."""
    values = (user.id, user.name, user.display_name, user.email, int(user.root))
    connection.execute(_ADD_USER, (*values, row_sum("users", values)))


def insert_key(connection: sqlite3.Connection, key: AccessKey) -> None:
    """Add a row, inside a transaction."""
    buckets = None if key.buckets is None else json.dumps(sorted(key.buckets))
    values = (key.access_key, key.user_id, key.sealed_secret, key.created_ms, buckets)
    connection.execute(_ADD_KEY, (*values, row_sum("access_keys", values)))


def user_of(row: tuple[Any, ...]) -> User:
    """Return the user of a row's columns."""
    user_id, name, display_name, email, root = row
    return User(user_id, name, display_name, email, bool(root))


def key_of(row: tuple[Any, ...]) -> AccessKey:
    """Return the key of a row's columns."""
    access_key, user_id, sealed_secret, created_ms, buckets = row
    return AccessKey(
        access_key, user_id, sealed_secret, created_ms, None if buckets is None else frozenset(json.loads(buckets))
    )


def _no_such(kind: str, name: str) -> S3Error:
    return S3Error("NoSuchEntity", f"there is no {kind} {name!r}")

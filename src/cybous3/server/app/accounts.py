"""Users and keys of a data directory, for the command line: with the server running or not.

Goes to the index directly, as its owner may. A running server sees every change with its next request.
"""

import os
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar, Final

from cybous3.core.errors import CybousError
from cybous3.server.app.places import DataDirectory
from cybous3.server.app.problems import local
from cybous3.server.meta.port import Index
from cybous3.server.meta.sqlite.index import open_sqlite
from cybous3.server.model.accounts import AccessKey, Credential, User
from cybous3.server.store.accounts import ROOT_NAME, AccountBook, has_keys
from cybous3.server.store.sealing import load_seal
from cybous3.server.wire.errors import S3Error

_SECRET_LENGTH_MIN: Final = 8
_KEY_LENGTHS: Final = range(3, 129)


class AccountError(CybousError):
    """A user or key that cannot be made, found or removed."""


class AccountConflictError(AccountError):
    """It exists already, or something still needs it."""

    exit_code: ClassVar[int] = 22


class NoSuchAccountError(AccountError):
    """There is no such user or key."""

    exit_code: ClassVar[int] = 3


_FAMILIES: Final = {
    "EntityAlreadyExists": AccountConflictError,
    "DeleteConflict": AccountConflictError,
    "NoSuchEntity": NoSuchAccountError,
}


def _in_words(error: S3Error, hint: str | None = None) -> AccountError:
    return _FAMILIES.get(error.code, AccountError)(error.message, hint=hint)


class Accounts:
    """The users and keys of one data directory."""

    def __init__(self, book: AccountBook) -> None:
        self._book = book

    async def add_user(
        self,
        name: str,
        *,
        display_name: str | None = None,
        email: str = "",
        access_key: str | None = None,
        secret_key: str | None = None,
        buckets: Iterable[str] | None = None,
    ) -> Credential:
        """Add a user with one key, both or neither. AccountConflictError, AccountError."""
        _check_key(access_key, secret_key)
        if not name or not name.isprintable():
            raise AccountError(f"{name!r} is not a user name", hint="use printable characters")
        try:
            user = await self._book.add_user(name, display_name=display_name, email=email)
        except S3Error as error:
            raise _in_words(error, f"to give a user another key: swifts3 keys add {name}") from error
        try:
            return await self._book.add_key(user, access_key=access_key, secret_key=secret_key, buckets=buckets)
        except S3Error as error:
            await self._book.delete_user(name)
            raise _in_words(error) from error

    async def list_users(self) -> Sequence[tuple[User, Sequence[AccessKey]]]:
        """Return all users in name order, each with its keys, oldest first; no secrets."""
        return await self._book.list_users()

    async def delete_user(self, name: str) -> None:
        """Remove a user and its keys. NoSuchAccountError, AccountConflictError while it owns buckets."""
        try:
            user = await self._book.find_user(name)
            if user.root:
                raise AccountConflictError("the root user cannot be deleted")
            await self._book.delete_user(name)
        except S3Error as error:
            hint = "delete its buckets first" if error.code == "DeleteConflict" else None
            raise _in_words(error, hint) from error

    async def add_key(
        self,
        user: str = ROOT_NAME,
        *,
        access_key: str | None = None,
        secret_key: str | None = None,
        buckets: Iterable[str] | None = None,
    ) -> Credential:
        """Add a key to a user, by name; what is not given is generated. NoSuchAccountError, AccountConflictError."""
        _check_key(access_key, secret_key)
        try:
            found = await self._book.find_user(user)
            return await self._book.add_key(found, access_key=access_key, secret_key=secret_key, buckets=buckets)
        except S3Error as error:
            raise _in_words(error) from error

    async def delete_key(self, access_key: str) -> None:
        """Remove a key. NoSuchAccountError."""
        try:
            await self._book.delete_key(access_key)
        except S3Error as error:
            raise _in_words(error) from error

    async def ensure_root(self, access_key: str | None = None, secret_key: str | None = None) -> Credential | None:
        """Make sure that there is a root key; return it if it was generated just now, and so must be shown."""
        try:
            credential, new = await self._book.ensure_root(access_key, secret_key)
        except S3Error as error:
            raise _in_words(error) from error
        return credential if new and access_key is None else None


def _check_key(access_key: str | None, secret_key: str | None) -> None:
    if access_key is not None and not (
        len(access_key) in _KEY_LENGTHS and access_key.isascii() and access_key.isalnum()
    ):
        raise AccountError(f"the access key {access_key!r} is not 3 to 128 ASCII letters and digits")
    if secret_key is not None and not (len(secret_key) >= _SECRET_LENGTH_MIN and secret_key.isprintable()):
        raise AccountError(f"the secret key is shorter than {_SECRET_LENGTH_MIN} characters, or not printable")


class NoDataDirectoryError(CybousError):
    """A data directory was named that no server and no `users add` has begun."""

    exit_code: ClassVar[int] = 3


def has_index(data: Path) -> bool:
    """Tell whether `data` is a data directory: whether there is an index in it. LocalError."""
    place = DataDirectory.at(data)
    try:
        return place.index.exists()
    except OSError as error:
        raise local(f"cannot look into {str(place.root)!r}", error) from error


def is_prepared(data: Path) -> bool:
    """Tell whether somebody meant `data` to be a data directory: it is one, or an empty directory. LocalError."""
    root = DataDirectory.at(data).root
    try:
        return has_index(data) or (root.is_dir() and not any(root.iterdir()))
    except OSError as error:
        raise local(f"cannot look into {str(root)!r}", error) from error


def ensure_index(data: Path) -> None:
    """Raise NoDataDirectoryError unless there is an index: a mistyped directory is not made.

    IndexLostError where there was one. LocalError.
    """
    if not has_index(data):
        DataDirectory.at(data).ensure_index()
        raise NoDataDirectoryError(
            f"there is no data directory at {str(data)!r}", hint=f"swifts3 serve --data {data} makes one"
        )


async def open_book(index: Index, place: DataDirectory) -> AccountBook:
    """Return the account book of an open index. SealError, LocalError."""
    try:
        seal = load_seal(place.seal, os.urandom, has_keys=await has_keys(index))
    except OSError as error:
        raise local("cannot use the seal key", error) from error
    return AccountBook(index, seal, clock=time.time, entropy=os.urandom)


@asynccontextmanager
async def open_accounts(data: Path) -> AsyncIterator[Accounts]:
    """Open the accounts of the data directory, making it if need be. LocalError, SealError."""
    place = DataDirectory.at(data)
    place.prepare()
    place.ensure_finished()
    try:
        index = await open_sqlite(place.index)
    except OSError as error:
        raise local("cannot open the index", error) from error
    try:
        yield Accounts(await open_book(index, place))
    finally:
        await index.aclose()

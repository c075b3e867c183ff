"""Who may come in: users and their access keys, with the secrets sealed on the way down and opened on the way up.

The index never sees an open secret. An opened one is kept in memory beside the sealed bytes it came from, so a key that
any process deleted or changed stops working with the next request, and an unchanged one costs a point read.
"""

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cybous3.core import ids
from cybous3.core.clock import Clock, Entropy
from cybous3.server.meta.port import Index
from cybous3.server.model.accounts import AccessKey, Credential, User
from cybous3.server.store.sealing import Seal
from cybous3.server.wire.errors import S3Error

ROOT_NAME: Final = "root"
OPENED_MAX: Final = 1024  # opened secrets in memory


@dataclass(frozen=True, slots=True)
class _Opened:
    """A credential, and the row it was made of."""

    key: AccessKey
    user: User
    credential: Credential


class AccountBook:
    """The users and keys of one index."""

    def __init__(self, index: Index, seal: Seal, *, clock: Clock, entropy: Entropy) -> None:
        self._accounts = index.accounts
        self._seal = seal
        self._clock = clock
        self._entropy = entropy
        self._opened: dict[str, _Opened] = {}

    async def find(self, access_key: str) -> Credential | None:
        """Return the credential, or None. SealError when its secret was sealed under another key."""
        found = await self._accounts.find_key(access_key)
        if found is None:
            self._opened.pop(access_key, None)
            return None
        key, user = found
        opened = self._opened.get(access_key)
        if opened is not None and (opened.key, opened.user) == (key, user):
            return opened.credential
        credential = Credential(access_key, user, self._seal.open(access_key, key.sealed_secret), key.buckets)
        if len(self._opened) >= OPENED_MAX:
            self._opened.clear()
        self._opened[access_key] = _Opened(key, user, credential)
        return credential

    async def ensure_root(self, access_key: str | None, secret_key: str | None) -> tuple[Credential, bool]:
        """Return a credential of the root user, and whether it was made now (and, if generated, must be shown).

        With a pair from the environment exactly this pair is good afterwards, also if its secret was another before.
        Without one the root user's oldest unscoped key is returned, or made. InvalidArgument when only half a pair is
        given; EntityAlreadyExists when the key belongs to someone else.
        """
        if (access_key is None) != (secret_key is None):
            raise S3Error("InvalidArgument", "the root access key and the root secret key come together or not at all")
        root = await self._root()
        if access_key is None or secret_key is None:
            return await self._any_key(root)
        known = await self.find(access_key)
        if known is None:
            return await self.add_key(root, access_key=access_key, secret_key=secret_key), True
        if known.user.id != root.id:
            raise S3Error(
                "EntityAlreadyExists", f"the access key {access_key!r} belongs to the user {known.user.name!r}"
            )
        if hmac.compare_digest(known.secret_key.encode(), secret_key.encode()):
            return known, False
        await self._accounts.delete_key(access_key)
        return await self.add_key(root, access_key=access_key, secret_key=secret_key), True

    async def add_user(
        self, name: str, *, display_name: str | None = None, email: str = "", root: bool = False
    ) -> User:
        """Add a user. EntityAlreadyExists."""
        user = User(ids.canonical_user_id(self._entropy), name, display_name or name, email, root)
        await self._accounts.add_user(user)
        return user

    async def list_users(self) -> Sequence[tuple[User, Sequence[AccessKey]]]:
        """Return all users in name order, each with its keys; no secrets."""
        return [(user, await self._accounts.keys(user.id)) for user in await self._accounts.users()]

    async def find_user(self, name: str) -> User:
        """Return a user by name. NoSuchEntity."""
        for user in await self._accounts.users():
            if user.name == name:
                return user
        raise S3Error("NoSuchEntity", f"there is no user {name!r}")

    async def delete_user(self, name: str) -> None:
        """Remove a user and its keys. NoSuchEntity, DeleteConflict while it owns buckets."""
        await self._accounts.delete_user(name)

    async def add_key(
        self,
        user: User,
        *,
        access_key: str | None = None,
        secret_key: str | None = None,
        buckets: Iterable[str] | None = None,
    ) -> Credential:
        """Add a key to `user`, generating what is not given, and return it: the one time its secret is shown.

        EntityAlreadyExists, NoSuchEntity.
        """
        access_key = access_key or ids.access_key_id(self._entropy)
        secret_key = secret_key or ids.secret_key(self._entropy)
        scope = None if buckets is None else frozenset(buckets)
        sealed = self._seal.seal(access_key, secret_key)
        await self._accounts.add_key(AccessKey(access_key, user.id, sealed, int(self._clock() * 1000), scope))
        return Credential(access_key, user, secret_key, scope)

    async def delete_key(self, access_key: str) -> None:
        """Remove a key, at once for every process. NoSuchEntity."""
        await self._accounts.delete_key(access_key)

    async def _root(self) -> User:
        for user in await self._accounts.users():
            if user.root:
                return user
        return await self.add_user(ROOT_NAME, root=True)

    async def _any_key(self, root: User) -> tuple[Credential, bool]:
        for key in await self._accounts.keys(root.id):
            known = await self.find(key.access_key)
            if known is not None and known.buckets is None:
                return known, False
        return await self.add_key(root), True


async def has_keys(index: Index) -> bool:
    """Return whether any secret was ever sealed into the index and is still there."""
    for user in await index.accounts.users():
        if await index.accounts.keys(user.id):
            return True
    return False

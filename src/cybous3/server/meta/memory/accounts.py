"""Users and access keys in memory."""

from collections.abc import Sequence

from cybous3.server.meta.memory.state import State
from cybous3.server.model.accounts import AccessKey, User
from cybous3.server.wire.errors import S3Error


class MemoryAccounts:
    """`Accounts` of the port."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def add_user(self, user: User) -> None:
        """See the port."""
        for other in self._state.users.values():
            if other.id == user.id or other.name == user.name or (user.email and other.email == user.email):
                raise S3Error(
                    "EntityAlreadyExists", f"a user with the name, id or e-mail of {user.name!r} already exists"
                )
        self._state.users[user.id] = user

    async def users(self) -> Sequence[User]:
        """See the port."""
        return sorted(self._state.users.values(), key=lambda user: user.name)

    async def user(self, user_id: str) -> User:
        """See the port."""
        if user_id not in self._state.users:
            raise _no_such("user", user_id)
        return self._state.users[user_id]

    async def delete_user(self, name: str) -> None:
        """See the port."""
        user = next((user for user in self._state.users.values() if user.name == name), None)
        if user is None:
            raise _no_such("user", name)
        if any(held.bucket.owner == user.id for held in self._state.buckets.values()):
            raise S3Error("DeleteConflict", f"the user {name!r} still owns buckets")
        for key in await self.keys(user.id):
            del self._state.access_keys[key.access_key]
        del self._state.users[user.id]

    async def add_key(self, key: AccessKey) -> None:
        """See the port."""
        if key.access_key in self._state.access_keys:
            raise S3Error("EntityAlreadyExists", f"the access key {key.access_key!r} already exists")
        if key.user_id not in self._state.users:
            raise _no_such("user", key.user_id)
        self._state.access_keys[key.access_key] = key

    async def keys(self, user_id: str) -> Sequence[AccessKey]:
        """See the port."""
        mine = [key for key in self._state.access_keys.values() if key.user_id == user_id]
        return sorted(mine, key=lambda key: (key.created_ms, key.access_key))

    async def find_key(self, access_key: str) -> tuple[AccessKey, User] | None:
        """See the port."""
        key = self._state.access_keys.get(access_key)
        return None if key is None else (key, self._state.users[key.user_id])

    async def delete_key(self, access_key: str) -> None:
        """See the port."""
        if access_key not in self._state.access_keys:
            raise _no_such("access key", access_key)
        del self._state.access_keys[access_key]


def _no_such(kind: str, name: str) -> S3Error:
    return S3Error("NoSuchEntity", f"there is no {kind} {name!r}")

"""Users and keys: secrets open for those who hold the seal, and for as long as the key is there."""

import pytest

from cybous3.server.meta.memory.index import MemoryIndex
from cybous3.server.store import accounts
from cybous3.server.store.accounts import AccountBook, has_keys
from cybous3.server.store.sealing import Seal, SealError
from tests.contracts.index_contract import refused
from tests.contracts.values import entropy
from tests.server.store.conftest import Ticking

pytestmark = pytest.mark.anyio


@pytest.fixture
def index() -> MemoryIndex:
    return MemoryIndex()


@pytest.fixture
def book(index: MemoryIndex) -> AccountBook:
    return AccountBook(index, Seal(bytes(32), entropy), clock=Ticking(), entropy=entropy)


async def test_a_key_is_found_with_its_secret_and_its_user(book: AccountBook) -> None:
    anna = await book.add_user("anna", email="a@example.org")
    assert (anna.display_name, anna.root, len(anna.id)) == ("anna", False, 64)
    made = await book.add_key(anna, buckets=["photos"])
    found = await book.find(made.access_key)
    assert found == made
    assert found is not None
    assert (found.user, found.buckets, len(found.secret_key)) == (anna, frozenset({"photos"}), 40)
    assert await book.find(made.access_key) is found, "an unchanged key is opened once"
    assert made.secret_key not in repr(found)


async def test_the_index_never_holds_a_secret(book: AccountBook, index: MemoryIndex) -> None:
    made = await book.add_key(await book.add_user("anna"), access_key="CHOSEN", secret_key="my secret")
    (stored,) = await index.accounts.keys(made.user.id)
    assert b"my secret" not in stored.sealed_secret
    assert (await book.list_users()) == [(made.user, [stored])]


async def test_a_deleted_key_stops_at_once(book: AccountBook, index: MemoryIndex) -> None:
    made = await book.add_key(await book.add_user("anna"))
    assert await book.find(made.access_key)
    await index.accounts.delete_key(made.access_key)  # another process
    assert await book.find(made.access_key) is None
    await refused("NoSuchEntity", book.delete_key(made.access_key))


async def test_a_changed_secret_is_the_new_one_at_once(book: AccountBook) -> None:
    anna = await book.add_user("anna")
    await book.add_key(anna, access_key="KEY", secret_key="old")
    assert (await book.find("KEY")) is not None
    await book.delete_key("KEY")
    await book.add_key(anna, access_key="KEY", secret_key="new")
    found = await book.find("KEY")
    assert found is not None
    assert found.secret_key == "new"


async def test_a_key_sealed_elsewhere_is_an_error_and_not_unknown(book: AccountBook, index: MemoryIndex) -> None:
    made = await book.add_key(await book.add_user("anna"))
    stranger = AccountBook(index, Seal(b"x" * 32, entropy), clock=Ticking(), entropy=entropy)
    with pytest.raises(SealError):
        await stranger.find(made.access_key)


async def test_opened_secrets_are_bounded(book: AccountBook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "OPENED_MAX", 2)
    anna = await book.add_user("anna")
    for _ in range(5):
        made = await book.add_key(anna)
        assert await book.find(made.access_key) == made
        assert len(book._opened) <= 2


async def test_the_first_start_makes_a_root_key_and_the_second_finds_it(book: AccountBook, index: MemoryIndex) -> None:
    assert not await has_keys(index)
    first, made = await book.ensure_root(None, None)
    assert (made, first.user.root, first.user.name) == (True, True, "root")
    assert await has_keys(index)
    assert await book.ensure_root(None, None) == (first, False)


async def test_a_scoped_key_of_root_is_not_the_root_key(book: AccountBook) -> None:
    root, _ = await book.ensure_root("ROOT", "secret")
    await book.delete_key("ROOT")
    await book.add_key(root.user, buckets=["one"])
    fresh, made = await book.ensure_root(None, None)
    assert made
    assert fresh.buckets is None


async def test_the_environments_pair_is_good_whatever_was_before(book: AccountBook) -> None:
    generated, _ = await book.ensure_root(None, None)
    given, made = await book.ensure_root("ROOT", "first")
    assert (made, given.user) == (True, generated.user)
    assert await book.ensure_root("ROOT", "first") == (given, False)
    changed, made = await book.ensure_root("ROOT", "second")
    assert (made, changed.secret_key) == (True, "second")
    assert await book.find("ROOT") == changed


async def test_half_a_pair_and_somebody_elses_key_are_refused(book: AccountBook) -> None:
    await refused("InvalidArgument", book.ensure_root("ROOT", None))
    await refused("InvalidArgument", book.ensure_root(None, "secret"))
    await book.add_key(await book.add_user("anna"), access_key="TAKEN")
    await refused("EntityAlreadyExists", book.ensure_root("TAKEN", "secret"))


async def test_users_are_found_and_deleted_by_name(book: AccountBook) -> None:
    anna = await book.add_user("anna", display_name="Anna A.")
    assert await book.find_user("anna") == anna
    await refused("NoSuchEntity", book.find_user("berta"))
    await refused("EntityAlreadyExists", book.add_user("anna"))
    await book.delete_user("anna")
    await refused("NoSuchEntity", book.find_user("anna"))

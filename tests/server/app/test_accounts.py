"""Users and keys through the door the command line uses; what goes wrong ends in a sentence and a code."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from cybous3.server.app.accounts import (
    AccountConflictError,
    AccountError,
    Accounts,
    NoSuchAccountError,
    has_index,
    is_prepared,
    open_accounts,
)
from cybous3.server.app.problems import LocalError
from cybous3.server.store.sealing import SealError

T = TypeVar("T")


def on(data: Path, work: Callable[[Accounts], Awaitable[T]]) -> T:
    async def run() -> T:
        async with open_accounts(data) as accounts:
            return await work(accounts)

    return asyncio.run(run())


def test_a_user_gets_a_key_and_is_listed(tmp_path: Path) -> None:
    made = on(tmp_path, lambda a: a.add_user("ann", display_name="Ann", email="a@example.org", buckets=["b"]))
    assert (made.user.name, made.user.display_name, made.buckets) == ("ann", "Ann", frozenset({"b"}))
    assert len(made.secret_key) == 40
    [(user, keys)] = on(tmp_path, lambda a: a.list_users())
    assert user == made.user
    assert [key.access_key for key in keys] == [made.access_key]


def test_what_is_given_is_used(tmp_path: Path) -> None:
    made = on(tmp_path, lambda a: a.add_user("ann", access_key="ANNSKEY", secret_key="annssecret"))
    assert (made.access_key, made.secret_key) == ("ANNSKEY", "annssecret")
    more = on(tmp_path, lambda a: a.add_key("ann", access_key="ANNSKEY2"))
    assert more.user == made.user
    on(tmp_path, lambda a: a.delete_key("ANNSKEY"))
    [(_, keys)] = on(tmp_path, lambda a: a.list_users())
    assert [key.access_key for key in keys] == ["ANNSKEY2"]


def test_a_user_whose_key_is_taken_is_not_left_behind(tmp_path: Path) -> None:
    on(tmp_path, lambda a: a.add_user("ann", access_key="SAMEKEY"))
    with pytest.raises(AccountConflictError, match="SAMEKEY"):
        on(tmp_path, lambda a: a.add_user("bob", access_key="SAMEKEY"))
    assert [user.name for user, _ in on(tmp_path, lambda a: a.list_users())] == ["ann"]


def test_a_second_user_of_one_name_is_refused_with_a_hint(tmp_path: Path) -> None:
    on(tmp_path, lambda a: a.add_user("ann"))
    with pytest.raises(AccountConflictError) as refused:
        on(tmp_path, lambda a: a.add_user("ann", access_key="OTHER"))
    assert refused.value.exit_code == 22
    assert "keys add ann" in (refused.value.hint or "")


@pytest.mark.parametrize("name", ["", "a\nb", "\x1b[31m"])
def test_names_are_printable(tmp_path: Path, name: str) -> None:
    with pytest.raises(AccountError, match="is not a user name"):
        on(tmp_path, lambda a: a.add_user(name))


@pytest.mark.parametrize(
    ("access", "secret"),
    [("ab", None), ("a b c", None), ("\xe4\xe4\xe4\xe4", None), (None, "shorty"), (None, "tab\tin secret")],
)
def test_weak_or_odd_keys_are_refused(tmp_path: Path, access: str | None, secret: str | None) -> None:
    with pytest.raises(AccountError) as refused:
        on(tmp_path, lambda a: a.add_user("ann", access_key=access, secret_key=secret))
    assert secret is None or secret not in refused.value.message


def test_who_is_not_there_is_told(tmp_path: Path) -> None:
    for work in (
        lambda a: a.delete_user("nobody"),
        lambda a: a.add_key("nobody"),
        lambda a: a.delete_key("NOKEY"),
    ):
        with pytest.raises(NoSuchAccountError) as refused:
            on(tmp_path, work)
        assert refused.value.exit_code == 3


def test_the_root_user_is_made_once_and_stays(tmp_path: Path) -> None:
    made = on(tmp_path, lambda a: a.ensure_root())
    assert made is not None
    assert made.user.root
    assert on(tmp_path, lambda a: a.ensure_root()) is None
    assert on(tmp_path, lambda a: a.ensure_root("ROOTKEY", "rootsecret")) is None
    assert on(tmp_path, lambda a: a.add_key(access_key="ANOTHER")).user == made.user
    with pytest.raises(AccountConflictError, match="root user cannot be deleted"):
        on(tmp_path, lambda a: a.delete_user("root"))


def test_a_root_key_that_is_somebodys_is_refused(tmp_path: Path) -> None:
    on(tmp_path, lambda a: a.add_user("ann", access_key="ANNSKEY"))
    with pytest.raises(AccountConflictError, match="ANNSKEY"):
        on(tmp_path, lambda a: a.ensure_root("ANNSKEY", "rootsecret"))


def test_a_lost_seal_key_is_told_and_not_replaced(tmp_path: Path) -> None:
    on(tmp_path, lambda a: a.add_user("ann"))
    (tmp_path / "seal.key").unlink()
    with pytest.raises(SealError):
        on(tmp_path, lambda a: a.list_users())
    assert not (tmp_path / "seal.key").exists()


def test_a_seal_key_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "seal.key").mkdir()
    with pytest.raises(LocalError, match="seal key"):
        on(tmp_path, lambda a: a.list_users())


def test_an_index_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").mkdir()
    with pytest.raises(LocalError, match="cannot open the index"):
        on(tmp_path, lambda a: a.list_users())


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_everything_is_for_the_owner_alone(tmp_path: Path) -> None:
    on(tmp_path / "data", lambda a: a.add_user("ann"))
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0
    for path in (tmp_path / "data").rglob("*"):
        if path.is_file():
            assert path.stat().st_mode & 0o077 == 0, path


def test_what_cannot_be_looked_into_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_prepared(tmp_path)
    assert not is_prepared(tmp_path / "missing")

    def refuse(*_: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", refuse)
    with pytest.raises(LocalError, match="permission denied"):
        has_index(tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(LocalError, match="permission denied"):
        is_prepared(tmp_path)

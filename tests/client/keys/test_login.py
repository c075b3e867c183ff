"""Login: who gets in with what, and what is left behind for the next command."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from cybous3.client.keys.device import Places
from cybous3.client.keys.errors import CannotUnlock, DamagedFile, NoSecret
from cybous3.client.keys.files import write_private
from cybous3.client.keys.home import Home
from cybous3.client.keys.login import (
    Given,
    Status,
    Unlocked,
    forget,
    keep_unlocked,
    login_with_words,
    logout,
    status,
    unlock,
    unlock_with_passphrase,
)
from cybous3.client.keys.sealed import Purpose, seal_file
from cybous3.client.keys.sources import Sources
from cybous3.client.keys.state import open_state
from cybous3.crypto.errors import BadMnemonic
from cybous3.crypto.kdf import FOR_TESTS_ONLY
from cybous3.crypto.mnemonic import create_mnemonic, mnemonic_fingerprint, mnemonic_seed
from tests.client.keys.test_oskeyring import Fake

WORDS = create_mnemonic(bytes)
OTHER_WORDS = create_mnemonic(lambda length: b"\x01" * length)


def sources(environ: Mapping[str, str] | None = None, typed: str | None = None) -> Sources:
    return Sources(environ or {}, prompt=None if typed is None else lambda _: typed)


def test_words_set_a_home_up_and_are_not_stored(places: Places) -> None:
    unlocked = login_with_words(places, f"  {WORDS.upper()} ")
    assert unlocked.seed == mnemonic_seed(WORDS)
    assert unlocked.fingerprint == mnemonic_fingerprint(WORDS)
    for path in places.home.root.iterdir():
        content = path.read_bytes()
        assert WORDS.encode() not in content
        assert unlocked.seed not in content
        assert unlocked.device_key not in content
    again = login_with_words(places, WORDS)
    assert again.device_key == unlocked.device_key


def test_words_that_are_none_say_so(places: Places) -> None:
    with pytest.raises(BadMnemonic) as caught:
        login_with_words(places, WORDS.replace("art", "abandon"))
    assert caught.value.exit_code == 10
    assert not places.exists()


def test_other_words_do_not_get_into_this_home(places: Places) -> None:
    login_with_words(places, WORDS)
    with pytest.raises(CannotUnlock, match="other recovery words"):
        login_with_words(places, OTHER_WORDS)


def test_a_session_needs_nothing_until_logout(places: Places) -> None:
    unlocked = login_with_words(places, WORDS)
    assert keep_unlocked(unlocked, None) == "session"
    assert unlock(places, sources(), Given()) == unlocked
    logout(places)
    with pytest.raises(NoSecret) as caught:
        unlock(places, sources(), Given())
    assert caught.value.exit_code == 10
    assert "cybs3 login" in (caught.value.hint or "")


def test_a_passphrase_opens_what_words_set_up(places: Places, tmp_path: Path) -> None:
    unlocked = login_with_words(places, WORDS)
    assert keep_unlocked(unlocked, "correct horse", FOR_TESTS_ONLY) == "passphrase"
    logout(places)
    (tmp_path / "p").write_text("correct horse\n")
    for given, around in (
        (Given(passphrase_file=tmp_path / "p"), sources()),
        (Given(), sources({"CYBS3_PASSPHRASE": "correct horse"})),
        (Given(), sources(typed="correct horse")),
    ):
        assert unlock(places, around, given) == unlocked
        # Only a person who types unlocks the machine for later commands.
        assert places.session.load() == (unlocked.device_key if around.prompt else None)
        logout(places)
    with pytest.raises(CannotUnlock, match="wrong passphrase"):
        unlock(places, sources(typed="wrong"), Given())
    assert keep_unlocked(unlock_with_passphrase(places, "correct horse"), None) == "passphrase"


def test_a_passphrase_given_as_an_option_is_checked_in_an_open_session(places: Places, tmp_path: Path) -> None:
    unlocked = login_with_words(places, WORDS)
    (tmp_path / "p").write_text("correct horse")
    (tmp_path / "wrong").write_text("wrong horse")
    right, wrong = Given(passphrase_file=tmp_path / "p"), Given(passphrase_file=tmp_path / "wrong")
    keep_unlocked(unlocked, None)
    assert unlock(places, sources(), wrong) == unlocked  # no passphrase was set that it could be compared with
    keep_unlocked(unlocked, "correct horse", FOR_TESTS_ONLY)
    assert unlock(places, sources(), right).by_passphrase
    with pytest.raises(CannotUnlock, match="wrong passphrase"):
        unlock(places, sources(), wrong)
    assert not unlock(places, sources(), wrong, for_vault=True).by_passphrase
    assert unlock(places, sources({"CYBS3_PASSPHRASE": "wrong horse"}), Given()) == unlocked


def test_the_systems_keyring_is_preferred_to_a_session(home: Home, places: Places) -> None:
    with_keyring = Places(home, places.session, os.urandom, Fake())
    unlocked = login_with_words(with_keyring, WORDS)
    assert keep_unlocked(unlocked, None) == "keyring"
    with_keyring.session.forget()
    assert unlock(with_keyring, sources(), Given()).device_key == unlocked.device_key


def test_where_nothing_keeps_the_key_the_words_are_needed_each_time(home: Home, places: Places) -> None:
    bare = Places(home, type(places.session)(home.label, None), os.urandom, keyring_allowed=False)
    unlocked = login_with_words(bare, WORDS)
    assert keep_unlocked(unlocked, None) == "words"
    with pytest.raises(NoSecret):
        unlock(bare, sources(), Given())
    assert unlock(bare, sources({"CYBS3_MNEMONIC": WORDS}), Given()) == unlocked


def test_words_given_as_an_option_come_before_any_session(places: Places, tmp_path: Path) -> None:
    keep_unlocked(login_with_words(places, WORDS), None)
    (tmp_path / "w").write_text(OTHER_WORDS)
    with pytest.raises(CannotUnlock):
        unlock(places, sources(), Given(mnemonic_file=tmp_path / "w"))


def test_scripts_with_words_need_no_login(places: Places) -> None:
    unlocked = unlock(places, sources({"CYBS3_MNEMONIC": WORDS}), Given())
    assert unlocked.seed == mnemonic_seed(WORDS)
    assert status(places).set_up


def test_status_tells_without_any_secret(places: Places) -> None:
    assert status(places) == Status(set_up=False, unlocked=False, place="words", session_cache=False, fingerprint=None)
    unlocked = login_with_words(places, WORDS)
    keep_unlocked(unlocked, "x", FOR_TESTS_ONLY)
    found = status(places)
    assert (found.set_up, found.unlocked, found.place, found.session_cache) == (True, True, "passphrase", True)
    assert found.fingerprint == unlocked.fingerprint
    logout(places)
    found = status(places)
    assert (found.set_up, found.unlocked, found.session_cache, found.fingerprint) == (True, False, False, None)


def test_forgetting_removes_all_of_it(places: Places) -> None:
    login_with_words(places, WORDS)
    open_state(places.home.state).close()
    write_private(places.home.config, b"x")
    forget(places)
    assert [path.name for path in places.home.root.iterdir() if path.name != "lock"] == []
    login_with_words(places, OTHER_WORDS)


def test_a_stale_session_is_not_taken_for_a_damaged_file(places: Places) -> None:
    keep_unlocked(login_with_words(places, WORDS), None)
    places.session.save(bytes(32))
    with pytest.raises(CannotUnlock, match="another set-up"):
        unlock(places, sources(), Given())


def test_a_home_without_its_seed_asks_for_the_words(places: Places) -> None:
    keep_unlocked(login_with_words(places, WORDS), None)
    places.home.identity.unlink()
    with pytest.raises(NoSecret):
        unlock(places, sources(), Given())


def test_an_identity_that_is_none_is_damaged(places: Places) -> None:
    unlocked = login_with_words(places, WORDS)
    keep_unlocked(unlocked, None)
    for content in (b"{}", b"[]", b"not json", b'{"seed": 1}'):
        seal_file(places.home.identity, unlocked.device_key, Purpose.IDENTITY, content, os.urandom)
        with pytest.raises(DamagedFile):
            unlock(places, sources(), Given())


def test_no_key_in_a_representation(places: Places) -> None:
    unlocked = login_with_words(places, WORDS)
    assert repr(unlocked) == "Unlocked()"
    assert isinstance(unlocked, Unlocked)
    assert "command" not in repr(Given(password_command="secret command"))

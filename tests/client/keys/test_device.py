"""The device key and its places."""

import os

import pytest

from cybous3.client.keys.device import KEY_BYTES, Places, system_places
from cybous3.client.keys.errors import CannotUnlock, DamagedFile, LocalProblem
from cybous3.client.keys.home import Home
from cybous3.client.keys.kernel import KernelSession
from cybous3.client.keys.sealed import Purpose, seal_file, seal_file_with_passphrase
from cybous3.crypto.kdf import FOR_TESTS_ONLY
from cybous3.crypto.primitives import hkdf_expand
from tests.client.keys.test_oskeyring import Fake

SEED = bytes(range(64))


def test_the_words_always_open_it(places: Places) -> None:
    assert not places.exists()
    with pytest.raises(CannotUnlock, match="not set up"):
        places.open_with_words(SEED)
    key = places.create(SEED)
    assert len(key) == KEY_BYTES
    assert places.exists()
    assert places.open_with_words(SEED) == key


def test_other_words_do_not(places: Places) -> None:
    places.create(SEED)
    with pytest.raises(CannotUnlock, match="other recovery words") as caught:
        places.open_with_words(bytes(64))
    assert caught.value.exit_code == 10


def test_a_home_that_has_a_key_is_never_given_another(places: Places) -> None:
    key = places.create(SEED)
    with pytest.raises(LocalProblem):
        places.create(bytes(64))
    assert places.open_with_words(SEED) == key


def test_a_passphrase_opens_it_and_can_be_changed(places: Places) -> None:
    key = places.create(SEED)
    with pytest.raises(CannotUnlock, match="no passphrase"):
        places.open_with_passphrase("x")
    places.seal_with_passphrase(key, "first", FOR_TESTS_ONLY)
    assert places.open_with_passphrase("first") == key
    places.seal_with_passphrase(key, "second", FOR_TESTS_ONLY)
    assert places.open_with_passphrase("second") == key
    with pytest.raises(CannotUnlock):
        places.open_with_passphrase("first")


def test_the_kernels_keyring_is_asked_before_the_systems(home: Home, places: Places) -> None:
    backend = Fake()
    with_keyring = Places(home, places.session, os.urandom, backend)
    assert with_keyring.open_silently() is None
    key = with_keyring.create(SEED)
    keyring = with_keyring.keyring()
    assert keyring is not None
    keyring.save(key)
    assert with_keyring.open_silently() == key
    with_keyring.session.save(bytes(32))
    assert with_keyring.open_silently() == bytes(32)
    with_keyring.forget_session()
    assert with_keyring.open_silently() is None
    assert backend.kept == {}


def test_a_keyring_is_not_bothered_where_a_passphrase_is_the_way(home: Home, places: Places) -> None:
    backend = Fake()
    with_keyring = Places(home, places.session, os.urandom, backend)
    key = with_keyring.create(SEED)
    with_keyring.seal_with_passphrase(key, "x", FOR_TESTS_ONLY)
    backend.fails = True
    assert with_keyring.open_silently() is None
    with_keyring.forget_session()


def test_a_session_that_holds_no_key_is_none(places: Places) -> None:
    places.create(SEED)
    places.session.save(b"short")
    assert places.open_silently() is None


def test_everything_can_be_forgotten(places: Places) -> None:
    key = places.create(SEED)
    places.seal_with_passphrase(key, "x", FOR_TESTS_ONLY)
    places.session.save(key)
    places.forget_everything()
    assert not places.exists()
    assert not places.has_passphrase()
    assert places.open_silently() is None


def test_a_file_that_holds_something_else_is_damaged(places: Places) -> None:
    places.home.ensure()
    key = hkdf_expand(SEED, b"cybs3/local/1/device", 32)
    seal_file(places.home.device_by_words, key, Purpose.DEVICE, b"short", os.urandom)
    with pytest.raises(DamagedFile):
        places.open_with_words(SEED)
    path = places.home.device_by_passphrase
    seal_file_with_passphrase(path, "x", Purpose.DEVICE, b"short", os.urandom, FOR_TESTS_ONLY)
    with pytest.raises(DamagedFile):
        places.open_with_passphrase("x")


def test_the_environment_may_switch_keyrings_off(home: Home) -> None:
    off = system_places(home, {"CYBS3_KEYRING": "OFF"})
    assert off.keyring() is None
    assert off.session == KernelSession(home.label, None)
    assert system_places(home, {}).keyring_allowed


def test_no_key_in_a_representation(places: Places) -> None:
    key = places.create(SEED)
    assert key.hex() not in repr(places)

"""Profiles in the sealed configuration."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cybous3.client.keys.config import SealedConfig
from cybous3.client.keys.device import Places
from cybous3.client.keys.errors import DamagedFile
from cybous3.client.keys.home import Home
from cybous3.client.keys.kernel import KernelSession
from cybous3.client.keys.login import login_with_words
from cybous3.client.vault.errors import BadProfile, NoSuchVault, VaultExists
from cybous3.client.vault.profiles import Profile, Profiles, public_view
from cybous3.crypto.mnemonic import create_mnemonic

ONE = Profile("one", "https://h", "bucket", "a/b", access_key="AK", secret_key="hidden-secret", session_token="hidden")
TWO = Profile("two", "http://h:1", "bucket")


@pytest.fixture
def config(tmp_path: Path) -> SealedConfig:
    home = Home(tmp_path / "home")
    places = Places(home, KernelSession(home.label, None), os.urandom, keyring_allowed=False)
    return SealedConfig(login_with_words(places, create_mnemonic(os.urandom)))


@pytest.fixture
def profiles(config: SealedConfig) -> Profiles:
    return Profiles(config)


def test_profiles_are_kept_whole_and_by_name(profiles: Profiles) -> None:
    assert profiles.all() == []
    profiles.add(TWO)
    profiles.add(ONE)
    assert profiles.all() == [ONE, TWO]
    assert profiles.find("one") == ONE


def test_the_last_added_is_selected_unless_it_says_no(profiles: Profiles) -> None:
    profiles.add(ONE, select=False)
    assert profiles.selected() == "one"
    profiles.add(TWO, select=False)
    assert profiles.find(None) == ONE
    profiles.select("two")
    assert profiles.find(None) == TWO


def test_a_name_is_taken_once(profiles: Profiles) -> None:
    profiles.ensure_free("one")
    profiles.add(ONE)
    with pytest.raises(VaultExists) as caught:
        profiles.add(replace(ONE, bucket="other"))
    assert caught.value.exit_code == 22
    with pytest.raises(VaultExists):
        profiles.ensure_free("one")
    profiles.add(replace(ONE, bucket="other"), replacing=True)
    assert profiles.find("one").bucket == "other"


def test_what_is_not_there_is_said_with_what_is(profiles: Profiles) -> None:
    with pytest.raises(NoSuchVault, match="no vault is selected"):
        profiles.find(None)
    profiles.add(ONE)
    for call in (
        profiles.find,
        profiles.select,
        profiles.delete,
        lambda name: profiles.update(replace(TWO, name=name)),
    ):
        with pytest.raises(NoSuchVault) as caught:
            call("three")
        assert caught.value.exit_code == 3
        assert "one" in (caught.value.hint or "")


def test_deleting_the_selected_selects_nothing(profiles: Profiles) -> None:
    profiles.add(TWO)
    profiles.add(ONE)
    profiles.delete("two")
    assert profiles.selected() == "one"
    profiles.delete("one")
    assert profiles.selected() is None
    assert profiles.all() == []


def test_the_vault_found_first_is_pinned(profiles: Profiles) -> None:
    profiles.add(ONE)
    pinned = profiles.pin(ONE, b"\x01" * 16)
    assert pinned.vault_id == "01" * 16
    assert profiles.find("one") == pinned
    assert profiles.pin(pinned, b"\x01" * 16) is pinned


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "-x"},
        {"name": "a b"},
        {"name": "é"},
        {"name": "x" * 65},
        {"name": "../x"},
        {"prefix": "/a"},
        {"prefix": "a/"},
        {"prefix": "a/../b"},
        {"prefix": ".cybs3"},
        {"secret_key": None},
        {"access_key": None},
    ],
)
def test_profiles_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadProfile) as caught:
        replace(ONE, **wrong)
    assert caught.value.exit_code == 2


def test_secrets_show_nowhere() -> None:
    assert "hidden" not in repr(ONE)
    assert "hidden" not in repr(public_view(ONE))
    assert public_view(ONE)["access_key"] == "AK"
    assert (ONE.place, TWO.place) == ("https://h/bucket/a/b", "http://h:1/bucket")


@pytest.mark.parametrize("vaults", [[], {"one": []}, {"one": {"name": "one", "unknown": 1}}, {"one": {"bucket": "b"}}])
def test_a_configuration_that_holds_something_else_is_damaged(config: SealedConfig, vaults: object) -> None:
    config.change(lambda document: document.update({"vaults": vaults, "selected": 5}))
    profiles = Profiles(config)
    with pytest.raises(DamagedFile):
        profiles.all()
    assert profiles.selected() is None

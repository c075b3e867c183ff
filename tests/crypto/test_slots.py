"""Slots bind the master key to vault, slot and parameters."""

from dataclasses import replace

import pytest

from cybous3.crypto.canonical import Json
from cybous3.crypto.errors import Malformed, UnsafeParameters
from cybous3.crypto.kdf import DEFAULT, FOR_TESTS_ONLY, Argon2Profile
from cybous3.crypto.slots import MnemonicSecret, PassphraseSecret, Slot, parse_argon2
from tests.support.vectors import Tape

WORDS = MnemonicSecret("abandon " * 23 + "art")
VMK, VAULT = bytes(range(32)), bytes(range(16))
SLOT = Slot.seal(WORDS, VMK, VAULT, created=1, label="words", entropy=Tape())


def test_a_slot_opens_with_its_secret_in_its_vault() -> None:
    """[K-3]."""
    assert Slot.parse(SLOT.encode()) == SLOT
    assert SLOT.open(WORDS, VAULT) == VMK
    assert SLOT.open(replace(WORDS, passphrase="25th"), VAULT) is None
    assert SLOT.open(WORDS, bytes(16)) is None
    assert replace(SLOT, id=bytes(16)).open(WORDS, VAULT) is None
    assert replace(SLOT, wrap=bytes(48)).open(WORDS, VAULT) is None
    assert replace(SLOT, kind="passphrase").open(WORDS, VAULT) is None


def test_a_passphrase_slot_opens_by_its_own_parameters() -> None:
    """The profile of the secret is for new slots only; the slot says what it costs."""
    slot = Slot.seal(PassphraseSecret("x", FOR_TESTS_ONLY), VMK, VAULT, created=1, label="", entropy=Tape())
    assert parse_argon2(slot.kdf)[0] == FOR_TESTS_ONLY
    assert slot.open(PassphraseSecret("x", DEFAULT), VAULT) == VMK
    assert slot.open(PassphraseSecret("y"), VAULT) is None


def test_a_weak_profile_makes_no_slot() -> None:
    """[K-2]."""
    with pytest.raises(UnsafeParameters):
        PassphraseSecret("x", Argon2Profile(8, 1, 1)).new_kdf(Tape())


def test_unknown_parameters_of_a_mnemonic_slot_are_refused() -> None:
    with pytest.raises(Malformed):
        replace(SLOT, kdf={"name": "other"}).open(WORDS, VAULT)


@pytest.mark.parametrize(
    "change",
    [{"id": "AA"}, {"wrap": "AA"}, {"kind": 1}, {"label": None}, {"created": -1}, {"kdf": []}, {"mac": "x"}],
    ids=str,
)
def test_a_slot_of_another_shape_is_refused(change: dict[str, Json]) -> None:
    """[K-7]."""
    with pytest.raises(Malformed):
        Slot.parse({**SLOT.encode(), **change})


def test_a_slot_of_an_unknown_kind_is_kept() -> None:
    """[K-4]."""
    value = {**SLOT.encode(), "kind": "keyring", "kdf": {"anything": [1]}}
    assert Slot.parse(value).encode() == value


def test_no_secret_shows_in_a_repr() -> None:
    assert "abandon" not in repr(WORDS)
    assert "hush" not in repr(PassphraseSecret("hush"))

"""Argon2id within its bounds, and nothing done outside them."""

import argon2.low_level
import pytest
from cryptography.hazmat.primitives.kdf import argon2 as library

from cybous3.crypto.errors import CannotUnlock, UnsafeParameters
from cybous3.crypto.kdf import DEFAULT, FOR_TESTS_ONLY, Argon2Profile, argon2id
from cybous3.crypto.mnemonic import mnemonic_seed


def test_another_library_derives_the_same() -> None:
    """The reference implementation, through argon2-cffi."""
    expected = argon2.low_level.hash_secret_raw(
        b"passphrase", bytes(range(16)), 3, 64 * 1024, 4, 64, argon2.low_level.Type.ID, version=0x13
    )
    assert argon2id("passphrase", bytes(range(16)), FOR_TESTS_ONLY) == expected


@pytest.mark.parametrize(
    "profile",
    [
        Argon2Profile(64 * 1024 - 1, 3, 4),
        Argon2Profile(2 * 1024 * 1024 + 1, 3, 4),
        Argon2Profile(64 * 1024, 2, 4),
        Argon2Profile(64 * 1024, 17, 4),
        Argon2Profile(64 * 1024, 3, 0),
        Argon2Profile(64 * 1024, 3, 17),
        Argon2Profile(8, 1, 1),
        Argon2Profile(2**32 - 1, 2**32 - 1, 2**24),
    ],
)
def test_parameters_out_of_bounds_are_refused_before_any_work(
    profile: Argon2Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[K-2] The derivation is not even set up."""

    def never(**_: object) -> None:
        raise AssertionError("the derivation began")

    monkeypatch.setattr(library, "Argon2id", never)
    with pytest.raises(UnsafeParameters):
        argon2id("x", bytes(16), profile)


@pytest.mark.parametrize("size", [0, 8, 15, 17])
def test_a_salt_has_sixteen_bytes(size: int) -> None:
    with pytest.raises(UnsafeParameters):
        argon2id("x", bytes(size), FOR_TESTS_ONLY)


def test_a_passphrase_is_text() -> None:
    """A byte that is no UTF-8 reaches us as a lone surrogate: one sentence, no traceback."""
    with pytest.raises(CannotUnlock, match="not Unicode"):
        argon2id("\udcff", bytes(16), FOR_TESTS_ONLY)
    with pytest.raises(CannotUnlock, match="not Unicode"):
        mnemonic_seed("abandon " * 11 + "about", "\udcff")


def test_the_profiles_are_within_the_bounds() -> None:
    assert DEFAULT.check() is DEFAULT
    assert FOR_TESTS_ONLY.check() is FOR_TESTS_ONLY
    assert (DEFAULT.memory_kib, DEFAULT.passes, DEFAULT.lanes) == (256 * 1024, 3, 4)

"""Sealed files: wrong key, damage, foreignness and novelty are four different answers, and none touches the file."""

import hashlib
import os
from pathlib import Path

import pytest

from cybous3.client.keys.errors import CannotUnlock, DamagedFile, ForeignFile
from cybous3.client.keys.sealed import (
    Purpose,
    open_file,
    open_file_with_passphrase,
    seal_file,
    seal_file_with_passphrase,
)
from cybous3.crypto.errors import UnsafeParameters
from cybous3.crypto.kdf import FOR_TESTS_ONLY

KEY = bytes(range(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "f"


def resummed(box: bytes) -> bytes:
    return box + hashlib.sha256(box).digest()


def test_what_was_sealed_opens_with_its_key_for_its_purpose_only(path: Path) -> None:
    seal_file(path, KEY, Purpose.CONFIG, b"content", os.urandom)
    assert open_file(path, KEY, Purpose.CONFIG) == b"content"
    assert b"content" not in path.read_bytes()
    for key, purpose in ((bytes(32), Purpose.CONFIG), (KEY, Purpose.IDENTITY)):
        with pytest.raises(CannotUnlock) as caught:
            open_file(path, key, purpose)
        assert caught.value.exit_code == 10


def test_absence_is_not_an_error(path: Path) -> None:
    assert open_file(path, KEY, Purpose.CONFIG) is None
    assert open_file_with_passphrase(path, "x", Purpose.DEVICE) is None


def test_damage_anywhere_is_found_before_any_key_is_used(path: Path) -> None:
    seal_file(path, KEY, Purpose.CONFIG, b"content", os.urandom)
    good = path.read_bytes()
    for place in range(8, len(good)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(DamagedFile):
            open_file(path, KEY, Purpose.CONFIG)
    for length in range(8, len(good)):
        path.write_bytes(good[:length])
        with pytest.raises(DamagedFile):
            open_file(path, KEY, Purpose.CONFIG)
    assert path.read_bytes() == good[:-1]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 something else", resummed(b"CYBS3BX\x02" + bytes(60))])
def test_what_is_not_ours_or_too_new_is_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ForeignFile) as caught:
        open_file(path, KEY, Purpose.CONFIG)
    assert caught.value.exit_code == 13
    assert path.read_bytes() == content


def test_passphrases(path: Path) -> None:
    seal_file_with_passphrase(path, "pässphrase", Purpose.DEVICE, KEY, os.urandom, FOR_TESTS_ONLY)
    assert open_file_with_passphrase(path, "pa\u0308ssphrase", Purpose.DEVICE) == KEY
    with pytest.raises(CannotUnlock, match="wrong passphrase"):
        open_file_with_passphrase(path, "other", Purpose.DEVICE)
    with pytest.raises(ForeignFile):
        open_file(path, KEY, Purpose.DEVICE)


def test_the_other_kind_of_box_is_foreign(path: Path) -> None:
    seal_file(path, KEY, Purpose.DEVICE, b"x", os.urandom)
    with pytest.raises(ForeignFile):
        open_file_with_passphrase(path, "x", Purpose.DEVICE)


def test_parameters_out_of_bounds_cost_nothing(path: Path) -> None:
    """Whoever can write the file must not be able to fill this machine's memory."""
    path.write_bytes(resummed(b"CYBS3PW\x01" + (2**32 - 1).to_bytes(4, "big") + bytes(100)))
    with pytest.raises((UnsafeParameters, ForeignFile)):
        open_file_with_passphrase(path, "x", Purpose.DEVICE)

"""Boxes on this machine open with their key, for their purpose, unaltered, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.crypto.box import open_box, open_with_passphrase, seal_box, seal_with_passphrase
from cybous3.crypto.errors import CannotUnlock, CryptoError, Damaged, Malformed, Misuse, UnsafeParameters
from cybous3.crypto.kdf import FOR_TESTS_ONLY
from tests.support.vectors import Tape

KEY = bytes(range(32))
BOX = seal_box(KEY, "settings", b"content", Tape())
PASSPHRASE_BOX = seal_with_passphrase("hush", "session", b"content", Tape(), FOR_TESTS_ONLY)


@given(content=st.binary(min_size=1, max_size=50), purpose=st.text(min_size=1, max_size=5))
def test_a_box_opens_for_its_purpose(content: bytes, purpose: str) -> None:
    """[K-13]."""
    box = seal_box(KEY, purpose, content, Tape(purpose))
    assert len(box) == len(content) + 40
    assert open_box(KEY, purpose, box) == content
    with pytest.raises(Damaged):
        open_box(KEY, purpose + "x", box)
    with pytest.raises(Damaged):
        open_box(bytes(32), purpose, box)


@given(at=st.integers(0, len(BOX) - 1), bit=st.integers(0, 7))
def test_no_changed_bit_of_a_box_goes_unnoticed(at: int, bit: int) -> None:
    bad = bytearray(BOX)
    bad[at] ^= 1 << bit
    with pytest.raises(CryptoError):
        open_box(KEY, "settings", bytes(bad))


@pytest.mark.parametrize("size", range(len(BOX)))
def test_no_cut_of_a_box_goes_unnoticed(size: int) -> None:
    with pytest.raises((Malformed, Damaged)):
        open_box(KEY, "settings", BOX[:size])


def test_a_passphrase_opens_its_box() -> None:
    """[K-13]."""
    assert open_with_passphrase("hush", "session", PASSPHRASE_BOX) == b"content"
    for passphrase, purpose in (("hash", "session"), ("hush", "settings")):
        with pytest.raises(CannotUnlock):
            open_with_passphrase(passphrase, purpose, PASSPHRASE_BOX)
    altered = PASSPHRASE_BOX[:-1] + bytes([PASSPHRASE_BOX[-1] ^ 1])
    with pytest.raises(CannotUnlock):
        open_with_passphrase("hush", "session", altered)


@pytest.mark.parametrize("at", [8, 12, 16, 19])
def test_parameters_of_a_box_have_bounds(at: int) -> None:
    """[K-2] An altered file cannot make this machine work for hours, or a guess cheap."""
    bad = bytearray(PASSPHRASE_BOX)
    bad[at] ^= 0xFF
    with pytest.raises(UnsafeParameters):
        open_with_passphrase("hush", "session", bytes(bad))


@pytest.mark.parametrize("box", [b"", b"CYBS3PW\x01", PASSPHRASE_BOX[:35], BOX])
def test_what_is_no_such_box_is_malformed(box: bytes) -> None:
    with pytest.raises(Malformed):
        open_with_passphrase("hush", "session", box)


def test_a_box_key_has_thirty_two_bytes() -> None:
    with pytest.raises(Misuse):
        seal_box(bytes(16), "x", b"y", Tape())
    with pytest.raises(Malformed):
        open_box(KEY, "x", PASSPHRASE_BOX)

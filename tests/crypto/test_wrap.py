"""The wrapped key: bound to path, header, epoch and vault; one error for everything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.crypto.errors import CannotOpen, InvalidName, Malformed, Misuse, UnsupportedFormat
from cybous3.crypto.keyset import Keyset
from cybous3.crypto.wrap import WrapEntry, rewrap, unwrap_dek, wrap_dek
from tests.support.vectors import Tape

KEYS = Keyset.create(Tape("keys"), 0)
IMMUTABLE, DEK = bytes(range(44)), bytes(range(32))
ENTRY = wrap_dek(KEYS, IMMUTABLE, "a/b", DEK)
PATHS = st.sampled_from(["a", "a/b", "ü", "x/y/z", ".hidden"])


@given(path=PATHS, dek=st.binary(min_size=32, max_size=32), immutable=st.binary(min_size=44, max_size=44))
def test_a_key_comes_back_under_its_own_name_only(path: str, dek: bytes, immutable: bytes) -> None:
    """[F-27] And the text parses to itself."""
    entry = wrap_dek(KEYS, immutable, path, dek)
    assert str(WrapEntry.parse(entry)) == entry
    assert unwrap_dek(KEYS, entry, immutable, path) == dek
    with pytest.raises(CannotOpen):
        unwrap_dek(KEYS, entry, immutable, path + "x")


def test_a_name_in_either_normal_form_is_the_same_name() -> None:
    assert unwrap_dek(KEYS, wrap_dek(KEYS, IMMUTABLE, "u\u0308", DEK), IMMUTABLE, "ü") == DEK


def failures() -> list[CannotOpen]:
    """Fail in every way a key can fail."""
    attempts = [
        (Keyset.create(Tape("other"), 0), ENTRY, IMMUTABLE, "a/b"),
        (KEYS, ENTRY, IMMUTABLE, "a/c"),
        (KEYS, ENTRY, bytes(44), "a/b"),
        (KEYS, ENTRY, IMMUTABLE[:43], "a/b"),
        (KEYS, "1.2" + ENTRY[3:], IMMUTABLE, "a/b"),
        (KEYS, ENTRY[:4] + ("A" if ENTRY[4] != "A" else "B") + ENTRY[5:], IMMUTABLE, "a/b"),
        (KEYS.rotate(Tape("r"), 1).retire(1), ENTRY, IMMUTABLE, "a/b"),
    ]
    errors = []
    for attempt in attempts:
        with pytest.raises(CannotOpen) as caught:
            unwrap_dek(*attempt)
        errors.append(caught.value)
    return errors


def test_all_failures_look_the_same() -> None:
    """[F-27] Type, message and hint tell a server nothing."""
    assert len({(type(error), str(error), error.hint) for error in failures()}) == 1


def test_new_objects_are_wrapped_under_the_primary_epoch() -> None:
    """[F-28] Old ones open as long as their epoch has a key."""
    rotated = KEYS.rotate(Tape("r"), 1)
    assert WrapEntry.parse(wrap_dek(rotated, IMMUTABLE, "a", DEK)).epoch == 2
    assert unwrap_dek(rotated, ENTRY, IMMUTABLE, "a/b") == DEK
    moved = rewrap(rotated, ENTRY, IMMUTABLE, "a/b", "c")
    assert unwrap_dek(rotated, moved, IMMUTABLE, "c") == DEK
    with pytest.raises(CannotOpen):
        unwrap_dek(KEYS, moved, IMMUTABLE, "c")
    with pytest.raises(CannotOpen):
        rewrap(rotated, ENTRY, IMMUTABLE, "c", "a/b")


@pytest.mark.parametrize("entry", ["", "x", "1.", "1.1.", ENTRY + "\n", " " + ENTRY, "1.1.é" + ENTRY[5:], "2", "a.1.x"])
def test_other_spellings_are_malformed(entry: str) -> None:
    """[F-26]."""
    with pytest.raises(Malformed):
        WrapEntry.parse(entry)


@pytest.mark.parametrize("entry", ["2.1.x", "0.x", "99." + ENTRY[2:]])
def test_other_versions_are_unsupported(entry: str) -> None:
    """[F-26]."""
    with pytest.raises(UnsupportedFormat):
        WrapEntry.parse(entry)


def test_misuse_is_found() -> None:
    for immutable, dek in ((IMMUTABLE, DEK[:31]), (IMMUTABLE[:43], DEK)):
        with pytest.raises(Misuse):
            wrap_dek(KEYS, immutable, "a", dek)
    with pytest.raises(InvalidName):
        wrap_dek(KEYS, IMMUTABLE, "a//b", DEK)

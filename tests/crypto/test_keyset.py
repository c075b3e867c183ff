"""Epochs count up, exactly one is primary, and the long-lived keys never change."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.crypto.canonical import Json, decode_json, encode_json
from cybous3.crypto.errors import Malformed, Misuse
from cybous3.crypto.keyset import Epoch, EpochState, Keyset
from tests.support.vectors import Tape

FIRST = Keyset.create(Tape(), 100)


@given(st.lists(st.booleans(), max_size=6))
def test_rotations_keep_the_rules(steps: list[bool]) -> None:
    """[K-10] [K-11] Rotate (True) or retire the oldest that can be (False): always a keyset a reader accepts."""
    keys, tape = FIRST, Tape("steps")
    for number, rotate in enumerate(steps):
        old = [epoch.number for epoch in keys.epochs if epoch.state is EpochState.DECRYPT_ONLY]
        keys = keys.rotate(tape, 101 + number) if rotate or not old else keys.retire(old[0])
    assert Keyset.decode(keys.encode()) == keys
    assert (keys.names_key, keys.state_key) == (FIRST.names_key, FIRST.state_key)
    assert keys.primary[0] == keys.epochs[-1].number
    assert len({epoch.kek for epoch in keys.epochs if epoch.kek}) == sum(epoch.kek is not None for epoch in keys.epochs)


def test_a_retired_epoch_has_no_key_any_more() -> None:
    """[K-10]."""
    keys = FIRST.rotate(Tape("r"), 1).retire(1)
    assert keys.kek(1) is None
    assert keys.kek(2) == keys.primary[1]
    assert keys.kek(3) is None
    for number in (2, 3):
        with pytest.raises(Misuse):
            keys.retire(number)


PRIMARY = Epoch(1, 0, EpochState.PRIMARY, bytes(64))


@pytest.mark.parametrize(
    "epochs",
    [
        (),
        (replace(PRIMARY, number=0),),
        (replace(PRIMARY, number=2**32),),
        (PRIMARY, replace(PRIMARY, number=2)),
        (replace(PRIMARY, state=EpochState.DECRYPT_ONLY),),
        (PRIMARY, replace(PRIMARY, number=2, state=EpochState.DECRYPT_ONLY)),
        (replace(PRIMARY, number=2, state=EpochState.DECRYPT_ONLY), PRIMARY),
        (replace(PRIMARY, state=EpochState.DECRYPT_ONLY), PRIMARY),
        (replace(PRIMARY, state=EpochState.RETIRED), replace(PRIMARY, number=2)),
        (replace(PRIMARY, kek=None),),
    ],
)
def test_a_keyset_that_breaks_the_rules_is_refused(epochs: tuple[Epoch, ...]) -> None:
    """[K-10]."""
    with pytest.raises(Malformed):
        Keyset(epochs, bytes(32), bytes(32))


@pytest.mark.parametrize(
    "change", [{"state": "other"}, {"kek": "AA"}, {"epoch": "1"}, {"created": -1}, {"state": None}], ids=str
)
def test_a_mistyped_epoch_is_refused(change: dict[str, Json]) -> None:
    value = decode_json(FIRST.encode(), "it")
    epochs = value["epochs"]
    assert isinstance(epochs, list)
    with pytest.raises(Malformed):
        Keyset.decode(encode_json({**value, "epochs": [{**epochs[0], **change}]}))


def test_no_key_shows_in_a_repr() -> None:
    shown = repr(FIRST) + repr(FIRST.epochs[0])
    assert "b'" not in shown
    assert "names_key" not in shown


def test_the_primary_epoch_has_a_key_by_construction() -> None:
    broken = object.__new__(Keyset)
    object.__setattr__(broken, "epochs", (replace(PRIMARY, kek=None),))
    with pytest.raises(Misuse):
        _ = broken.primary

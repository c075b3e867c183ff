"""Drawn names: each kind keeps its alphabet and length, whatever was drawn, and spends its entropy."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.core import ids
from cybous3.core.clock import Entropy

KINDS = [
    (ids.request_id, r"[A-Z2-7]{16}"),
    (ids.host_id, r"[A-Za-z0-9+/]{64}"),
    (ids.canonical_user_id, r"[0-9a-f]{64}"),
    (ids.access_key_id, r"CYBS[A-Z2-7]{16}"),
    (ids.secret_key, r"[0-9A-Za-z]{40}"),
    (ids.upload_id, r"[0-9a-f]{32}"),
    (ids.blob_id, r"[0-9a-f]{32}"),
]


def _giving(drawn: bytes) -> Entropy:
    return lambda _: drawn


@pytest.mark.parametrize(("draw", "form"), KINDS)
@given(seed=st.binary(min_size=64, max_size=64))
def test_every_kind_keeps_its_form(draw: Callable[[Entropy], str], form: str, seed: bytes) -> None:
    assert re.fullmatch(form, draw(lambda n: seed[:n]))


@pytest.mark.parametrize(("draw", "form"), KINDS)
def test_every_drawn_byte_counts(draw: Callable[[Entropy], str], form: str) -> None:
    del form
    asked: list[int] = []

    def zeros(n: int) -> bytes:
        asked.append(n)
        return bytes(n)

    plain = draw(zeros)
    (length,) = asked
    for position in range(length):
        flipped = bytes(0x80 if at == position else 0 for at in range(length))
        assert draw(_giving(flipped)) != plain, position


@pytest.mark.parametrize("text", ["", "0" * 31, "0" * 33, "0" * 31 + "G", "A" * 32, "../" + "0" * 29, "0" * 32 + "\n"])
def test_only_the_exact_form_is_an_id(text: str) -> None:
    """B3: an upload id is a form first, so no path can hide in one."""
    assert not ids.is_hex_id(text)
    assert ids.is_hex_id("0123456789abcdef" * 2)

"""Continuation tokens come back as what they were made of, or not at all."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.server.handlers.tokens import make_token, read_token
from cybous3.server.wire.errors import S3Error

KEYS = st.text(st.characters(exclude_categories=["Cs"]))


@given(KEYS)
def test_a_token_says_where_to_go_on(key: str) -> None:
    assert read_token(make_token(key)) == key


@given(KEYS, st.integers(0), st.integers(1, 255))
def test_a_mangled_token_is_refused(key: str, at: int, flip: int) -> None:
    raw = bytearray(base64.urlsafe_b64decode(make_token(key)))
    raw[at % len(raw)] ^= flip
    with pytest.raises(S3Error) as error:
        read_token(base64.urlsafe_b64encode(raw).decode())
    assert error.value.code == "InvalidArgument"


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(S3Error):
        read_token(text)

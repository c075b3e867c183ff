"""One spelling written, strict reading: what is encoded is decoded to the same, and what is malformed is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.core.uri import (
    UriError,
    canonical_parts,
    canonical_path,
    encode_query,
    parse_query,
    uri_decode,
    uri_decode_bytes,
    uri_encode,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXTS)
def test_text_round_trips(text: str) -> None:
    assert uri_decode(uri_encode(text)) == text
    assert uri_decode(uri_encode(text, safe_slash=True)) == text


@given(st.binary())
def test_bytes_round_trip_and_the_spelling_is_canonical(data: bytes) -> None:
    written = uri_encode(data, safe_slash=True)
    assert uri_decode_bytes(written) == data
    assert canonical_path(written) == written


@given(st.binary())
def test_every_spelling_of_a_path_has_one_canonical_spelling(data: bytes) -> None:
    escaped = "".join(f"%{byte:02x}" for byte in data)
    assert canonical_path(escaped) == uri_encode(data, safe_slash=True)
    assert canonical_path(data.replace(b"%", b"%25").decode("latin-1")) == uri_encode(data, safe_slash=True)


def test_the_encoding_is_aws_s() -> None:
    assert uri_encode("a b+c/d~é*(") == "a%20b%2Bc%2Fd~%C3%A9%2A%28"
    assert uri_encode("a/b", safe_slash=True) == "a/b"
    assert canonical_path("/b/../%2e./a//b+c") == "/b/../../a//b%2Bc"


@pytest.mark.parametrize("text", ["%", "%2", "%zz", "a%2", "%%41", "100%"])
def test_a_stray_per_cent_sign_is_refused(text: str) -> None:
    with pytest.raises(UriError, match="per cent"):
        uri_decode(text)
    with pytest.raises(UriError):
        canonical_path(text)


@pytest.mark.parametrize("text", ["%ff", "%c3", "\xff", "%ed%a0%80"])
def test_what_is_not_utf8_is_refused(text: str) -> None:
    with pytest.raises(UriError, match="UTF-8"):
        uri_decode(text)


def test_what_no_wire_byte_stands_for_is_refused() -> None:
    with pytest.raises(UriError, match="wire"):
        uri_decode("€")
    with pytest.raises(UriError, match="UTF-8"):
        uri_encode("\ud800")


def test_a_query_keeps_order_repetition_and_the_missing_value() -> None:
    assert parse_query("b=2&a&a=&b=1&&c=x=y&d+e=f%2Bg") == (
        ("b", "2"),
        ("a", None),
        ("a", ""),
        ("b", "1"),
        ("c", "x=y"),
        ("d e", "f+g"),
    )
    assert parse_query("") == ()


@given(st.lists(st.tuples(TEXTS.filter(bool), st.none() | TEXTS)).map(tuple))
def test_queries_round_trip(pairs: tuple[tuple[str, str | None], ...]) -> None:
    assert parse_query(encode_query(pairs)) == pairs


def test_a_canonical_query_is_sorted_by_key_then_value() -> None:
    assert canonical_parts("b=2&a-=1&a&b=10&a=%7e&c=%2f+d") == [
        ("a", ""),
        ("a", "~"),
        ("a-", "1"),
        ("b", "10"),
        ("b", "2"),
        ("c", "%2F%20d"),
    ]

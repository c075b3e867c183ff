import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.core.http_values import (
    ContentRange,
    format_range,
    format_suffix_range,
    parse_content_range,
    quote_etag,
    unquote_etag,
    without_aws_chunked,
)


def test_ranges_are_written_inclusive() -> None:
    assert format_range(0, 1) == "bytes=0-0"
    assert format_range(10, 90) == "bytes=10-99"
    assert format_range(7) == "bytes=7-"
    assert format_suffix_range(5) == "bytes=-5"


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, 0), (0, -1)])
def test_a_range_of_nothing_is_the_caller_s_mistake(offset: int, length: int) -> None:
    with pytest.raises(ValueError, match="no range"):
        format_range(offset, length)
    with pytest.raises(ValueError, match="no range"):
        format_suffix_range(min(offset, length, 0))


@given(st.integers(0, 2**50), st.integers(0, 2**20), st.none() | st.integers(1, 2**20))
def test_content_ranges_round_trip(first: int, more: int, beyond: int | None) -> None:
    size = None if beyond is None else first + more + beyond
    value = ContentRange(first, first + more, size)
    assert parse_content_range(str(value)) == value


@pytest.mark.parametrize(
    "text", ["", "bytes 5-4/10", "bytes 0-10/10", "bytes */10", "items 0-1/2", "bytes 0-1", "bytes 0-٣/9"]
)
def test_a_content_range_that_cannot_be_is_none(text: str) -> None:
    assert parse_content_range(text) is None


def test_entity_tags_lose_their_quotes_and_only_them() -> None:
    assert unquote_etag(quote_etag("d41d8-3")) == "d41d8-3"
    assert unquote_etag("bare") == "bare"
    assert unquote_etag('"') == '"'
    assert unquote_etag('""') == ""


@pytest.mark.parametrize(
    ("field", "kept"),
    [
        ("aws-chunked", None),
        ("aws-chunked,gzip", "gzip"),
        ("gzip, AWS-chunked", "gzip"),
        ("gzip,br", "gzip,br"),
        ("", None),
    ],
)
def test_the_wire_s_coding_is_not_the_object_s(field: str, kept: str | None) -> None:
    assert without_aws_chunked(field) == kept

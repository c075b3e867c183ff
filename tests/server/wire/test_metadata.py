import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.message import Headers
from cybous3.server.wire.metadata import (
    has_overrides,
    object_headers,
    overridden,
    system_metadata,
    text_from_wire,
    text_to_wire,
    user_metadata,
)

VALUES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=50)


def wire(text: str) -> str:
    """Return text as the edge hands it on: its UTF-8 bytes, as latin-1."""
    return text.encode().decode("latin-1")


@given(metadata=st.dictionaries(st.from_regex(r"[a-z][a-z0-9-]{0,9}", fullmatch=True), VALUES, max_size=5))
def test_user_metadata_comes_back_as_the_very_bytes_it_came_in(metadata: dict[str, str]) -> None:
    sent = [(f"x-amz-meta-{name}", wire(value)) for name, value in metadata.items()]
    stored = user_metadata(Headers([("content-type", "a"), *sent]))
    assert stored == metadata
    assert object_headers({"content-type": "a"}, stored) == [("content-type", "a"), *sent]


def test_rfc_2047_words_are_text_like_any_other() -> None:
    word = "=?UTF-8?B?w7w=?="
    assert user_metadata(Headers([("x-amz-meta-a", word)])) == {"a": word}


def test_bytes_that_are_not_utf8_are_refused_by_name() -> None:
    for value in ("\xff", "é", "\u0100"):
        with pytest.raises(S3Error) as caught:
            text_from_wire("x-amz-meta-a", value)
        assert caught.value.detail["ArgumentName"] == "x-amz-meta-a"


def test_a_name_sent_twice_keeps_both_values() -> None:
    assert user_metadata(Headers([("x-amz-meta-a", "1"), ("x-amz-meta-a", "2")])) == {"a": "1,2"}


def test_a_metadata_header_needs_a_name() -> None:
    with pytest.raises(S3Error, match="needs a name"):
        user_metadata(Headers([("x-amz-meta-", "1")]))


def test_two_kilobytes_of_names_and_values() -> None:
    assert len(user_metadata(Headers([("x-amz-meta-ab", "v" * 2046)]))["ab"]) == 2046
    for value in ("v" * 2047, wire("é" * 1024)):
        with pytest.raises(S3Error) as caught:
            user_metadata(Headers([("x-amz-meta-ab", value)]))
        assert (caught.value.code, caught.value.detail["MaxSizeAllowed"]) == ("MetadataTooLarge", "2048")


def test_system_headers_are_kept_and_empty_ones_are_not() -> None:
    headers = Headers(
        [
            ("content-type", "text/plain"),
            ("content-disposition", wire('attachment; filename="ü"')),
            ("cache-control", ""),
            ("expires", "never"),
            ("x-other", "x"),
        ]
    )
    assert system_metadata(headers) == {
        "content-type": "text/plain",
        "content-disposition": 'attachment; filename="ü"',
        "expires": "never",
    }


@pytest.mark.parametrize(("sent", "kept"), [("aws-chunked", None), ("aws-chunked,gzip", "gzip"), ("gzip", "gzip")])
def test_the_framing_of_the_request_is_no_encoding_of_the_object(sent: str, kept: str | None) -> None:
    assert system_metadata(Headers([("content-encoding", sent)])).get("content-encoding") == kept


def test_an_object_without_a_type_has_the_default_one() -> None:
    assert object_headers({}, {}) == [("content-type", "binary/octet-stream")]


def test_overrides_replace_and_add() -> None:
    headers = [("content-type", "a"), ("etag", "e")]
    query = {"response-content-type": "text/html", "response-expires": "x", "response-cache-control": "", "prefix": "p"}
    assert overridden(headers, query) == [("etag", "e"), ("content-type", "text/html"), ("expires", "x")]
    assert overridden(headers, {}) == headers
    assert has_overrides(query)
    assert not has_overrides({"prefix": "p"})


def test_an_override_is_text_in_utf8() -> None:
    (found,) = overridden([], {"response-content-disposition": 'inline; filename="ü"'})
    assert found == ("content-disposition", text_to_wire('inline; filename="ü"'))


@pytest.mark.parametrize("value", ["a\r\nset-cookie: x", "a\n", "a\0", "\x7f", "\x0b"])
def test_an_override_cannot_end_its_header(value: str) -> None:
    with pytest.raises(S3Error, match="control characters"):
        overridden([], {"response-content-type": value})

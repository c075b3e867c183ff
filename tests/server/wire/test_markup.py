from datetime import UTC, datetime
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from cybous3.server.wire.markup import (
    escape,
    escape_all,
    split_timestamps,
    text_element,
    timestamp,
    url_encode,
    url_encode_all,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
LEGAL = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n\r", exclude_characters="\ufffe\uffff")
)


@given(text=LEGAL)
def test_a_parser_reads_back_what_was_escaped(text: str) -> None:
    assert (ET.fromstring(f"<a>{escape(text)}</a>").text or "") == text  # noqa: S314 - our own document


def test_what_xml_cannot_hold_becomes_a_reference_as_aws_writes_it() -> None:
    assert escape("a\x01\x00\r\x1f\ufffe\n\t") == "a&#x1;&#x0;&#xd;&#x1f;&#xfffe;\n\t"
    assert escape("<&>\"'") == "&lt;&amp;&gt;&quot;'"
    assert escape("plain") == "plain"


@given(texts=st.lists(TEXTS, max_size=8))
def test_a_page_is_encoded_as_each_text_is(texts: list[str]) -> None:
    """Awkward on purpose: empty texts, separators and references inside keys, U+FFFE."""
    assert list(escape_all(texts or [""])) == [escape(text) for text in texts or [""]]
    assert list(url_encode_all(texts or [""])) == [url_encode(text) for text in texts or [""]]


def test_a_reference_is_not_escaped_again() -> None:
    assert list(escape_all(["<&>", '"\r', "plain"])) == ["&lt;&amp;&gt;", "&quot;&#xd;", "plain"]
    assert list(url_encode_all(["a%b c", "%25"])) == ["a%25b%20c", "%2525"]


def test_an_empty_page_stays_empty() -> None:
    assert list(escape_all([])) == list(url_encode_all([])) == []
    assert list(escape_all(["", "&amp;", "a\xff\ufffeb"])) == ["", "&amp;amp;", "a\xff&#xfffe;b"]


@given(text=TEXTS)
def test_url_encoding_is_undone_by_decoding_and_is_plain_in_xml(text: str) -> None:
    encoded = url_encode(text)
    assert unquote(encoded) == text
    assert encoded.isascii()
    assert escape(encoded) == encoded


def test_url_encoding_keeps_slashes_and_writes_a_space_as_percent_20() -> None:
    assert url_encode("a/b c+d%~ü") == "a/b%20c%2Bd%25~%C3%BC"


def test_an_error_element_is_always_well_formed() -> None:
    assert text_element("Key", "a\x01<\ud800") == "<Key>a\ufffd&lt;\ufffd</Key>"


@given(at_ms=st.integers(0, 4_102_444_800_000))
def test_an_instant_is_written_in_whole_seconds(at_ms: int) -> None:
    wanted = datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert timestamp(at_ms) == wanted
    hours, rest = split_timestamps([at_ms, at_ms])
    assert [hour + second for hour, second in zip(hours, rest, strict=True)] == [wanted, wanted]


def test_an_instant_as_the_documentation_shows_it() -> None:
    assert timestamp(1_255_369_830_999) == "2009-10-12T17:50:30.000Z"


def test_what_is_remembered_of_instants_is_bounded() -> None:
    hour_ms = 3_600_000
    hours, _ = split_timestamps([hour * hour_ms for hour in range(40_000)])
    assert hours[0] == "1970-01-01T00:"
    assert hours[39_999] == timestamp(39_999 * hour_ms)[:14]

"""Four spellings of a moment: what is written is read back, and what the standards show is what we write."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.core.clock import amz_date, http_date, iso8601, parse_amz_date, parse_http_date

SECONDS = st.integers(0, 253_402_300_799)  # to the end of year 9999


def test_the_example_of_the_http_standard() -> None:
    # RFC 9110 §5.6.7, all three forms of one moment
    moment = 784_111_777
    assert http_date(moment * 1000) == "Sun, 06 Nov 1994 08:49:37 GMT"
    for form in ("Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"):
        assert parse_http_date(form) == moment


@given(SECONDS, st.integers(0, 999))
def test_http_dates_round_trip_and_cut_the_milliseconds(seconds: int, millis: int) -> None:
    text = http_date(seconds * 1000 + millis)
    assert parse_http_date(text) == seconds
    assert text == format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)


@given(SECONDS, st.integers(0, 999))
def test_iso_dates_are_what_the_standard_library_writes(seconds: int, millis: int) -> None:
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=millis * 1000)
    assert iso8601(seconds * 1000 + millis) == moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@given(SECONDS, st.floats(0, 0.99))
def test_amz_dates_round_trip(seconds: int, fraction: float) -> None:
    assert parse_amz_date(amz_date(seconds)) == seconds
    if seconds < 2**40:
        assert amz_date(seconds + fraction) == amz_date(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20261105",
        "20261305T000000Z",
        "20260230T000000Z",
        "20261105T240000Z",
        "20261105T123456",
        "\uff120261105T123456Z",
    ],
)
def test_what_is_no_amz_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_amz_date(text)


@pytest.mark.parametrize("text", ["", "yesterday", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994", "0"])
def test_what_is_no_http_date_is_none(text: str) -> None:
    assert parse_http_date(text) is None


@given(st.text(st.characters(max_codepoint=255), max_size=40))
def test_no_text_makes_the_reader_of_dates_raise(text: str) -> None:
    parsed = parse_http_date(text)
    assert parsed is None or isinstance(parsed, int)


def test_a_zone_is_taken_into_account() -> None:
    assert parse_http_date("Sun, 06 Nov 1994 09:49:37 +0100") == 784_111_777
    assert parse_http_date("Sun, 06 Nov 1994 08:49:37 -0000") == 784_111_777


def test_a_date_of_the_usual_form_that_is_none_is_none() -> None:
    for text in ("Sun, 31 Feb 2026 08:49:37 GMT", "Sun, 06 Nox 2026 08:49:37 GMT", "Sun, 06 Nov 2026 24:49:37 GMT"):
        assert parse_http_date(text) is None

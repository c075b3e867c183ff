import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.server.wire import values
from cybous3.server.wire.errors import S3Error

TABLE = {"a": 1, "b": 2}


@given(number=st.integers(0, 1000))
def test_a_number_within_its_limits_is_read(number: int) -> None:
    assert values.integer("n", str(number), 0, 1000) == number


@pytest.mark.parametrize("text", ["", "-1", "1001", "x", "1.0", "1e3", " 1", "+1", "0x1", "٣", "1_0", "9" * 20, "1\n"])
def test_what_is_no_number_within_its_limits_is_refused_by_name(text: str) -> None:
    with pytest.raises(S3Error) as caught:
        values.integer("max-keys", text, 0, 1000)
    assert caught.value.detail == {"ArgumentName": "max-keys", "ArgumentValue": text}
    assert caught.value.message == "Argument max-keys must be an integer between 0 and 1000"


def test_a_part_number_is_refused_in_the_words_people_know() -> None:
    with pytest.raises(S3Error, match="Part number must be an integer between 1 and 10000, inclusive"):
        values.integer("partNumber", "0", 1, 10_000)


def test_true_and_false_in_any_case_and_nothing_else() -> None:
    assert values.boolean("b", "TRUE") is True
    assert values.boolean("b", "false") is False
    for text in ("", "1", "yes"):
        with pytest.raises(S3Error):
            values.boolean("b", text)


def test_a_word_outside_its_table_is_refused_with_the_code_of_its_kind() -> None:
    assert values.one_of(TABLE, "w", "a") == 1
    for code in ("InvalidArgument", "InvalidStorageClass"):
        with pytest.raises(S3Error) as caught:
            values.one_of(TABLE, "w", "c", code)
        assert (caught.value.code, caught.value.detail["ArgumentValue"]) == (code, "c")


def test_a_list_may_be_spread_over_lines() -> None:
    assert values.words(TABLE, ["a, b", "a"], "w", required=True) == (1, 2, 1)
    assert values.words(TABLE, [], "w", required=False) == ()
    with pytest.raises(S3Error, match="missing or empty"):
        values.words(TABLE, [" , "], "w", required=True)
    with pytest.raises(S3Error):
        values.words(TABLE, ["a,c"], "w", required=False)


def test_what_is_required_must_be_there_and_not_empty() -> None:
    assert values.required("id", "x") == "x"
    for text in (None, ""):
        with pytest.raises(S3Error, match="id"):
            values.required("id", text)


@pytest.mark.parametrize(
    "text",
    [
        "Mon, 12 Oct 2009 17:50:30 GMT",
        "2009-10-12T17:50:30Z",
        "2009-10-12T17:50:30.000Z",
        "2009-10-12T19:50:30+02:00",
    ],
)
def test_an_instant_in_either_form(text: str) -> None:
    assert values.date("d", text) == 1_255_369_830_000


def test_milliseconds_are_kept() -> None:
    assert values.date("d", "1970-01-01T00:00:01.500Z") == 1500


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2009-13-12T17:50:30Z",
        "2009-10-12",
        "12345",
        "2009-10-12T17:50:30",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+23:59",
    ],
)
def test_what_is_no_instant_is_refused_or_ignored(text: str) -> None:
    assert values.lenient_date(text) is None
    with pytest.raises(S3Error, match="d is not a date"):
        values.date("d", text)

import pytest

from cybous3.server.model.objects import ALWAYS, WriteCondition
from cybous3.server.wire.conditions import (
    ReadCondition,
    Verdict,
    delete_condition,
    if_range_holds,
    judge,
    precondition_failed,
    refuse_unknown,
    require_source,
    write_condition,
)
from cybous3.server.wire.errors import S3Error

ETAG = "0123abc"
AT = 1_255_369_830_400  # 2009-10-12T17:50:30.4Z
BEFORE, SAME, AFTER = AT - 60_000, AT - 400, AT + 60_000
DATE = "Mon, 12 Oct 2009 17:50:30 GMT"


def verdict(**condition: str | int) -> Verdict:
    return judge(ReadCondition(**condition), ETAG, AT)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ['"0123abc"', "0123abc", "*", '"x", "0123abc"', ' "0123abc" '])
def test_if_match_holds(value: str) -> None:
    assert verdict(if_match=value) is Verdict.PROCEED


@pytest.mark.parametrize("value", ['"x"', "", 'W/"0123abc"', '"x","y"', ","])
def test_if_match_fails_and_a_weak_tag_never_matches(value: str) -> None:
    assert verdict(if_match=value) is Verdict.IF_MATCH_FAILED


@pytest.mark.parametrize("value", ['"0123abc"', 'W/"0123abc"', "*", '"x", W/"0123abc"'])
def test_if_none_match_finds_it_not_modified(value: str) -> None:
    assert verdict(if_none_match=value) is Verdict.NOT_MODIFIED


def test_dates_compare_in_whole_seconds() -> None:
    assert verdict(if_modified_since_ms=SAME) is Verdict.NOT_MODIFIED
    assert verdict(if_modified_since_ms=AFTER) is Verdict.NOT_MODIFIED
    assert verdict(if_modified_since_ms=BEFORE) is Verdict.PROCEED
    assert verdict(if_unmodified_since_ms=SAME) is Verdict.PROCEED
    assert verdict(if_unmodified_since_ms=BEFORE) is Verdict.IF_UNMODIFIED_SINCE_FAILED


def test_an_entity_tag_outweighs_its_date() -> None:
    """The two pairs of the S3 API reference: 200 for the first, 304 for the second."""
    assert verdict(if_match=ETAG, if_unmodified_since_ms=BEFORE) is Verdict.PROCEED
    assert verdict(if_none_match=ETAG, if_modified_since_ms=BEFORE) is Verdict.NOT_MODIFIED
    assert verdict(if_none_match="x", if_modified_since_ms=AFTER) is Verdict.PROCEED


def test_a_failing_precondition_comes_before_not_modified() -> None:
    assert verdict(if_match="x", if_none_match=ETAG) is Verdict.IF_MATCH_FAILED
    assert verdict(if_match=ETAG, if_none_match=ETAG) is Verdict.NOT_MODIFIED
    assert verdict() is Verdict.PROCEED


def test_the_answer_names_the_condition() -> None:
    error = precondition_failed(Verdict.IF_MATCH_FAILED)
    assert (error.status, error.detail) == (412, {"Condition": "If-Match"})


@pytest.mark.parametrize(
    ("condition", "name"),
    [
        (ReadCondition(if_match="x"), "x-amz-copy-source-If-Match"),
        (ReadCondition(if_none_match=ETAG, if_modified_since_ms=BEFORE), "x-amz-copy-source-If-None-Match"),
        (ReadCondition(if_modified_since_ms=AFTER), "x-amz-copy-source-If-Modified-Since"),
        (ReadCondition(if_unmodified_since_ms=BEFORE), "x-amz-copy-source-If-Unmodified-Since"),
    ],
)
def test_a_source_that_fails_its_condition_fails_the_copy(condition: ReadCondition, name: str) -> None:
    with pytest.raises(S3Error) as caught:
        require_source(condition, ETAG, AT)
    assert (caught.value.code, caught.value.detail["Condition"]) == ("PreconditionFailed", name)


def test_a_source_that_satisfies_its_conditions_is_copied() -> None:
    require_source(ReadCondition(if_match=ETAG, if_unmodified_since_ms=BEFORE), ETAG, AT)
    require_source(ReadCondition(), ETAG, AT)


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        (None, True),
        (f'"{ETAG}"', True),
        (ETAG, True),
        ('"x"', False),
        (f'W/"{ETAG}"', False),
        (DATE, True),
        ("Mon, 12 Oct 2009 17:50:31 GMT", False),
        ("nonsense", False),
    ],
)
def test_a_range_is_honoured_only_for_the_same_object(value: str | None, holds: bool) -> None:
    assert if_range_holds(value, ETAG, AT) is holds


def test_a_write_knows_two_conditions() -> None:
    assert write_condition(None, None) is ALWAYS
    assert write_condition('"abc"', None) == WriteCondition(if_match="abc")
    assert write_condition("abc", None) == WriteCondition(if_match="abc")
    assert write_condition(None, "*") == WriteCondition(if_none_match="*")


@pytest.mark.parametrize(
    ("if_match", "if_none_match", "header"),
    [
        (None, '"abc"', "If-None-Match"),
        (None, "", "If-None-Match"),
        ("*", None, "If-Match"),
        ("", None, "If-Match"),
        ('"a", "b"', None, "If-Match"),
        ('W/"a"', None, "If-Match"),
        ("a", "*", "If-Match,If-None-Match"),
    ],
)
def test_other_conditions_on_a_write_are_not_implemented(if_match: str, if_none_match: str, header: str) -> None:
    with pytest.raises(S3Error) as caught:
        write_condition(if_match, if_none_match)
    assert (caught.value.code, caught.value.detail["Header"]) == ("NotImplemented", header)


def test_a_delete_knows_three() -> None:
    assert delete_condition(None, None, None) == ALWAYS
    assert delete_condition("*", 5, AT) == WriteCondition(if_match="*", if_match_size=5, if_match_modified_ms=AT)
    assert delete_condition('"a"', None, None) == WriteCondition(if_match="a")
    with pytest.raises(S3Error):
        delete_condition('"a","b"', None, None)


def test_a_condition_that_would_be_overlooked_is_refused() -> None:
    refuse_unknown(frozenset({"if-match"}), ["if-match", "x-other"])
    with pytest.raises(S3Error) as caught:
        refuse_unknown(frozenset({"if-match"}), ["if-match", "if-none-match"])
    assert caught.value.detail["Header"] == "If-None-Match"

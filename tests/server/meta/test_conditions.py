"""Conditions, apart from any index: those that name what they refused."""

import pytest

from cybous3.server.meta.conditions import Current, require
from cybous3.server.model.objects import WriteCondition
from cybous3.server.wire.errors import S3Error

CURRENT = Current("etag", 3, 1_700_000_000_999)


@pytest.mark.parametrize(
    ("condition", "named"),
    [
        (WriteCondition(if_match="x"), "If-Match"),
        (WriteCondition(if_none_match="*"), "If-None-Match"),
        (WriteCondition(if_match_size=2), "x-amz-if-match-size"),
        (WriteCondition(if_match_modified_ms=1_700_000_001_000), "x-amz-if-match-last-modified-time"),
    ],
)
def test_a_refusal_names_its_condition(condition: WriteCondition, named: str) -> None:
    with pytest.raises(S3Error) as caught:
        require(condition, CURRENT, "key")
    assert (caught.value.code, caught.value.detail) == ("PreconditionFailed", {"Condition": named})


def test_moments_are_compared_in_whole_seconds() -> None:
    require(WriteCondition(if_match_modified_ms=1_700_000_000_000), CURRENT, "key")

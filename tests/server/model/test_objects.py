"""What listings and conditions rely on."""

from dataclasses import FrozenInstanceError

import pytest

from cybous3.server.model.objects import ALWAYS, ObjectSummary, WriteCondition
from tests.contracts.values import record


def test_no_condition_is_always() -> None:
    assert WriteCondition() == ALWAYS


def test_records_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        record("key").size = 5  # type: ignore[misc]  # that is the point


def test_a_summary_is_made_of_a_row_as_it_comes() -> None:
    row = ("key", 3, "etag", 5, "owner", "STANDARD", None, None, "null")
    assert ObjectSummary._make(row) == ObjectSummary("key", 3, "etag", 5, "owner", "STANDARD", None, None)

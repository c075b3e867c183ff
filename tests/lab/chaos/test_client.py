"""What is known of an operation's effect follows from how it ended, and from every attempt before."""

import pytest

from cybous3.client.stores.errors import (
    ConnectionLost,
    NoSpace,
    PreconditionFailed,
    ServerFailed,
    StoreError,
    Throttled,
    Unreachable,
)
from cybous3.lab.chaos.client import attempt


def ended(*errors: StoreError | None, tries: int = 5) -> tuple[str, bool, int]:
    left = list(errors)

    def call() -> str:
        error = left.pop(0)
        if error is not None:
            raise error
        return "answer"

    result, how = attempt(call, tries, lambda _: None)
    assert (result == "answer") == (how.error is None)
    return how.outcome, how.lost, how.tries


@pytest.mark.parametrize(
    ("errors", "outcome"),
    [
        ((None,), ("done", False, 1)),
        ((PreconditionFailed("x"),), ("refused", False, 1)),
        ((NoSpace("x"),), ("refused", False, 1)),
        ((Unreachable("x"), None), ("done", False, 2)),
        ((ConnectionLost("x"), None), ("done", True, 2)),
        ((ConnectionLost("x"), PreconditionFailed("x")), ("late", True, 2)),
    ],
)
def test_attempts_are_counted_and_a_lost_one_is_remembered(
    errors: tuple[StoreError | None, ...], outcome: tuple[str, bool, int]
) -> None:
    assert ended(*errors) == outcome


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Unreachable("x"), "refused"),
        (ServerFailed("x"), "unknown"),
        (Throttled("x"), "unknown"),
        (ConnectionLost("x"), "late"),
    ],
)
def test_patience_ends_and_the_last_error_says_what_is_known(error: StoreError, outcome: str) -> None:
    assert ended(error, error, tries=2)[0] == outcome

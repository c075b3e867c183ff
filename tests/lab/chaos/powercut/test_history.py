"""What must be found follows from what was answered before the cut, and from nothing else."""

import json

import pytest

from cybous3.lab.chaos.powercut.check import LOST, RESURRECTED, TORN, UNREADABLE, Damaged, Found, judge
from cybous3.lab.chaos.powercut.history import Attempt, Durability, Expected, Value, dump, expected, load

KEY = "bucket/key"
OLD, NEW = Value.of(b"old", "e1"), Value.of(b"new", "e2", [("mark", "1")])


def attempt(
    begin: float, after: Value | None, end: float | None = None, kind: str = "put", *, ok: bool = True
) -> Attempt:
    return Attempt(f"object:{KEY}", kind, begin, after, end, ok=ok and end is not None)


def values(must: Expected) -> set[Value | None]:
    return set(must.objects[KEY].values)


@pytest.mark.parametrize(
    ("history", "allowed"),
    [
        ([attempt(1, OLD)], {None, OLD}),
        ([attempt(1, OLD, 2)], {OLD}),
        ([attempt(1, OLD, 2), attempt(3, NEW)], {OLD, NEW}),
        ([attempt(1, OLD, 2), attempt(3, NEW, 4)], {NEW}),
        ([attempt(1, OLD, 2), attempt(3, None, 4, "delete")], {None}),
        ([attempt(1, OLD, 2), attempt(3, NEW, 4, ok=False)], {OLD, NEW}),
        ([attempt(1, OLD, 2), attempt(3, NEW, 9)], {OLD, NEW}),
    ],
)
def test_acknowledged_counts_and_what_had_begun_may(history: list[Attempt], allowed: set[Value | None]) -> None:
    assert values(expected(history, 5.0)) == allowed


def test_what_had_not_begun_is_not_there() -> None:
    assert expected([attempt(7, OLD, 8)], 5.0).objects == {}


def test_in_relaxed_an_acknowledgement_counts_when_it_is_old_enough_and_in_none_never() -> None:
    history = [attempt(1, OLD, 2), attempt(3, NEW, 4)]
    assert values(expected(history, 4.5, Durability.RELAXED.window_s)) == {OLD, NEW}
    assert values(expected(history, 5.5, Durability.RELAXED.window_s)) == {NEW}
    assert values(expected(history, 99.0, Durability.NONE.window_s)) == {None, OLD, NEW}
    assert Durability.STRICT.window_s == 0


HISTORY = [attempt(1, OLD, 2), attempt(3, NEW, 4)]
DELETED = [*HISTORY, attempt(5, None, 6, "delete")]


@pytest.mark.parametrize(
    ("history", "found", "check"),
    [
        (HISTORY, NEW, None),
        (HISTORY, None, LOST),
        (HISTORY, OLD, LOST),
        (HISTORY, Value.of(b"ne", "e2"), TORN),
        (HISTORY, Value.of(b"new", "e1", [("mark", "1")]), TORN),
        (HISTORY, Value.of(b"new", "e2"), TORN),
        (HISTORY, Damaged("500"), UNREADABLE),
        (DELETED, None, None),
        (DELETED, NEW, RESURRECTED),
    ],
)
def test_each_kind_of_broken_promise_has_its_name(history: list[Attempt], found: Found, check: str | None) -> None:
    problems = judge(expected(history, 9.0), {KEY: found})
    assert [problem.check for problem in problems] == ([check] if check else [])


def test_where_a_loss_is_allowed_an_error_instead_is_too_and_wrong_bytes_never() -> None:
    must = expected(HISTORY, 4.5, 1.0)
    assert judge(must, {KEY: Damaged("500")}) == []
    assert [problem.check for problem in judge(must, {KEY: Value.of(b"?")})] == [TORN]
    sure = expected(HISTORY, 9.0, 1.0)
    assert [problem.check for problem in judge(sure, {KEY: Damaged("500")})] == [UNREADABLE]


def test_of_plain_files_only_the_bytes_are_compared() -> None:
    assert judge(expected(HISTORY, 9.0), {KEY: Value.of(b"new")}, bytes_only=True) == []


def test_an_upload_is_there_until_its_end_has_begun_and_gone_when_it_was_acknowledged() -> None:
    subject = f"upload:{KEY}?1"
    create = Attempt(subject, "create upload", 1, None, 2, ok=True)
    part = Attempt(subject, "put part", 3, None, 4, ok=True, part=(1, "etag"))
    abort = Attempt(subject, "abort", 5, None, 6, ok=True)

    def state(before: float) -> tuple[bool, bool, dict[int, str]]:
        found = expected([create, part, abort], before).uploads[f"{KEY}?1"]
        return found.required, found.ended, found.parts

    assert state(1.5) == (False, False, {})
    assert state(2.5) == (True, False, {})
    assert state(4.5) == (True, False, {1: "etag"})
    assert state(5.5) == (False, False, {1: "etag"})
    assert state(6.5) == (False, True, {1: "etag"})


def test_a_history_comes_back_from_a_file() -> None:
    history = [*DELETED, Attempt("upload:b/k?1", "put part", 1, None, 2, ok=True, part=(1, "e")), attempt(8, OLD)]
    assert load(json.loads(json.dumps(dump(history)))) == history

"""The oracle knows exactly what a key may hold, and tells the ways apart in which a server can break its word."""

import pytest

from cybous3.lab.chaos.oracle import Claims, Oracle, Outcome
from cybous3.lab.chaos.plan import content

KEY = "chaos/c0/k"


@pytest.fixture
def oracle() -> Oracle:
    return Oracle(1)


def write(oracle: Oracle, size: int | None, outcome: Outcome = "done", key: str = KEY) -> bytes:
    begun, body = oracle.begin_write(key, size)
    oracle.settle(begun, outcome)
    return body


def read(oracle: Oracle, body: bytes | None, key: str = KEY) -> str:
    found = oracle.end_read(oracle.begin_read(key), body)
    return "" if found is None else found.check


def test_what_was_acknowledged_is_the_only_answer(oracle: Oracle) -> None:
    old, new = write(oracle, 100), write(oracle, 100)
    assert read(oracle, new) == ""
    assert read(oracle, old) == "old-or-new"
    assert read(oracle, None) == "lost"
    assert read(oracle, new[:-1] + b"x") == "wrong-bytes"
    assert read(oracle, old[:50] + new[50:]) == "wrong-bytes"
    assert read(oracle, content(1, "another", 2, 100)) == "wrong-bytes"


def test_of_an_unknown_outcome_both_answers_are_right(oracle: Oracle) -> None:
    old = write(oracle, 10)
    new = write(oracle, 20, "unknown")
    assert [read(oracle, body) for body in (old, new, None)] == ["", "", "lost"]
    assert not oracle.acknowledged(KEY)
    assert not oracle.retired(KEY)


def test_a_refused_write_did_not_happen(oracle: Oracle) -> None:
    old = write(oracle, 10)
    assert read(oracle, write(oracle, 20, "refused")) == "old-or-new"
    assert read(oracle, old) == ""


def test_a_deleted_object_does_not_come_back(oracle: Oracle) -> None:
    old = write(oracle, 10)
    write(oracle, None)
    assert read(oracle, None) == ""
    assert read(oracle, old) == "ghost"


def test_an_operation_that_may_arrive_late_retires_its_key(oracle: Oracle) -> None:
    write(oracle, 10, "late")
    assert oracle.retired(KEY)
    write(oracle, 10, key="other")
    assert not oracle.retired("other")
    oracle.retire("other")
    assert oracle.retired("other")
    assert not oracle.retired("unheard of")


def test_a_reader_may_see_what_is_written_meanwhile(oracle: Oracle) -> None:
    old = write(oracle, 10)
    during = oracle.begin_read(KEY)
    new = write(oracle, 10)
    assert oracle.end_read(during, old) is None
    during = oracle.begin_read(KEY)
    newest = write(oracle, 10)
    assert oracle.end_read(during, newest) is None
    begun, pending = oracle.begin_write(KEY, 10)
    assert read(oracle, pending) == ""
    assert read(oracle, new) == "old-or-new"
    oracle.settle(begun, "done")
    oracle.drop_read(oracle.begin_read(KEY))


def test_a_listing_has_every_object_and_no_other(oracle: Oracle) -> None:
    write(oracle, 10, key="chaos/a")
    write(oracle, 10, key="chaos/b")
    write(oracle, None, key="chaos/b")
    write(oracle, 10, "unknown", key="chaos/c")
    assert oracle.listed(["chaos/a"], "chaos/") == []
    assert oracle.listed(["chaos/a", "chaos/c"], "chaos/") == []
    wrong = oracle.listed(["chaos/b", "chaos/x"], "chaos/")
    assert [(one.check, one.key) for one in wrong] == [("lost", "chaos/a"), ("ghost", "chaos/b"), ("ghost", "chaos/x")]
    assert oracle.keys() == ["chaos/a", "chaos/b", "chaos/c"]
    assert oracle.counts() == {"acknowledged": 3, "unknown": 1, "objects": 1, "retired_keys": 0}


def claim(claims: Claims, client: int, outcome: Outcome) -> bytes:
    body = claims.body("k", client, 50)
    claims.settle("k", client, outcome)
    return body


@pytest.mark.parametrize(
    ("outcomes", "lies", "said"),
    [
        (("done", "refused"), 0, ""),
        (("unknown", "refused"), None, ""),
        (("unknown", "late"), 1, ""),
        (("done", "done"), 0, "2 winners"),
        (("done", "refused"), None, "is gone"),
        (("done", "unknown"), 1, "1's object lies there"),
        (("refused", "refused"), 0, "nobody's"),
    ],
)
def test_a_race_has_one_winner_and_its_object(outcomes: tuple[Outcome, ...], lies: int | None, said: str) -> None:
    claims = Claims(1)
    bodies = [claim(claims, client, outcome) for client, outcome in enumerate(outcomes)]
    wrong = claims.judge(lambda _: None if lies is None else bodies[lies])
    assert [said in line for line in wrong] == ([True] if said else [])
    assert claims.keys() == ["k"]

"""The checker agrees with published verdicts, with trying every order, and with what was planted."""

import random
import time
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cybous3.lab.chaos.linear.checker import TooHard, check
from cybous3.lab.chaos.linear.history import NEVER, Operation
from cybous3.lab.chaos.linear.objects import OBJECT
from cybous3.lab.chaos.linear.objects import Call as Request
from cybous3.lab.chaos.linear.objects import Outcome as Said
from cybous3.lab.chaos.linear.published import NotAHistory, cases
from cybous3.lab.chaos.linear.register import REGISTER, Call, Outcome

BUNDLE = Path(__file__).resolve().parents[4] / "vectors" / "linearizability" / "etcd.txt"

Seen = Operation[Call, Outcome]
Requested = Operation[Request, Said]


def test_published_verdicts() -> None:
    """Every published verdict on etcd is found again, in seconds of processor time."""
    begun = time.process_time()
    judged = [(case, check(REGISTER, case.operations)) for case in cases(BUNDLE.read_text("utf-8"))]
    assert time.process_time() - begun < 30
    assert len(judged) == 103
    assert [case.name for case, _ in judged if case.linearizable is None] == ["etcd_095"]
    wrong = [case.name for case, verdict in judged if case.linearizable not in {None, verdict.linearizable}]
    assert wrong == []
    assert sum(case.linearizable is True for case, _ in judged) == 23


def test_what_is_no_history_is_refused() -> None:
    with pytest.raises(NotAHistory, match="line 2"):
        list(cases("== a linearizable\n0 1 0 x ok\n"))
    with pytest.raises(NotAHistory, match="line 1"):
        list(cases("0 1 0 r nil\n"))


def by_trying(operations: Sequence[Requested]) -> bool:
    """Return whether any order of any choice of those without an answer is right: the definition, slowly."""
    known = [o for o in operations if o.outcome is not None]
    open_ones = [o for o in operations if o.outcome is None]
    for mask in range(1 << len(open_ones)):
        chosen = [*known, *(o for i, o in enumerate(open_ones) if mask >> i & 1)]
        if any(right(order) for order in permutations(chosen)):
            return True
    return False


def right(order: Sequence[Requested]) -> bool:
    if any(later.ended < earlier.begun for at, earlier in enumerate(order) for later in order[at + 1 :]):
        return False
    state = OBJECT.initial
    for o in order:
        agrees, state = OBJECT.step(state, o.call, o.outcome)
        if not agrees:
            return False
    return True


values = st.sampled_from(["a", "b"])
requests = st.one_of(
    st.just(Request("get")),
    st.just(Request("delete")),
    st.builds(Request, st.just("put"), values, st.none() | values, st.booleans()),
    st.builds(Request, st.just("delete"), st.none(), values),
)


@st.composite
def any_operation(draw: st.DrawFn) -> Requested:
    call = draw(requests)
    begun = draw(st.integers(0, 12))
    if draw(st.integers(0, 3)) == 0:
        return Operation("k", 0, call, None, begun, NEVER)
    statuses = [200, 404] if call.verb == "get" else [200, 404, 409, 412]
    status = draw(st.sampled_from(statuses))
    found = draw(values) if call.verb == "get" and status == 200 else None
    return Operation("k", 0, call, Said(status, found), begun, begun + draw(st.integers(0, 8)))


@settings(max_examples=300)
@given(st.lists(any_operation(), max_size=5))
def test_the_search_agrees_with_trying_every_order(operations: list[Requested]) -> None:
    assert check(OBJECT, operations).linearizable == by_trying(operations)


def stretched(seed: int, size: int = 30) -> list[Requested]:
    """Make a sequential execution and stretch its operations into one another: their instants are an order."""
    dice = random.Random(seed)  # noqa: S311  # a repeatable history, no secret
    state: str | None = None
    found: list[Requested] = []
    for instant in range(100, 100 + 10 * dice.randrange(1, size), 10):
        call = dice.choice(
            [
                Request("get"),
                Request("put", str(instant), dice.choice([None, state, "other"]), dice.random() < 0.3),
                Request("delete", match=dice.choice([None, None, state, "other"])),
            ]
        )
        right_ones = [said for said in SAID if OBJECT.step(state, call, said)[0]] if call.verb != "get" else []
        outcome = dice.choice(right_ones or [Said(404) if state is None else Said(200, state)])
        state = OBJECT.step(state, call, outcome)[1]
        lost = dice.random() < 0.1 and not OBJECT.inert(call, outcome)
        begun, ended = instant - dice.randrange(60), instant + dice.randrange(60)
        found.append(Operation("k", 0, call, None if lost else outcome, begun, NEVER if lost else ended))
    return found


SAID = [Said(200), Said(404), Said(409), Said(412)]
PLANTED: dict[str, list[Requested]] = {
    "a stale read": [
        Operation("k", 1, Request("put", "x"), Said(200), 1000, 1001),
        Operation("k", 1, Request("put", "y"), Said(200), 1002, 1003),
        Operation("k", 2, Request("get"), Said(200, "x"), 1004, 1005),
    ],
    "a lost update": [
        Operation("k", 1, Request("put", "x"), Said(200), 1000, 1001),
        Operation("k", 1, Request("put", "y", "x"), Said(200), 1002, 1010),
        Operation("k", 2, Request("put", "z", "x"), Said(200), 1003, 1009),
    ],
    "a write that an answered one undid": [
        Operation("k", 1, Request("put", "x"), Said(200), 1000, 1001),
        Operation("k", 2, Request("get"), Said(200, "x"), 1002, 1003),
        Operation("k", 2, Request("put", "y", absent=True), Said(200), 1004, 1005),
        Operation("k", 2, Request("get"), Said(200, "x"), 1006, 1007),
    ],
}
seeds = st.integers(0, 1 << 32)


@settings(max_examples=300)
@given(seeds)
def test_stretched_executions_are_linearizable(seed: int) -> None:
    assert check(OBJECT, stretched(seed)).linearizable


@pytest.mark.parametrize("name", PLANTED)
@given(seed=seeds)
def test_what_is_planted_is_found(name: str, seed: int) -> None:
    """Whatever happened before: operations without an answer may still take effect, but none of them writes x."""
    assert not check(OBJECT, [*stretched(seed, 15), *PLANTED[name]]).linearizable


def test_registers_are_judged_alone() -> None:
    """What is in order on each key is in order; the verdict names the key that is not."""
    put, get = Request("put", "v"), Request("get")
    good: list[Requested] = [Operation("b", 0, put, Said(200), 0, 1), Operation("b", 0, get, Said(200, "v"), 2, 3)]
    bad: Requested = Operation("a", 0, get, Said(200, "v"), 2, 3)
    assert check(OBJECT, good).linearizable
    assert check(OBJECT, [*good, bad]).rejected == "a"


def test_a_search_that_is_too_hard_says_so() -> None:
    crowd: list[Seen] = [Operation("r", i, Call("write", i), Outcome(), 0, 100) for i in range(20)]
    crowd.append(Operation("r", 0, Call("read"), Outcome(value=-1), 101, 102))
    with pytest.raises(TooHard, match="more than 1,000"):
        check(REGISTER, crowd, configurations_max=1000)

"""Operations are counted as they begin, and the one a fault was placed before waits for it."""

import threading
import time

from cybous3.lab.chaos.gate import Gate


def test_operations_have_numbers_and_end_when_told() -> None:
    gate = Gate()
    assert [gate.enter() for _ in range(3)] == [0, 1, 2]
    gate.stop()
    assert gate.enter() is None
    assert gate.stopped


def test_nobody_passes_a_mark_before_it_is_lifted() -> None:
    gate = Gate()
    gate.place(2)
    passed: list[int | None] = []

    def go() -> None:
        passed.extend(gate.enter() for _ in range(4))

    thread = threading.Thread(target=go)
    thread.start()
    assert gate.wait_for(2, 5)
    assert not gate.wait_for(3, 0.05)
    assert passed == [0, 1]
    gate.lift(2)
    thread.join(5)
    assert passed == [0, 1, 2, 3]


def test_two_marks_at_one_place_are_lifted_one_by_one() -> None:
    gate = Gate()
    gate.place(0)
    assert gate.place_ahead(0) == 0
    thread = threading.Thread(target=gate.enter)
    thread.start()
    gate.lift(0)
    assert not gate.wait_for(1, 0.05)
    gate.lift(0)
    assert gate.wait_for(1, 5)
    thread.join(5)
    assert gate.place_ahead(3) == 4


def test_whoever_waits_at_a_mark_is_let_go_at_the_end() -> None:
    gate = Gate()
    gate.place(0)
    threading.Timer(0.05, gate.stop).start()
    assert gate.enter() is None
    assert not gate.wait_for(1, 5)


def test_a_rate_is_kept() -> None:
    gate = Gate(rate=100)
    begun = time.monotonic()
    for _ in range(11):
        gate.enter()
    assert 0.09 <= time.monotonic() - begun < 1

"""Turns: places pass in order whatever thread brings them, and a turn that fails ends the later ones."""

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cybous3.client.transfer.turns import Turns


def test_places_pass_in_order_whatever_thread_brings_them() -> None:
    turns, passed = Turns(), []
    rng = random.Random(7)  # noqa: S311  # pauses, not secrets
    pauses = [rng.random() / 500 for _ in range(60)]

    def work(place: int) -> None:
        time.sleep(pauses[place])
        with turns.of(place):
            passed.append(place)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(60)))
    assert passed == list(range(60))


def test_one_is_inside_at_a_time() -> None:
    turns, inside = Turns(), []

    def work(place: int) -> int:
        with turns.of(place):
            inside.append(place)
            time.sleep(0.001)
            at_once = len(inside)
            inside.remove(place)
        return at_once

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(work, range(20))) == {1}


def test_a_turn_that_fails_ends_all_later_ones_with_its_error() -> None:
    turns, passed = Turns(), []

    def work(place: int) -> None:
        with turns.of(place):
            if place == 2:
                raise ValueError("the third")
            passed.append(place)

    with ThreadPoolExecutor(4) as pool:
        begun = [pool.submit(work, place) for place in range(8)]
    assert [future.exception() is None for future in begun] == [True, True, *[False] * 6]
    assert {str(future.exception()) for future in begun[2:]} == {"the third"}
    assert passed == [0, 1]
    with pytest.raises(ValueError, match="the third"), turns.of(9):
        pytest.fail("a turn after the failure was given")

"""Delta debugging finds the least that still fails, and keeps what it found when the time is over."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.lab.chaos.ddmin import Enough, least, smallest


@given(st.integers(1, 40), st.sets(st.integers(0, 39), max_size=4))
def test_exactly_what_is_needed_is_left(length: int, needed: set[int]) -> None:
    needed = {number for number in needed if number < length}
    kept: list[Sequence[int]] = []
    found = least(range(length), lambda some: needed <= set(some), kept.append)
    assert found == sorted(needed) if needed else found == []
    assert all(needed <= set(some) for some in kept)


def test_what_was_found_before_the_end_was_told() -> None:
    kept: list[Sequence[int]] = []
    asked = 0

    def fails(some: Sequence[int]) -> bool:
        nonlocal asked
        asked += 1
        if asked > 6:
            raise Enough
        return 3 in some

    with pytest.raises(Enough):
        least(range(64), fails, kept.append)
    assert 3 in kept[-1]
    assert len(kept[-1]) < 64


@given(st.integers(1, 1000), st.integers(1, 1000))
def test_a_number_is_made_as_small_as_it_can_be(value: int, bound: int) -> None:
    assert smallest(value, 1, lambda n: n >= min(bound, value)) == min(bound, value)

"""Intervals: seeded, shaped by the figures alone, honest about how often they hold the truth."""

import random
from dataclasses import astuple
from math import isclose, log

import pytest

from cybous3.lab.bench.verdict.bootstrap import PAIRS_MIN, Interval, TooFewPairs, interval, intervals


def series(count: int, *, seed: int, spread: float = 0.1, shift: float = 0.0) -> list[float]:
    dice = random.Random(seed)  # noqa: S311  # figures, no secrets
    return [dice.gauss(shift, spread) for _ in range(count)]


def test_many_series_give_what_each_gives_alone() -> None:
    rows = [series(30, seed=1), series(30, seed=2, spread=0.3), [0.25] * 30]
    together = intervals(rows)
    assert together == intervals(rows)
    for found, row in zip(together, rows, strict=True):
        alone = interval(row)
        assert astuple(found) == pytest.approx(astuple(alone), abs=1e-12)


def test_a_shift_moves_the_interval_and_nothing_else() -> None:
    row = series(40, seed=3)
    plain, moved = interval(row), interval([value + log(1.1) for value in row])
    assert isclose(moved.low - plain.low, log(1.1), abs_tol=1e-9)
    assert isclose(moved.high - plain.high, log(1.1), abs_tol=1e-9)
    assert plain.low < plain.estimate < plain.high


def test_one_wild_pair_in_five_moves_nothing() -> None:
    """A stall that hits fewer than a fifth of the pairs is cut away."""
    row = sorted(series(20, seed=4))
    assert interval([*row[:-3], 5.0, 6.0, 7.0]).estimate == interval(row).estimate


def test_equal_pairs_have_an_interval_without_width() -> None:
    assert interval([0.5] * 10) == Interval(0.5, 0.5, 0.5)


def test_more_pairs_are_sharper() -> None:
    few, many = interval(series(20, seed=5)), interval(series(320, seed=5))
    assert 3 < few.half_width / many.half_width < 6


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Of 400 series of 40 pairs, 95 % hold the true value; two standard errors are left to chance."""
    found = intervals([series(40, seed=seed, shift=0.05) for seed in range(400)])
    share = sum(one.low <= 0.05 <= one.high for one in found) / len(found)
    assert 0.92 <= share <= 0.98


def test_percent_reads_as_a_person_thinks() -> None:
    assert [round(value, 6) for value in Interval(log(1.1), 0.0, log(1.5)).percent] == [10, 0, 50]


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(TooFewPairs, match="4 pairs") as refused:
        interval([0.1, 0.2, 0.3, 0.4])
    assert str(PAIRS_MIN) in str(refused.value.hint)
    assert refused.value.exit_code == 3

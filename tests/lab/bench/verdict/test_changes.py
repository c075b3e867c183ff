"""Changes of level: found where they are, told the same way twice, and not told where there are none."""

import random
from math import dist

import pytest

from cybous3.lab.bench.verdict import changes as module
from cybous3.lab.bench.verdict.changes import MIN_PART, P_MAX, changes, p_value


def level(mean: float, count: int, *, seed: int, spread: float = 1.0) -> list[float]:
    dice = random.Random(seed)  # noqa: S311  # figures, no secrets
    return [dice.gauss(mean, spread) for _ in range(count)]


def test_one_change_is_found_at_its_place_with_its_levels() -> None:
    [change] = changes(level(100, 30, seed=1) + level(110, 25, seed=2))
    assert change.index == 30
    assert change.before == pytest.approx(100, abs=1)
    assert change.after == pytest.approx(110, abs=1)
    assert change.p_value <= P_MAX


def test_a_rise_and_its_undoing_are_two_changes() -> None:
    """The whole series has one level before and behind; only its parts tell."""
    row = level(100, 20, seed=3) + level(106, 12, seed=4) + level(100, 20, seed=5)
    assert [change.index for change in changes(row)] == [20, 32]


def test_the_same_series_gives_the_same_changes() -> None:
    row = level(100, 40, seed=6) + level(103, 40, seed=7)
    assert changes(row) == changes(row) != []


def test_more_figures_do_not_move_an_old_change() -> None:
    row = level(100, 30, seed=8) + level(110, 60, seed=9)
    for length in range(36, 91, 9):
        assert [change.index for change in changes(row[:length])] == [30]


def test_levels_that_stay_raise_few_alarms() -> None:
    """Of 100 histories without any change at most one shows one, although each offers 35 places to see it at."""
    alarms = sum(bool(changes(level(100, 40, seed=seed))) for seed in range(100))
    assert alarms <= 1


def test_one_bad_night_is_no_change() -> None:
    """Wherever it lies, the last night included."""
    for night in (0, 20, 38, 39):
        row = level(100, 40, seed=10)
        row[night] = 160
        assert changes(row) == []


def test_a_new_level_is_seen_at_its_third_figure() -> None:
    row = level(100, 40, seed=11, spread=0.5)
    assert changes([*row, 130.0, 130.5]) == []
    assert [change.index for change in changes([*row, 130.0, 130.5, 129.5])] == [40]


def test_the_energy_is_that_of_the_paper() -> None:
    """The prefix sums choose the split that the formula, written out, chooses."""
    row = level(100, 12, seed=12) + level(101, 9, seed=13)

    def energy(split: int) -> float:
        before, behind = row[:split], row[split:]
        m, n = len(before), len(behind)
        across = sum(dist([x], [y]) for x in before for y in behind) / (m * n)
        left = sum(dist([x], [y]) for x in before for y in before) / (m * (m - 1))
        right = sum(dist([x], [y]) for x in behind for y in behind) / (n * (n - 1))
        return m * n / (m + n) * (2 * across - left - right)

    best = max(range(MIN_PART, len(row) - MIN_PART + 1), key=energy)
    assert module._best_split(module._distance_sums(row), 0, len(row)) == best


@pytest.mark.parametrize("row", [[], [1.0], [1.0, 9.0], [5.0] * 40])
def test_short_and_flat_series_have_no_changes(row: list[float]) -> None:
    assert changes(row) == []


def test_without_noise_any_difference_is_a_change() -> None:
    assert p_value([1.0] * 3, [2.0] * 3) == 0
    assert [change.index for change in changes([1.0] * 5 + [2.0] * 5)] == [5]


def test_of_a_long_series_the_newest_figures_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POINTS_MAX", 50)
    row = level(50, 40, seed=14) + level(100, 30, seed=15) + level(110, 30, seed=16)
    assert [change.index for change in changes(row)] == [70]

"""A leak is told from noise, a peak and a warm-up."""

import random

import pytest

from cybous3.lab.chaos.trend import MEMORY, Allowance, judge, theil_sen

MIB = 1024 * 1024


def series(grow_per_s: float, *, noise: float = 0.0, count: int = 120) -> list[tuple[float, float]]:
    chance = random.Random(1)  # noqa: S311  # noise for a figure
    return [(float(at), 100 * MIB + grow_per_s * at + chance.uniform(-noise, noise)) for at in range(count)]


def test_noise_and_peaks_are_flat() -> None:
    samples = series(0, noise=10 * MIB)
    samples[50::10] = [(at, value + 200 * MIB) for at, value in samples[50::10]]
    found = judge(samples, MEMORY)
    assert found is not None
    assert found.flat


def test_a_steady_gain_is_found_through_noise() -> None:
    found = judge(series(0.3 * MIB, noise=3 * MIB), MEMORY)
    assert found is not None
    assert not found.flat
    assert found.last > found.first
    assert found.slope_per_hour == pytest.approx(0.3 * 3600 * MIB, rel=0.2)


def test_what_is_gathered_at_the_beginning_is_warmth() -> None:
    warming = [(float(at), min(at, 30) * 5.0 * MIB) for at in range(120)]
    found = judge(warming, MEMORY)
    assert found is not None
    assert found.flat


def test_too_short_a_life_is_not_judged() -> None:
    assert judge(series(1, count=8), Allowance(0.1, 1)) is None
    assert theil_sen([(1.0, 2.0)]) == 0.0

"""The law is found again in curves that it made, noise and all."""

import random

import pytest

from cybous3.lab.bench.usl import Fit, TooFewLoads, curve, fit

LOADS = (1, 2, 4, 8, 16, 32, 64, 128)


@pytest.mark.parametrize(
    ("lambda_", "sigma", "kappa"),
    [(1000, 0.05, 0.0005), (250, 0.3, 0.002), (9000, 0.02, 0.00001), (40, 0.0, 0.01), (500, 0.1, 0.0), (700, 0.0, 0.0)],
)
def test_known_parameters_are_found(lambda_: float, sigma: float, kappa: float) -> None:
    found = fit([(load, curve(load, lambda_, sigma, kappa)) for load in LOADS])
    assert found.lambda_ == pytest.approx(lambda_, rel=0.005)
    assert found.sigma == pytest.approx(sigma, abs=0.002)
    assert found.kappa == pytest.approx(kappa, abs=2e-5)
    assert found.error < 0.002


def test_noise_moves_the_parameters_a_little() -> None:
    chance = random.Random(7)  # noqa: S311  # noise, not a secret
    points = [(load, curve(load, 1000, 0.08, 0.001) * chance.gauss(1, 0.03)) for load in LOADS for _ in range(3)]
    found = fit(points)
    assert found.sigma == pytest.approx(0.08, abs=0.03)
    assert found.kappa == pytest.approx(0.001, abs=0.0004)
    assert 0.01 < found.error < 0.06


def test_the_order_of_the_points_says_nothing() -> None:
    points = [(load, curve(load, 1000, 0.1, 0.001)) for load in LOADS]
    assert fit(points) == fit(points[::-1])


def test_the_peak_is_where_the_curve_turns() -> None:
    found = Fit(1000, 0.05, 0.001, 0.0, (1, 64))
    assert found.peak == pytest.approx(30.82, abs=0.01)
    assert found.within
    top = found.throughput(found.peak or 0)
    assert top > found.throughput(25)
    assert top > found.throughput(38)


def test_a_peak_beyond_the_loads_is_an_extrapolation() -> None:
    assert not Fit(1000, 0.05, 0.001, 0.0, (1, 16)).within


def test_without_coherency_there_is_no_peak() -> None:
    assert Fit(1000, 0.05, 0.0, 0.0, (1, 16)).peak is None
    assert not Fit(1000, 0.05, 0.0, 0.0, (1, 16)).within


def test_one_is_fully_efficient_and_many_are_less() -> None:
    found = Fit(1000, 0.1, 0.0, 0.0, (1, 16))
    assert found.efficiency(1) == 1
    assert found.efficiency(11) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "points", [[], [(1, 10), (2, 18), (4, 30)], [(1, 10)] * 9, [(1, 10), (2, 18), (3, 25), (4, 0)]]
)
def test_too_few_loads_are_refused(points: list[tuple[float, float]]) -> None:
    with pytest.raises(TooFewLoads, match="4 different loads"):
        fit(points)

"""Ramps end where they should, on servers that are formulas; knees and growth are read off right."""

import math

import pytest

from cybous3.lab.bench.plots import scaling
from cybous3.lab.bench.plots.chart import Curves
from cybous3.lab.bench.result import Block, Latency, OpStats
from cybous3.lab.bench.scale import (
    Growth,
    Measure,
    Objective,
    Ramp,
    Size,
    Step,
    climb,
    closing_in,
    counted,
    doubling,
    step_of,
    tens,
)
from cybous3.lab.bench.usl import curve

OBJECTIVE = Objective()


def by_law(sigma: float, kappa: float, *, one_us: float = 1000) -> Measure:
    """Return a server that follows the law: a client waits longer as they get more (Little's law)."""

    def measure(clients: float) -> Step:
        rate = curve(clients, 1e6 / one_us, sigma, kappa)
        waits = clients / rate * 1e6
        return Step(clients, rate, waits, waits * 3)

    return measure


def saturating(limit: float) -> Measure:
    """Return a server that answers at once below its limit, and ever later above it."""

    def measure(rate: float) -> Step:
        return Step(rate, min(rate, limit), 500, 2000 if rate <= limit else 400_000)

    return measure


def test_clients_double_until_the_objective_breaks() -> None:
    ramp = climb("clients", 1, doubling(1024), OBJECTIVE, by_law(0.05, 0.0005))
    assert [step.load for step in ramp.steps] == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert ramp.knee is not None
    assert ramp.knee.load == 128
    assert "p99" in ramp.broke
    assert ramp.fitted is not None
    assert ramp.fitted.sigma == pytest.approx(0.05, abs=0.001)
    assert "the knee is at 128 clients" in scaling.sentence(ramp)


def test_clients_end_at_the_most_that_was_asked_for() -> None:
    ramp = climb("clients", 1, doubling(6), OBJECTIVE, by_law(0.05, 0.0005))
    assert [step.load for step in ramp.steps] == [1, 2, 4, 6]
    assert not ramp.broke
    assert "within the objective up to 6 clients" in scaling.sentence(ramp)


def test_clients_end_when_throughput_stays_low_but_not_at_one_disturbance() -> None:
    rates = {1: 100, 2: 40, 4: 400, 8: 200, 16: 200}
    ramp = climb("clients", 1, doubling(1024), OBJECTIVE, lambda load: Step(load, rates[int(load)], 100, 200))
    assert [step.load for step in ramp.steps] == [1, 2, 4, 8, 16]
    assert "fell from 400 operations/s at 4" in scaling.sentence(ramp)


@pytest.mark.parametrize("limit", [90, 730, 3100, 25_000])
def test_a_rate_closes_in_on_its_limit(limit: float) -> None:
    ramp = climb("rate", 100, closing_in(100_000), OBJECTIVE, saturating(limit))
    assert ramp.knee is not None
    assert limit / 1.1 <= ramp.knee.load <= limit
    assert len(ramp.steps) < 20
    assert [step.load for step in ramp.steps] == sorted(step.load for step in ramp.steps)
    assert ramp.fitted is None  # what comes in is what was asked for, up to the knee: no law of ours


def test_a_rate_ends_at_the_most_that_was_asked_for() -> None:
    ramp = climb("rate", 100, closing_in(1000), OBJECTIVE, saturating(1e9))
    assert ramp.steps[-1].load == 1000
    assert not ramp.broke


def test_a_server_that_holds_nothing_has_no_knee() -> None:
    ramp = climb("rate", 100, closing_in(1000), OBJECTIVE, lambda rate: Step(rate, 0, 1e6, 1e6, 1.0))
    assert ramp.knee is None
    assert ramp.steps[0].load <= 1
    assert "break the objective" in scaling.sentence(ramp)


def test_errors_break_the_objective_too() -> None:
    assert Objective(errors=0.001).broken_by(Step(1, 10, 1, 1, errors=0.0011)) == "errors 0.11% > 0.10%"
    assert not Objective(errors=0.001).broken_by(Step(1, 10, 1, 1, errors=0.001))
    assert Objective(p99_ms=2).broken_by(Step(1, 10, 1, 2001)) == "p99 2.0 ms > 2 ms"


def test_workers_are_all_measured_whatever_happens() -> None:
    ramp = climb("workers", 1, counted([1, 2, 3, 4]), OBJECTIVE, lambda load: Step(load, load * 100, 1, 1e6))
    assert [step.load for step in ramp.steps] == [1, 2, 3, 4]
    assert scaling.sentence(ramp) == "workers over one: 2: 2.00 x, 3: 3.00 x, 4: 4.00 x"


def test_an_interrupted_step_ends_the_ramp() -> None:
    ramp = climb("clients", 1, doubling(64), OBJECTIVE, lambda load: Step(load, 1, 1, 1, interrupted=load > 1))
    assert len(ramp.steps) == 2
    assert ramp.interrupted


def block(throughput: float, latency_us: int, failed: int = 0, *, interrupted: bool = False) -> Block:
    latency = Latency.of([latency_us] * 100)
    stats = OpStats("get", 100, {"SlowDown": failed} if failed else {}, 0, latency, latency)
    return Block(0.0, (100 - failed) / throughput, (stats,), interrupted, generator_cpu_s=0.01)


def test_a_step_takes_the_median_rate_and_all_the_errors_of_its_blocks() -> None:
    step = step_of(8, [block(100, 10), block(10, 5000), block(120, 10, failed=3)])
    assert step.throughput == pytest.approx(100)
    assert step.errors == pytest.approx(0.01)
    assert step.p99_us == pytest.approx(5000, rel=0.01)
    assert not step.interrupted
    assert step_of(8, [block(1, 1, interrupted=True)]).interrupted


def test_nothing_done_counts_as_everything_failed() -> None:
    assert step_of(1, [Block(0.0, 1.0, ())]).errors == 1.0


def test_growth_is_flat_within_one_and_a_half() -> None:
    small = Size(1000, 100, 200, 1000)
    assert Growth((small, Size(10_000, 149, 200, 1000))).flat
    grown = Growth((small, Size(10_000, 100, 200, 1000), Size(100_000, 100, 310, 900)))
    assert not grown.flat
    assert grown.worst == pytest.approx({"GET": 1, "PUT": 1.55, "LIST": 1})
    assert "not flat" in scaling.flatness(grown)
    assert Growth((small,)).flat is None
    assert "says nothing" in scaling.flatness(Growth((small,)))
    assert math.isnan(Size(1, 1, 1, 1).times(Size(1, 0, 1, 1))["GET"])


def test_object_counts_go_by_tens_and_end_where_they_should() -> None:
    assert tens(1000, 1_000_000) == (1000, 10_000, 100_000, 1_000_000)
    assert tens(1000, 25_000) == (1000, 10_000, 25_000)
    assert tens(1000, 1000) == (1000,)


def test_the_page_draws_points_law_knee_and_growth() -> None:
    ramp = climb("clients", 1, doubling(1024), OBJECTIVE, by_law(0.05, 0.002))
    growth = Growth((Size(1000, 100, 200, 1000), Size(10_000, 110, 210, 1000)))
    page = scaling.page("Scaling", [ramp], growth, [("machine", "this")])
    throughput, latency, objects = page.charts
    assert isinstance(throughput, Curves)
    assert [series.name for series in throughput.series] == ["measured", "fitted law"]
    assert {mark.label for mark in throughput.marks} == {"knee", "peak of the law"}
    assert isinstance(latency, Curves)
    assert "objective: p99 50 ms" in {mark.label for mark in latency.marks}
    assert objects.table.rows[1][0] == "10,000"
    assert len(throughput.table.rows) == len(ramp.steps)


def test_few_workers_make_no_law_and_one_no_gain() -> None:
    ramp = climb("workers", 1, counted([1]), OBJECTIVE, by_law(0.1, 0))
    assert ramp.fitted is None
    assert "one alone says nothing" in scaling.sentence(ramp)
    dead = Ramp("workers", (Step(1, 0, 1, 1),), OBJECTIVE)
    assert "nothing was answered" in scaling.sentence(dead)
    rate = climb("rate", 100, closing_in(400), OBJECTIVE, saturating(1e9))
    assert "as asked" in {series.name for series in scaling.page("x", [rate], None, ()).charts[0].series}  # type: ignore[union-attr]  # curves

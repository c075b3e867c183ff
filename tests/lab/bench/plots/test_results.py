"""Pages of stored results say what the results say."""

import pytest

from cybous3.lab.bench.fingerprint import take
from cybous3.lab.bench.plots.chart import Bars, Curves
from cybous3.lab.bench.plots.page import render
from cybous3.lab.bench.plots.results import Change, Past, comparison, history, latencies, of_history, of_outcome
from cybous3.lab.bench.result import Block, Latency, OpStats, Run
from cybous3.lab.bench.verdict.bootstrap import Interval
from cybous3.lab.bench.verdict.compare import Finding, Outcome, Word
from cybous3.lab.bench.verdict.history import History, Point, Step, Subject, Track
from cybous3.lab.bench.workload import Workload


def run(*, slower: bool = False, completed: bool = True) -> Run:
    service = Latency.of(range(100, 10_100))
    response = Latency.of(range(200, 10_200)) if slower else service
    block = Block(1.0, 2.0, (OpStats("get", 10_000, {}, 0, response, service),))
    return Run("own", "http://here", "strict", Workload("get"), "closed loop", take(), (block,), completed=completed)


def test_percentiles_are_drawn_as_far_as_there_are_values_for_them() -> None:
    (chart,) = latencies([run()]).charts
    assert isinstance(chart, Curves)
    (series,) = chart.series
    assert series.points[0] == pytest.approx((1, 0.1))
    # Five of 10,000 values lie beyond 99.95 %; beyond 99.99 % there is one, and chance.
    assert series.points[-1] == pytest.approx((2000, 10.1), rel=0.01)


def test_an_open_loop_shows_both_ways_of_counting() -> None:
    (chart,) = latencies([run(slower=True)]).charts
    assert isinstance(chart, Curves)
    assert [series.name for series in chart.series] == ["get", "get, from its real start"]


def test_an_incomplete_run_says_so() -> None:
    assert "INCOMPLETE" in latencies([run(completed=False)]).verdict
    assert "INCOMPLETE" not in latencies([run()]).verdict


def test_a_comparison_shows_every_metric_beside_what_matters() -> None:
    page = comparison("A/B", "PASS", [Change("get", 3, 1, 5, "PASS"), Change("put", 30, 25, 35, "REGRESSION")], 10, ())
    (chart,) = page.charts
    assert isinstance(chart, Bars)
    assert [mark.at for mark in chart.marks] == [0, 10, -10]
    assert chart.table.rows[1] == ("put", "+30.0 %", "+25.0..+35.0 %", "REGRESSION")
    assert "REGRESSION" in render(page)


def test_a_history_has_a_level_for_each_stretch() -> None:
    past = Past("throughput", "operations/s", (10, 10, 20, 20), ("a", "b", "c", "d"), (2,))
    (chart,) = history("History", "1 change", [past]).charts
    assert isinstance(chart, Curves)
    assert chart.series[1].points == ((0.5, 10), (2.5, 10), (2.5, 20), (4.5, 20))
    assert [(mark.at, mark.label) for mark in chart.marks] == [(2.5, "c")]
    assert [row[2] for row in chart.table.rows] == ["", "", "changed here", ""]


def test_a_verdict_becomes_a_page() -> None:
    finding = Finding("throughput", Word.PASS, Interval(0.0, -0.01, 0.01), 40)
    page = of_outcome(Outcome(Word.PASS, "inside", (finding,), ()), 10.0)
    assert page.verdict == "PASS: inside"
    assert page.charts[0].table.rows[0][0] == "throughput"


def test_stored_results_become_a_page_with_their_changes() -> None:
    points = tuple(Point(float(at), value, "abc") for at, value in enumerate((10, 10, 20, 20)))
    track = Track(Subject("own", "get 4KiB", "closed"), "throughput", points, (Step(2.0, "abc", 1.0, False, 0.001),))  # noqa: FBT003  # better
    page = of_history(History((track, Track(track.subject, "p50_us", ())), 4, 0))
    assert page.verdict == "1 changes in 1 series of 4 runs"
    assert page.charts[0].title == "own: get 4KiB, closed: throughput"
    assert page.charts[0].table.rows[2][2] == "changed here"

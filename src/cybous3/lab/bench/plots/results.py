"""Pages of stored results: latencies of one benchmark by percentile, a comparison of two, a history over time."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from cybous3.lab.bench.plots.chart import Axis, Bar, Bars, Chart, Curves, Mark, Page, Series, table_of
from cybous3.lab.bench.report import COLUMNS, circumstances, rows
from cybous3.lab.bench.result import Latency, OpStats, Run, merged_ops
from cybous3.lab.bench.verdict.compare import Outcome
from cybous3.lab.bench.verdict.history import History, Track, iso

PERCENTILES: Final = (0, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99)
_TICKS: Final = ((2.0, "50 %"), (10.0, "90 %"), (100.0, "99 %"), (1000.0, "99.9 %"), (10_000.0, "99.99 %"))
_FEW: Final = 5
"""A percentile beyond which fewer values than this lie says more of chance than of the server; it is left out."""


def latencies(runs: Sequence[Run]) -> Page:
    """Return the page of `benchmark`: a chart of percentiles for each run."""
    charts = tuple(_percentiles(run) for run in runs)
    first = runs[0]
    facts = (
        ("endpoint", first.endpoint),
        ("durability", first.durability),
        ("machine", f"{first.fingerprint.cpu}, {first.fingerprint.cores} cores, {first.fingerprint.filesystem}"),
    )
    ends = "" if all(run.completed for run in runs) else "INCOMPLETE: what was measured until it ended"
    return Page(f"Latency of {first.label}", ends or (f"{len(runs)} workloads" if len(runs) > 1 else ""), charts, facts)


def _percentiles(run: Run) -> Curves:
    series: list[Series] = []
    for op in merged_ops(run.blocks):
        series += _of_operation(op)
    return Curves(
        f"{run.workload.kind} {run.workload.sizes.text}, {run.load}",
        Axis("percentile", log=True, ticks=_TICKS),
        Axis("ms", log=True),
        tuple(series),
        table_of(COLUMNS, [tuple(row) for row in rows(run)]),
        note=circumstances(run),
    )


def _of_operation(op: OpStats) -> list[Series]:
    found = [Series(op.name, _curve(op.response), "line")]
    if op.response.encoded != op.service.encoded:
        found.append(Series(f"{op.name}, from its real start", _curve(op.service), "line"))
    return found


def _curve(latency: Latency) -> tuple[tuple[float, float], ...]:
    """Return points at 1 / (1 - percentile): each further nine takes the same room."""
    histogram = latency.histogram()
    return tuple(
        (1 / (1 - percentile / 100), max(histogram.get_value_at_percentile(percentile), 1) / 1000)
        for percentile in PERCENTILES
        if round(latency.count * (100 - percentile) / 100, 6) >= _FEW
    )


@dataclass(frozen=True, slots=True)
class Change:
    """How one metric differs between two sides, in percent (positive is worse), and the verdict on it."""

    name: str
    estimate: float
    low: float
    high: float
    word: str


def comparison(
    title: str, verdict: str, changes: Sequence[Change], minimum_percent: float, facts: Sequence[tuple[str, str]]
) -> Page:
    """Return the page of `compare`: every metric's interval beside the smallest change that matters."""
    table = table_of(
        ("metric", "change", "95 % interval", "verdict"),
        [(c.name, f"{c.estimate:+.1f} %", f"{c.low:+.1f}..{c.high:+.1f} %", c.word) for c in changes],
    )
    marks = (Mark(0.0, "equal"), Mark(minimum_percent, "worse matters"), Mark(-minimum_percent, "better matters"))
    bars = tuple(Bar(c.name, c.estimate, (c.low, c.high), f"%, {c.word}") for c in changes)
    note = "To the right is worse. Points are estimates, lines 95 % intervals, from interleaved pairs."
    chart = Bars("B against A", Axis("change, %"), bars, table, marks, note, dots=True)
    return Page(title, verdict, (chart,), tuple(facts))


def of_outcome(found: Outcome, minimum_percent: float, facts: Sequence[tuple[str, str]] = ()) -> Page:
    """Return the page of a verdict."""
    changes = [Change(one.metric, *one.interval.percent, str(one.word)) for one in found.findings]
    return comparison("B against A", f"{found.word}: {found.reason}", changes, minimum_percent, facts)


def of_history(found: History) -> Page:
    """Return the page of stored results; a metric without a figure has no chart."""
    pasts = [_past_of(track) for track in found.tracks if track.points]
    count = sum(len(past.changes) for past in pasts)
    return history("History", f"{count} changes in {len(pasts)} series of {found.runs} runs", pasts)


def _past_of(track: Track) -> "Past":
    times = [point.time for point in track.points]
    labels = tuple(f"{iso(point.time)} {point.commit}".strip() for point in track.points)
    changed = tuple(times.index(step.time) for step in track.steps)
    return Past(f"{track.subject}: {track.metric}", track.metric, tuple(p.value for p in track.points), labels, changed)


@dataclass(frozen=True, slots=True)
class Past:
    """One metric over stored results: a value and a label for each, and the indexes at which it changed."""

    name: str
    unit: str
    values: tuple[float, ...]
    labels: tuple[str, ...]
    changes: tuple[int, ...] = ()


def history(title: str, verdict: str, pasts: Sequence[Past], facts: Sequence[tuple[str, str]] = ()) -> Page:
    """Return the page of `history`: each metric in order of time, with the level of every stretch between changes."""
    charts: tuple[Chart, ...] = tuple(_past(past) for past in pasts)
    return Page(title, verdict, charts, tuple(facts))


def _past(past: Past) -> Curves:
    points = tuple((float(number), value) for number, value in enumerate(past.values, 1))
    series = (Series("measured", points, "dots"), Series("level", _levels(past), "line"))
    marks = tuple(Mark(index + 1 - 0.5, past.labels[index]) for index in past.changes)
    table = table_of(
        ("result", past.unit, "change"),
        [
            (label, f"{value:,.4g}", "changed here" if index in past.changes else "")
            for index, (label, value) in enumerate(zip(past.labels, past.values, strict=True))
        ],
    )
    return Curves(past.name, Axis("stored result, in order of time"), Axis(past.unit, zero=True), series, table, marks)


def _levels(past: Past) -> tuple[tuple[float, float], ...]:
    """Return a line at the mean of each stretch between changes."""
    edges = [0, *past.changes, len(past.values)]
    line: list[tuple[float, float]] = []
    for start, end in pairwise(edges):
        stretch = past.values[start:end]
        if stretch:
            level = sum(stretch) / len(stretch)
            line += [(start + 0.5, level), (end + 0.5, level)]
    return tuple(line)

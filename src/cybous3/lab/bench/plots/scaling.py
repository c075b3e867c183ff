"""Pages of `scale`: what was measured, the fitted law, the knee."""

from collections.abc import Sequence
from typing import Final

from cybous3.lab.bench.plots.chart import Axis, Chart, Curves, Mark, Page, Series, Table, table_of
from cybous3.lab.bench.plots.scale import short
from cybous3.lab.bench.scale import FLAT, Growth, Ramp, Step, fell
from cybous3.lab.bench.usl import Fit

_POINTS: Final = 80
_UNITS: Final = {"clients": "clients", "rate": "operations/s asked for", "workers": "workers"}


def page(title: str, ramps: Sequence[Ramp], growth: Growth | None, facts: Sequence[tuple[str, str]]) -> Page:
    """Return everything a run of `scale` found."""
    charts: list[Chart] = [chart for ramp in ramps for chart in _ramp(ramp)]
    said = [sentence(ramp) for ramp in ramps]
    if growth is not None and growth.sizes:
        charts.append(_growth(growth))
        said.append(flatness(growth))
    return Page(title, "; ".join(said), tuple(charts), tuple(facts))


def sentence(ramp: Ramp) -> str:
    """Return what one ramp says."""
    if ramp.over == "workers":
        return _workers(ramp)
    knee = ramp.knee
    unit = "operations/s" if ramp.over == "rate" else ramp.over
    if knee is None:
        return f"{ramp.over}: even {ramp.steps[0].load:g} {unit} break the objective ({ramp.broke})"
    place = f"{knee.load:g} {unit} ({knee.throughput:,.0f} operations/s)"
    if ramp.broke:
        return f"{ramp.over}: the knee is at {place}; beyond it {ramp.broke}"
    best = max(ramp.steps, key=lambda step: step.throughput)
    fallen = f"; throughput fell from {best.throughput:,.0f} operations/s at {best.load:g}" if fell(ramp.steps) else ""
    return f"{ramp.over}: within the objective up to {place}{fallen}"


def _workers(ramp: Ramp) -> str:
    first = ramp.steps[0]
    if not first.throughput:
        return "workers: nothing was answered"
    gains = [f"{step.load:g}: {step.throughput / first.throughput:.2f} x" for step in ramp.steps[1:]]
    return f"workers over one: {', '.join(gains)}" if gains else "workers: one alone says nothing"


def flatness(growth: Growth) -> str:
    """Return what a growing bucket says."""
    if growth.flat is None:
        return "objects: one size alone says nothing"
    worst = ", ".join(f"{name} {times:.2f} x" for name, times in growth.worst.items())
    return f"objects: {'flat' if growth.flat else 'not flat'} ({worst} of the smallest bucket; flat is {FLAT:g} x)"


def law(fitted: Fit) -> str:
    """Return a fitted law in a line."""
    peak = "no peak" if fitted.peak is None else f"peak at {fitted.peak:.0f}"
    beyond = "" if fitted.peak is None or fitted.within else " (beyond what was measured)"
    return f"sigma {fitted.sigma:.3f}, kappa {fitted.kappa:.5f}, {peak}{beyond}, relative error {fitted.error:.1%}"


def _ramp(ramp: Ramp) -> tuple[Curves, ...]:
    return _throughput(ramp), _latency(ramp)


def _x(ramp: Ramp) -> Axis:
    ticks = tuple((step.load, f"{step.load:g}") for step in ramp.steps) if ramp.over != "rate" else ()
    return Axis(_UNITS[ramp.over], log=ramp.over != "workers", ticks=ticks)


def _knee(ramp: Ramp) -> tuple[Mark, ...]:
    shown = ramp.knee is not None and ramp.broke and ramp.over != "workers"
    return (Mark(ramp.knee.load, "knee"),) if shown and ramp.knee else ()


def _throughput(ramp: Ramp) -> Curves:
    steps, fitted = ramp.steps, ramp.fitted
    series = [Series("measured", tuple((step.load, step.throughput) for step in steps), "both")]
    marks, note = _knee(ramp), ""
    if fitted is not None:
        series = [Series("measured", series[0].points, "dots"), Series("fitted law", _drawn(fitted), "line")]
        note = f"Universal Scalability Law: {law(fitted)}."
        if fitted.peak is not None and fitted.within:
            marks += (Mark(fitted.peak, "peak of the law"),)
    if ramp.over == "rate":
        series.append(Series("as asked", tuple((step.load, step.load) for step in steps), "line"))
    title = f"Throughput over {ramp.over}"
    return Curves(
        title, _x(ramp), Axis("operations/s that succeeded", zero=True), tuple(series), _table(ramp), marks, note
    )


def _drawn(fitted: Fit) -> tuple[tuple[float, float], ...]:
    low, high = fitted.loads
    loads = [low * (high / low) ** (number / _POINTS) for number in range(_POINTS + 1)]
    return tuple((load, fitted.throughput(load)) for load in loads)


def _latency(ramp: Ramp) -> Curves:
    def points(name: str) -> tuple[tuple[float, float], ...]:
        return tuple((step.load, max(getattr(step, name), 1) / 1000) for step in ramp.steps)

    series = (Series("p50", points("p50_us")), Series("p99", points("p99_us")))
    marks = (*_knee(ramp), Mark(ramp.objective.p99_ms, f"objective: p99 {ramp.objective.p99_ms:g} ms", "y"))
    return Curves(f"Latency over {ramp.over}", _x(ramp), Axis("ms", log=True), series, _table(ramp), marks)


COLUMNS: Final = ("load", "operations/s", "p50 ms", "p99 ms", "errors", "generator", "objective")


def cells(ramp: Ramp) -> list[tuple[str, ...]]:
    """Return the rows of a ramp's table, by COLUMNS."""
    return [_cells(step, ramp.objective.broken_by(step)) for step in ramp.steps]


def _cells(step: Step, broken: str) -> tuple[str, ...]:
    times = (f"{step.p50_us / 1000:.2f}", f"{step.p99_us / 1000:.2f}")
    shares = (f"{step.errors:.2%}", f"{step.generator:.0%} of a core")
    return (f"{step.load:g}", f"{step.throughput:,.0f}", *times, *shares, broken or "held")


def _table(ramp: Ramp) -> Table:
    return table_of(COLUMNS, cells(ramp))


GROWTH_COLUMNS: Final = ("objects", "GET p50 ms", "PUT p50 ms", "LIST 1,000 keys p50 ms", "over the smallest")


def growth_cells(growth: Growth) -> list[tuple[str, ...]]:
    """Return the rows of a growing bucket's table, by GROWTH_COLUMNS."""
    first = growth.sizes[0]
    return [
        (
            f"{size.objects:,}",
            *(f"{us / 1000:.2f}" for us in (size.get_us, size.put_us, size.list_us)),
            ", ".join(f"{name} {times:.2f} x" for name, times in size.times(first).items()),
        )
        for size in growth.sizes
    ]


def _growth(growth: Growth) -> Curves:
    names = {"GET": "get_us", "PUT": "put_us", "LIST, 1,000 keys": "list_us"}
    series = tuple(
        Series(name, tuple((size.objects, getattr(size, field) / 1000) for size in growth.sizes))
        for name, field in names.items()
    )
    ticks = tuple((float(size.objects), short(size.objects)) for size in growth.sizes)
    x = Axis("objects in the bucket", log=True, ticks=ticks)
    table = table_of(GROWTH_COLUMNS, growth_cells(growth))
    return Curves("Medians in a growing bucket", x, Axis("ms", log=True), series, table)

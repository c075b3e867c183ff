"""The page of `overhead`: each size and direction with its interval, beside the target."""

from collections.abc import Sequence
from typing import Final

from cybous3.lab.bench.overhead import Cost
from cybous3.lab.bench.plots.chart import Axis, Bar, Bars, Mark, Page, table_of
from cybous3.lab.bench.verdict.bootstrap import Interval
from cybous3.lab.bench.workload import MIB

COLUMNS: Final = ("what", "costs", "95 % interval", "target", "client CPU", "pairs", "plain", "verdict")
_KIB: Final = 1024


def page(costs: Sequence[Cost], facts: Sequence[tuple[str, str]], *, interrupted: bool = False) -> Page:
    """Return the page."""
    title = "What encryption costs"
    words = "; ".join(f"{name(cost)}: {cost.word}" for cost in costs)
    bars = tuple(_bar(cost) for cost in costs)
    targets = sorted({cost.target for cost in costs})
    marks = (Mark(0.0, "no cost"), *(Mark(target, f"target {target:g} %") for target in targets))
    chart = Bars(
        "Wall time with encryption over wall time without",
        Axis("more time than plain, %"),
        bars,
        table_of(COLUMNS, [cells(cost) for cost in costs]),
        marks,
        "Points are estimates, lines 95 % intervals, from interleaved pairs.",
        dots=True,
    )
    return Page(title, f"{'INTERRUPTED; ' if interrupted else ''}{words}", (chart,), tuple(facts))


def name(cost: Cost) -> str:
    """Return what was moved which way: `put 64 MiB`."""
    size = f"{cost.size // MIB} MiB" if cost.size >= MIB else f"{cost.size / _KIB:g} KiB"
    return f"{cost.direction} {size}" + ("" if cost.mode == "client" else f", {cost.mode}")


def cells(cost: Cost) -> tuple[str, ...]:
    """Return one row, by COLUMNS."""
    plain = sorted(pair[0].wall_s for pair in cost.pairs)[len(cost.pairs) // 2]
    estimate, ends = _percent(cost.wall)
    cpu, _ = _percent(cost.cpu)
    target = f"< {cost.target:g} %"
    return (name(cost), estimate, ends, target, cpu, str(len(cost.pairs)), f"{plain:.3f} s", str(cost.word))


def _percent(found: Interval | None) -> tuple[str, str]:
    if found is None:
        return "-", "too few pairs"
    estimate, low, high = found.percent
    return f"{estimate:+.1f} %", f"{low:+.1f}..{high:+.1f} %"


def _bar(cost: Cost) -> Bar:
    if cost.wall is None:
        return Bar(name(cost), None, note="too few pairs")
    estimate, low, high = cost.wall.percent
    return Bar(name(cost), estimate, (low, high), f"%, {cost.word}")

"""The page of `vs`, and its tables for the terminal: a figure never stands without its durability."""

from collections.abc import Sequence
from math import isnan
from typing import Final

from cybous3.lab.bench.plots.chart import Axis, Bar, Bars, Page, Table, table_of
from cybous3.lab.bench.rivals.lane import GENERATORS, Row
from cybous3.lab.bench.vs import Comparison, Contender, Figure

NOT_TAKEN: Final = "-"
_WHOLE_ABOVE: Final = 100


def page(found: Comparison, facts: Sequence[tuple[str, str]]) -> Page:
    """Return the page."""
    charts = tuple(_chart(found, row) for row in found.rows)
    absent = tuple(f"{item.name}: {item.reason}" for item in found.contenders if item.reason)
    return Page("cybous3 beside other S3 servers", verdict(found), charts, tuple(facts), (*absent, *notes(found)))


def verdict(found: Comparison) -> str:
    """Return what was measured, and how far it came."""
    there = sum(1 for item in found.contenders if not item.reason)
    end = ", INTERRUPTED: what was measured until then" if found.interrupted else ""
    return f"{there} servers, {found.rounds} interleaved rounds, medians{end}"


def notes(found: Comparison) -> tuple[str, ...]:
    """Return what a reader must know: what made the figures, and everything that failed."""
    made = [f"{row.name}: {GENERATORS[row.generator]}" for row in found.rows]
    failed = [
        f"{item.name}, {name}: {problem}"
        for item in found.contenders
        for name, figure in item.figures.items()
        for problem in figure.problems
    ]
    uncounted = [
        f"{item.name}: syncs not counted: {item.syncs.reason}" for item in found.contenders if item.syncs.reason
    ]
    return (*dict.fromkeys(made), *failed, *uncounted)


def columns(found: Comparison) -> tuple[str, ...]:
    """Return the headings of the terminal's table."""
    return ("server", "version", "durability", "fsyncs/write", *(f"{row.name} {_unit(row)}" for row in found.rows))


def _unit(row: Row) -> str:
    return "MiB/s" if row.large else "/s"


def lines(found: Comparison) -> list[tuple[str, ...]]:
    """Return its rows; a server that is not there has its reason instead of figures."""
    return [_line(found, item) for item in found.contenders]


def _line(found: Comparison, item: Contender) -> tuple[str, ...]:
    head = (item.name, item.version or NOT_TAKEN, item.durability, fsyncs(item))
    if item.reason:
        return (*head, "not measured", *([NOT_TAKEN] * (len(found.rows) - 1)))
    return (*head, *(value(item, row) for row in found.rows))


def fsyncs(item: Contender) -> str:
    """Return syncs for each write with one client and with 16: `1.0 / 0.21`."""
    return " / ".join(f"{count:.2g}" for count in item.syncs.per_write) or NOT_TAKEN


def value(item: Contender, row: Row) -> str:
    """Return one cell; a star where something in it failed."""
    if row.method == "PUT" and not item.writes:
        return "n/a"
    figure = item.figures.get(row.name, Figure())
    if figure.median is None:
        return "failed" if figure.problems else NOT_TAKEN
    digits = 0 if figure.median >= _WHOLE_ABOVE else 1
    return f"{figure.median:,.{digits}f}{'*' if figure.problems else ''}"


RATIO_HEAD: Final = "cybous3 over"


def ratio_lines(found: Comparison) -> list[tuple[str, ...]]:
    """Return how many times as fast ours is, with the 95 % interval, for each other server that has figures."""
    others = [item for item in found.contenders if not item.strong and not item.reason]
    return [(item.name, *(ratio(found, row, item) for row in found.rows)) for item in others]


def ratio(found: Comparison, row: Row, item: Contender) -> str:
    """Return one ratio: `3.1 (2.8..3.4)`; without an interval where the rounds are too few for one."""
    times = found.ratio(row, item)
    if times is None:
        return "n/a" if row.method == "PUT" and not item.writes else NOT_TAKEN
    estimate, low, high = times
    return f"{estimate:.2f}" if isnan(low) else f"{estimate:.2f} ({low:.2f}..{high:.2f})"


def _chart(found: Comparison, row: Row) -> Bars:
    bars = tuple(_bar(item, row) for item in found.contenders)
    axis = Axis("MiB/s" if row.large else "requests/s", zero=True)
    note = f"Made by {GENERATORS[row.generator]}. Whiskers: the middle half of the rounds."
    return Bars(row.name, axis, bars, _table(found, row), note=note)


def _bar(item: Contender, row: Row) -> Bar:
    figure = item.figures.get(row.name, Figure())
    if item.reason:
        return Bar(item.name, None, note="not measured", strong=item.strong)
    if figure.median is None:
        return Bar(item.name, None, note=value(item, row), strong=item.strong)
    return Bar(item.name, figure.median, figure.middle_half, item.durability, strong=item.strong)


def _table(found: Comparison, row: Row) -> Table:
    head = ("server", "version", "durability", "fsyncs/write", _unit(row), "cybous3 is so many times as fast")
    return table_of(
        head,
        [
            (
                item.name,
                item.version or NOT_TAKEN,
                item.durability,
                fsyncs(item),
                "not measured" if item.reason else value(item, row),
                NOT_TAKEN if item.strong or item.reason else ratio(found, row, item),
            )
            for item in found.contenders
        ],
    )

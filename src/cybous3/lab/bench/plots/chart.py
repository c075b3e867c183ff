"""What a picture says, before anything is drawn: curves, bars with intervals, and the table beneath them.

Values only. `svg` and `png` draw the same values, so the page and the picture cannot disagree; each chart carries its
figures as a table, because a curve alone cannot be read off, copied or heard.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Point = tuple[float, float]
Band = tuple[float, float, float]
"""x, lower end, upper end."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under headings; the first column names the row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis. `ticks` replaces the ticks that would be chosen (position, text)."""

    label: str
    log: bool = False
    ticks: tuple[tuple[float, str], ...] = ()
    zero: bool = False  # begins at zero, as lengths that are compared must


@dataclass(frozen=True, slots=True)
class Series:
    """One curve. `kind` tells measured points from a fitted line; `band` is an interval around it."""

    name: str
    points: tuple[Point, ...]
    kind: Literal["line", "dots", "both", "steps"] = "both"
    band: tuple[Band, ...] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """A line across the chart with a word at it: a knee, a target, a change."""

    at: float
    label: str
    axis: Literal["x", "y"] = "x"


@dataclass(frozen=True, slots=True)
class Curves:
    """Curves over two axes."""

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    table: Table
    marks: tuple[Mark, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """One value with its name. `interval` are its ends; `note` stands beside the value."""

    name: str
    value: float | None  # None: not measured; `note` says why
    interval: tuple[float, float] | None = None
    note: str = ""
    strong: bool = False  # the one that is compared with the others


@dataclass(frozen=True, slots=True)
class Bars:
    """Lengths beside each other, or with `dots` only their ends and intervals (for ratios around a mark)."""

    title: str
    x: Axis
    bars: tuple[Bar, ...]
    table: Table
    marks: tuple[Mark, ...] = ()
    note: str = ""
    dots: bool = False


Chart = Curves | Bars


@dataclass(frozen=True, slots=True)
class Page:
    """Everything one command shows. `facts` say how it was measured; they stand above the charts."""

    title: str
    verdict: str
    charts: tuple[Chart, ...]
    facts: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = field(default=())


def table_of(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a table, whatever kinds of sequences its cells came in."""
    return Table(tuple(columns), tuple(tuple(row) for row in rows))

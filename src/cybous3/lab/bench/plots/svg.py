"""A chart as SVG text for a page: no script, nothing fetched, colours from the page's own style sheet.

Colours are classes (`c0`, `c1`, ...) and CSS variables, so that one drawing is right in light and in dark. Every point
has a `<title>`, which browsers show under the pointer and screen readers read.
"""

from html import escape
from typing import Final

from cybous3.lab.bench.plots.chart import Bar, Bars, Chart, Curves, Mark, Point, Series
from cybous3.lab.bench.plots.scale import Scale, scale_for, short, spread

WIDTH: Final = 860
COLOURS: Final = 8
_HEIGHT: Final = 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 24, 26, 50
_ROW: Final = 34
_LEGEND_ROW: Final = 20
_LETTER: Final = 7.2
"""About the width of a letter at the size used, to keep words from running out of the picture."""


class Frame:
    """Where the axes lie in the picture, in its own units; y grows downwards."""

    def __init__(self, x: Scale, y: Scale | None, left: float, top: float, width: float, height: float) -> None:
        self.scale_x, self.scale_y = x, y
        self.left, self.top, self.width, self.height = left, top, width, height

    def x(self, value: float) -> float:
        """Return the place of a value on the horizontal axis."""
        return round(self.left + self.scale_x.place(value) * self.width, 1)

    def y(self, value: float) -> float:
        """Return the place of a value on the vertical axis."""
        place = 0.0 if self.scale_y is None else self.scale_y.place(value)
        return round(self.top + (1 - place) * self.height, 1)

    @property
    def bottom(self) -> float:
        """The lower edge."""
        return self.top + self.height

    @property
    def right(self) -> float:
        """The right edge."""
        return self.left + self.width


def draw(chart: Chart) -> str:
    """Return the chart as one `<svg>` element."""
    return _curves(chart) if isinstance(chart, Curves) else _bars(chart)


def _curves(chart: Curves) -> str:
    xs = [x for series in chart.series for x, _ in series.points] + _marked(chart.marks, "x")
    ys = [y for series in chart.series for _, y in series.points] + _marked(chart.marks, "y")
    ys += [end for series in chart.series for _, low, high in series.band for end in (low, high)]
    legend = _legend(chart.series)
    top = _TOP + (_LEGEND_ROW if legend else 0)
    frame = Frame(
        scale_for(chart.x, xs), scale_for(chart.y, ys), _LEFT, top, WIDTH - _LEFT - _RIGHT, _HEIGHT - top - _BOTTOM
    )
    parts = [legend, _grid_x(frame), _grid_y(frame), _labels(frame, chart.x.label, chart.y.label)]
    parts += [_series(frame, number, series) for number, series in enumerate(chart.series)]
    parts.append(_marks(frame, chart.marks))
    return _svg(chart.title, _HEIGHT, parts)


def _marked(marks: tuple[Mark, ...], axis: str) -> list[float]:
    return [mark.at for mark in marks if mark.axis == axis]


def _svg(title: str, height: float, parts: list[str]) -> str:
    body = "".join(parts)
    return f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(title)}">{body}</svg>'


def _text(x: float, y: float, text: str, anchor: str = "middle", kind: str = "tick", more: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" class="{kind}"{more}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" class="{kind}"/>'


def _grid_x(frame: Frame) -> str:
    lines = [
        _line(frame.x(at), frame.top, frame.x(at), frame.bottom, "grid") + _text(frame.x(at), frame.bottom + 18, text)
        for at, text in frame.scale_x.ticks
    ]
    return "".join(lines) + _line(frame.left, frame.bottom, frame.right, frame.bottom, "axis")


def _grid_y(frame: Frame) -> str:
    ticks = frame.scale_y.ticks if frame.scale_y else ()
    return "".join(
        _line(frame.left, frame.y(at), frame.right, frame.y(at), "grid")
        + _text(frame.left - 8, frame.y(at) + 4, text, "end")
        for at, text in ticks
    )


def _labels(frame: Frame, x: str, y: str) -> str:
    below = _text(frame.left + frame.width / 2, frame.bottom + 40, x, kind="label")
    return below + _text(frame.left - 60, frame.top - 12, y, "start", "label")


def _legend(series: tuple[Series, ...]) -> str:
    if len(series) <= 1:
        return ""
    parts, at = [], float(_LEFT + 220)
    for number, item in enumerate(series):
        mark = f'<rect x="{at:g}" y="8" width="14" height="10" rx="2" class="f{number % COLOURS}"/>'
        parts.append(mark + _text(at + 20, 17, item.name, "start", "legend"))
        at += 20 + len(item.name) * _LETTER + 18
    return "".join(parts)


def _series(frame: Frame, number: int, series: Series) -> str:
    colour = number % COLOURS
    points = [(frame.x(x), frame.y(y)) for x, y in series.points]
    parts = [_band(frame, colour, series)]
    if series.kind != "dots" and points:
        path = _stairs(points) if series.kind == "steps" else points
        joined = " ".join(f"{x:g},{y:g}" for x, y in path)
        parts.append(f'<polyline points="{joined}" class="line c{colour}"/>')
    if series.kind in {"dots", "both"}:
        parts += [
            f'<circle cx="{px:g}" cy="{py:g}" r="3.6" class="f{colour}">'
            f"<title>{escape(series.name)}: {short(x)} → {short(y)}</title></circle>"
            for (px, py), (x, y) in zip(points, series.points, strict=True)
        ]
    return "".join(parts)


def _stairs(points: list[Point]) -> list[Point]:
    """Return the points with a corner between each two: a value holds until the next one."""
    path = points[:1]
    for x, y in points[1:]:
        path += [(x, path[-1][1]), (x, y)]
    return path


def _band(frame: Frame, colour: int, series: Series) -> str:
    if not series.band:
        return ""
    upper = [(frame.x(x), frame.y(high)) for x, _, high in series.band]
    lower = [(frame.x(x), frame.y(low)) for x, low, _ in reversed(series.band)]
    joined = " ".join(f"{x:g},{y:g}" for x, y in upper + lower)
    return f'<polygon points="{joined}" class="band f{colour}"/>'


def _marks(frame: Frame, marks: tuple[Mark, ...]) -> str:
    parts = []
    upright = [mark for mark in marks if mark.axis == "x"]
    heights = _label_heights(frame, upright)
    for mark, height in zip(upright, heights, strict=True):
        x = frame.x(mark.at)
        beyond = x + len(mark.label) * _LETTER > frame.right
        word = _text(x - 6 if beyond else x + 6, height, mark.label, "end" if beyond else "start", "marked")
        parts.append(_line(x, frame.top, x, frame.bottom, "mark") + word)
    for mark in (mark for mark in marks if mark.axis == "y"):
        y = frame.y(mark.at)
        parts.append(_line(frame.left, y, frame.right, y, "mark"))
        parts.append(_text(frame.left + 6, y - 6, mark.label, "start", "marked"))
    return "".join(parts)


def _label_heights(frame: Frame, marks: list[Mark]) -> list[float]:
    """Return a height for each upright mark's word, a line lower for each so that near ones can be read."""
    return spread([frame.top + 14.0] * len(marks), 16)


def _bars(chart: Bars) -> str:
    ends = [end for bar in chart.bars for end in (bar.value, *(bar.interval or ())) if end is not None]
    names = max((len(bar.name) for bar in chart.bars), default=0) * _LETTER * 1.12 + 18
    words = max((len(_word(bar)) for bar in chart.bars), default=0) * _LETTER + 12
    height = _ROW * len(chart.bars)
    scale = scale_for(chart.x, ends + _marked(chart.marks, "x"))
    frame = Frame(scale, None, names, _TOP + 8, WIDTH - names - words - _RIGHT, height)
    parts = [_grid_x(frame), _text(frame.left + frame.width / 2, frame.bottom + 40, chart.x.label, kind="label")]
    parts += [_bar(frame, number, bar, dots=chart.dots) for number, bar in enumerate(chart.bars)]
    parts.append(_bar_marks(frame, chart.marks))
    return _svg(chart.title, frame.bottom + _BOTTOM, parts)


def _bar_marks(frame: Frame, marks: tuple[Mark, ...]) -> str:
    """Return upright marks whose words stand above the bars, where nothing else is."""
    return "".join(
        _line(frame.x(mark.at), frame.top - 6, frame.x(mark.at), frame.bottom, "mark")
        + _text(frame.x(mark.at), frame.top - 12, mark.label, kind="marked")
        for mark in marks
    )


def _word(bar: Bar) -> str:
    value = "" if bar.value is None else short(bar.value)
    return "  ".join(part for part in (value, bar.note) if part)


def _bar(frame: Frame, number: int, bar: Bar, *, dots: bool) -> str:
    middle = frame.top + _ROW * (number + 0.5)
    parts = [_text(frame.left - 10, middle + 4, bar.name, "end", "name strong" if bar.strong else "name")]
    end = frame.left
    if bar.value is not None:
        colour = 0 if bar.strong else 1
        end = frame.x(bar.value)
        parts.append(_dot(end, middle, colour) if dots else _length(frame, end, middle, colour))
        if bar.interval:
            low, high = (frame.x(value) for value in bar.interval)
            parts.append(_whisker(low, high, middle))
            end = max(end, high)
    # Beside intervals the words would dance; there they stand in a column of their own.
    at = frame.right if dots else end
    return "".join(parts) + _text(at + 10, middle + 4, _word(bar), "start", "value")


def _dot(x: float, middle: float, colour: int) -> str:
    return f'<circle cx="{x:g}" cy="{middle:g}" r="5" class="f{colour}"/>'


def _length(frame: Frame, end: float, middle: float, colour: int) -> str:
    width = max(end - frame.left, 1)
    return f'<rect x="{frame.left:g}" y="{middle - 10:g}" width="{width:g}" height="20" rx="2" class="f{colour}"/>'


def _whisker(low: float, high: float, middle: float) -> str:
    ends = "".join(_line(x, middle - 5, x, middle + 5, "whisker") for x in (low, high))
    return _line(low, middle, high, middle, "whisker") + ends

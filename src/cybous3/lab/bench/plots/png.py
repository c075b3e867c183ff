"""A page as one PNG, drawn by matplotlib without a display: the same charts as the HTML page, one below the other."""

import textwrap
from pathlib import Path
from typing import Any, Final

from cybous3.lab.bench.extras import need
from cybous3.lab.bench.plots.chart import Axis, Bar, Bars, Chart, Curves, Page
from cybous3.lab.bench.plots.page import LIGHT
from cybous3.lab.bench.plots.scale import Scale, scale_for, short

_WIDTH_IN: Final = 9.2
_CURVES_IN: Final = 4.2
_BAR_IN: Final = 0.42
_BARS_EXTRA_IN: Final = 1.35
_HEAD_IN: Final = 0.75
_LINE_IN: Final = 0.18
_VERDICT_LETTERS: Final = 105
_DPI: Final = 130
_SOFT: Final = "#5a636e"
_RULE: Final = "#e3e6ea"


def write(page: Page, path: Path) -> None:
    """Draw the page. Raises what `need` raises without matplotlib, and OSError."""
    # Agg draws into memory: it needs no display, and chooses no toolkit of the desktop.
    figure_module, agg = need("matplotlib.figure"), need("matplotlib.backends.backend_agg")
    heights = [_height(chart) for chart in page.charts]
    verdict = textwrap.wrap(page.verdict, _VERDICT_LETTERS) or [""]
    head = _HEAD_IN + _LINE_IN * (len(verdict) - 1)
    whole = head + sum(heights)
    figure = figure_module.Figure(figsize=(_WIDTH_IN, whole), layout="constrained")
    agg.FigureCanvasAgg(figure)
    figure.get_layout_engine().set(rect=(0, 0, 1, 1 - head / whole), h_pad=0.12)
    figure.text(0.02, 1 - 0.28 / whole, page.title, fontsize=14, weight="bold", va="center")
    figure.text(0.02, 1 - 0.46 / whole, "\n".join(verdict), fontsize=10, va="top")
    rows = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)
    for (axes,), chart in zip(rows, page.charts, strict=True):
        _chart(axes, chart)
    figure.savefig(path, dpi=_DPI, format="png")


def _chart(axes: Any, chart: Chart) -> None:  # noqa: ANN401  # matplotlib's axes
    if isinstance(chart, Curves):
        _curves(axes, chart)
    else:
        _bars(axes, chart)


def _height(chart: Chart) -> float:
    return _CURVES_IN if isinstance(chart, Curves) else _BARS_EXTRA_IN + _BAR_IN * len(chart.bars)


def _dressed(axes: Any, title: str) -> None:  # noqa: ANN401  # likewise
    axes.set_title(title, loc="left", fontsize=11, weight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#8c959f")
    axes.tick_params(colors=_SOFT, labelsize=9, which="both")
    axes.set_axisbelow(True)


def _curves(axes: Any, chart: Curves) -> None:  # noqa: ANN401  # likewise
    _dressed(axes, chart.title)
    marked = {name: [mark.at for mark in chart.marks if mark.axis == name] for name in ("x", "y")}
    ends = [end for series in chart.series for _, low, high in series.band for end in (low, high)]
    across = scale_for(chart.x, [x for series in chart.series for x, _ in series.points] + marked["x"])
    upwards = scale_for(chart.y, [y for series in chart.series for _, y in series.points] + marked["y"] + ends)
    _axis(axes.xaxis, axes.set_xscale, axes.set_xlim, chart.x, across)
    _axis(axes.yaxis, axes.set_yscale, axes.set_ylim, chart.y, upwards)
    axes.grid(color=_RULE, linewidth=0.8)
    for number, series in enumerate(chart.series):
        _one_series(axes, LIGHT[number % len(LIGHT)], series)
    _marks(axes, chart, across, upwards)
    if len(chart.series) > 1:
        axes.legend(frameon=False, fontsize=9, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(chart.series))


def _axis(axis: Any, set_scale: Any, set_limits: Any, told: Axis, scale: Scale) -> None:  # noqa: ANN401  # likewise
    set_scale("log" if told.log else "linear")
    set_limits(scale.low, scale.high)
    axis.set_ticks([at for at, _ in scale.ticks], [text for _, text in scale.ticks])
    axis.set_ticks([], minor=True)
    axis.set_label_text(told.label, color=_SOFT, fontsize=9)


def _one_series(axes: Any, colour: str, series: Any) -> None:  # noqa: ANN401  # likewise
    xs, ys = [x for x, _ in series.points], [y for _, y in series.points]
    style: dict[str, Any] = {"color": colour, "label": series.name, "linewidth": 1.8, "markersize": 4.5}
    style |= {"marker": "" if series.kind in {"line", "steps"} else "o"}
    style |= {"linestyle": "none"} if series.kind == "dots" else {}
    axes.plot(xs, ys, drawstyle="steps-post" if series.kind == "steps" else "default", **style)
    if series.band:
        left, low, high = zip(*series.band, strict=True)
        axes.fill_between(left, low, high, color=colour, alpha=0.16, linewidth=0)


def _marks(axes: Any, chart: Curves, across: Scale, upwards: Scale) -> None:  # noqa: ANN401  # likewise
    word: dict[str, Any] = {"fontsize": 9, "textcoords": "offset points"}
    line: dict[str, Any] = {"color": "black", "linestyle": (0, (4, 4)), "linewidth": 1, "alpha": 0.55}
    lines_down = 0
    for mark in chart.marks:
        if mark.axis == "y":
            axes.axhline(mark.at, **line)
            axes.annotate(mark.label, (across.low, mark.at), xytext=(5, 4), **word)
            continue
        axes.axvline(mark.at, **line)
        side = {"xytext": (5, -12 - 13 * lines_down), "ha": "left"}
        if across.place(mark.at) > 0.7:  # noqa: PLR2004  # near the right edge the word goes to the left of its line
            side = {"xytext": (-5, -12 - 13 * lines_down), "ha": "right"}
        axes.annotate(mark.label, (mark.at, upwards.high), **side, **word)
        lines_down += 1


def _bars(axes: Any, chart: Bars) -> None:  # noqa: ANN401  # likewise
    _dressed(axes, chart.title)
    ends = [end for bar in chart.bars for end in (bar.value, *(bar.interval or ())) if end is not None]
    scale = scale_for(chart.x, ends + [mark.at for mark in chart.marks])
    _axis(axes.xaxis, axes.set_xscale, axes.set_xlim, chart.x, scale)
    axes.set_ylim(len(chart.bars) - 0.5, -0.5)
    axes.set_yticks(range(len(chart.bars)), [bar.name for bar in chart.bars])
    axes.tick_params(axis="y", length=0, labelcolor="black")
    axes.grid(axis="x", color=_RULE, linewidth=0.8)
    for number, bar in enumerate(chart.bars):
        _bar(axes, number, bar, scale, dots=chart.dots)
    for mark in chart.marks:
        axes.axvline(mark.at, color="black", linestyle=(0, (4, 4)), linewidth=1, alpha=0.55)
        axes.annotate(mark.label, (mark.at, -0.5), xytext=(4, -10), textcoords="offset points", fontsize=9)


def _bar(axes: Any, number: int, bar: Bar, scale: Scale, *, dots: bool) -> None:  # noqa: ANN401  # likewise
    end = scale.low
    if bar.value is not None:
        colour = LIGHT[0 if bar.strong else 1]
        if dots:
            axes.plot([bar.value], [number], "o", color=colour, markersize=7)
        else:
            axes.barh(number, bar.value - scale.low, left=scale.low, height=0.6, color=colour)
        end = bar.value
        if bar.interval:
            axes.plot(bar.interval, [number, number], "|-", color="black", linewidth=1.2, markersize=8)
            end = max(end, bar.interval[1])
    text = "  ".join(part for part in ("" if bar.value is None else short(bar.value), bar.note) if part)
    # Words stand at the end of a bar; where intervals scatter, in a column of their own.
    place = (scale.high if dots else end, number)
    axes.annotate(text, place, xytext=(6, -3), textcoords="offset points", fontsize=9, annotation_clip=False)

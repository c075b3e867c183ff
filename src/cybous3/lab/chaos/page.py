"""A verdict as one HTML file that needs nothing else: no script, nothing fetched, readable in light, dark and print.

Pure: the JSON document in, the page out, so that a page can be made again of any stored verdict. The drawing has one
axis of time for everything: phases behind, operations and errors in bars, the slowest answers as a line, faults as
bands below. Whatever is drawn stands as a table beneath.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

_WIDTH, _LEFT, _LOAD, _LANE, _SLOW = 900, 60, 150, 18, 80
_FIGURES: Final = ("count", "how many", "after warm-up", "at the end", "slope an hour", "gained", "allowed to gain")
_NAME: Final = 60  # a narrower phase has no room for its name
_STYLE: Final = """
:root{color-scheme:light dark;--back:#fff;--text:#1b1f24;--soft:#5a636e;--rule:#e3e6ea;--head:#f4f6f8;
--load:#7aa7cc;--bad:#c23b22;--good:#1a7f4b;--slow:#6b4fa0;--fault:#d98a1f;--phase:#f1f4f7}
@media(prefers-color-scheme:dark){:root{--back:#14171b;--text:#e8ebee;--soft:#a3adb8;--rule:#2b3138;--head:#1d2228;
--load:#3f6d94;--bad:#f0806a;--good:#4fc98a;--slow:#b59ae8;--fault:#e8a84a;--phase:#1b2026}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:980px;padding:28px 24px 64px;background:var(--back);color:var(--text);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:24px;margin:0}h2{font-size:17px;margin:36px 0 8px}p{margin:4px 0}
.verdict{font-size:18px;font-weight:650}.passed{color:var(--good)}.failed{color:var(--bad)}.soft{color:var(--soft)}
svg{display:block;width:100%;height:auto;font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
text{fill:var(--text)}.t{fill:var(--soft)}.phase{fill:var(--phase)}.load{fill:var(--load)}.err{fill:var(--bad)}
.fault{fill:var(--fault)}.slow{fill:none;stroke:var(--slow);stroke-width:1.6}.rule{stroke:var(--rule)}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:13px;width:100%}
th,td{padding:4px 10px;text-align:left;border-bottom:1px solid var(--rule);vertical-align:top}
thead th{background:var(--head);white-space:nowrap}
th.n,td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td:first-child{white-space:nowrap}pre{background:var(--head);padding:12px;overflow-x:auto;font-size:13px}
@media print{body{max-width:none}svg,table{break-inside:avoid}}
"""


def page(document: Mapping[str, Any]) -> str:
    """Return the whole page of a verdict's document."""
    verdict, title = str(document["verdict"]), escape(str(document["title"]))
    plan = document["plan"]
    facts = (
        f"seed {document['seed']}, plan {plan['fingerprint']}, {plan['operations']} operations, "
        f"{plan['faults']} faults, {document['seconds']:g} s"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}: {verdict}</title><style>{_STYLE}</style></head>\n<body>\n<h1>{title}</h1>"
        f'<p class="verdict {verdict}">{verdict.upper()}</p><p class="soft">{escape(facts)}</p>\n'
        f"<h2>What happened when</h2>{_drawing(document)}\n"
        f"<h2>Checks</h2>{_checks(document['checks'])}\n<h2>Faults</h2>{_faults(document['faults'])}\n"
        f"<h2>Operations</h2>{_operations(document['operations'])}{_errors(document['errors'])}\n"
        f"{_flatness(document)}<h2>Contents</h2>{_pairs(document['contents'])}\n</body></html>\n"
    )


# --- the drawing


def _drawing(document: Mapping[str, Any]) -> str:
    seconds = max(float(document["seconds"]), 1e-9)
    faults = [one for one in document["faults"] if one["began_s"] is not None]
    lanes = _LOAD + 30 + _LANE * max(1, len(faults))
    height = lanes + _SLOW + 40

    def x(at: float) -> float:
        return round(_LEFT + (_WIDTH - _LEFT) * min(1.0, max(0.0, at / seconds)), 1)

    parts = [*_phases(document["phases"], x, height), *_bars(document["timeline"], x)]
    parts += _bands(faults, x, _LOAD + 26)
    parts += _slowest(document["timeline"], x, lanes + 10)
    parts += _ticks(seconds, x, height)
    label = "operations, errors, faults and answer times over the run"
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _phases(phases: Sequence[Mapping[str, Any]], x: Any, height: int) -> Iterable[str]:  # noqa: ANN401  # the scale
    for number, phase in enumerate(phases):
        left, width = x(phase["began_s"]), x(phase["ended_s"]) - x(phase["began_s"])
        if number % 2:
            yield f'<rect class="phase" x="{left}" y="0" width="{max(0.5, width):.1f}" height="{height - 20}"/>'
        if width > _NAME:
            yield f'<text class="t" x="{left + 4}" y="14">{escape(phase["name"])}</text>'


def _bars(timeline: Sequence[Mapping[str, Any]], x: Any) -> Iterable[str]:  # noqa: ANN401  # the scale
    most = max((one["operations"] for one in timeline), default=0) or 1
    width = (_WIDTH - _LEFT) / max(1, len(timeline))
    yield f'<text class="t" x="{_LEFT - 6}" y="30" text-anchor="end">{most}</text>'
    yield f'<text class="t" x="{_LEFT - 6}" y="{_LOAD + 20}" text-anchor="end">0</text>'
    for one in timeline:
        for kind, count in (("load", one["operations"]), ("err", one["errors"])):
            high = (_LOAD - 10) * count / most
            if count:
                yield (
                    f'<rect class="{kind}" x="{x(one["at_s"])}" y="{_LOAD + 20 - high:.1f}" '
                    f'width="{width:.1f}" height="{high:.1f}"/>'
                )


def _bands(faults: Sequence[Mapping[str, Any]], x: Any, top: int) -> Iterable[str]:  # noqa: ANN401  # the scale
    for number, one in enumerate(faults):
        left, right = x(one["began_s"]), x(one["ended_s"] if one["ended_s"] is not None else one["began_s"])
        y = top + number * _LANE
        yield f'<rect class="fault" x="{left}" y="{y}" width="{max(2.0, right - left):.1f}" height="{_LANE - 6}"/>'
        late = left > _WIDTH * 0.6
        at, anchor = (left - 5, "end") if late else (max(left + 6, right + 5), "start")
        label = escape(f"{one['name']} on {one['on']}")
        yield f'<text x="{at:.1f}" y="{y + 11}" text-anchor="{anchor}">{label}</text>'


def _slowest(timeline: Sequence[Mapping[str, Any]], x: Any, top: int) -> Iterable[str]:  # noqa: ANN401  # the scale
    most = max((one["p99_s"] for one in timeline), default=0.0) or 1.0
    points = " ".join(f"{x(one['at_s'])},{top + _SLOW - _SLOW * one['p99_s'] / most:.1f}" for one in timeline)
    yield f'<line class="rule" x1="{_LEFT}" x2="{_WIDTH}" y1="{top + _SLOW}" y2="{top + _SLOW}"/>'
    yield f'<text class="t" x="{_LEFT - 6}" y="{top + 10}" text-anchor="end">{most:.2g} s</text>'
    yield f'<text class="t" x="{_LEFT - 6}" y="{top + 24}" text-anchor="end">p99</text>'
    yield f'<polyline class="slow" points="{points}"/>'


def _ticks(seconds: float, x: Any, height: int) -> Iterable[str]:  # noqa: ANN401  # the scale
    for number in range(6):
        at = seconds * number / 5
        anchor = "end" if number == 5 else "start" if number == 0 else "middle"  # noqa: PLR2004  # the last of six
        yield f'<text class="t" x="{x(at)}" y="{height - 4}" text-anchor="{anchor}">{at:.1f} s</text>'


# --- the tables


def _table(columns: Sequence[str], rows: Iterable[str]) -> str:
    kinds = ((' class="n"' if name in _FIGURES else "", escape(name)) for name in columns)
    head = "".join(f'<th scope="col"{kind}>{name}</th>' for kind, name in kinds)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _row(*cells: object, kind: str = "") -> str:
    first, *rest = cells
    figures = "".join(f'<td class="n">{cell:g}</td>' if isinstance(cell, int | float) else _text(cell) for cell in rest)
    return f'<tr><td class="{kind}">{escape(str(first))}</td>{figures}</tr>'


def _text(cell: object) -> str:
    return f"<td>{escape(str(cell))}</td>"


def _checks(checks: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        _row(
            "passed" if one["passed"] else "FAILED",
            one["name"],
            one["phase"],
            one["found"],
            one["bound"],
            kind="passed" if one["passed"] else "failed",
        )
        for one in checks
    ]
    return _table(("", "check", "phase", "found", "allowed"), rows)


def _faults(faults: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        _row(
            one["name"],
            one["on"],
            one["at"],
            "" if one["began_s"] is None else f"{one['began_s']:.2f} s",
            "" if one["ended_s"] is None else f"{one['ended_s']:.2f} s",
            one["problem"] or one["did"],
            one["ended_why"],
        )
        for one in faults
    ]
    return _table(("fault", "on", "placed at", "began", "ended", "what it did", "ended because"), rows)


def _operations(kinds: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        _row(kind, one["count"], f"{one['error_rate']:.1%}", *(f"{one[name] * 1000:.1f} ms" for name in _TIMES))
        for kind, one in kinds.items()
    ]
    return _table(("operation", "count", "errors", "p50", "p99", "slowest"), rows)


_TIMES: Final = ("p50_s", "p99_s", "max_s")


def _errors(errors: Mapping[str, int]) -> str:
    if not errors:
        return ""
    return "<h2>Errors the clients were given</h2>" + _pairs(errors)


def _flatness(document: Mapping[str, Any]) -> str:
    """Return the table of a soak's processes, if this was one."""
    trends = document.get("trends")
    if not trends:
        return ""
    rows = [
        _row(
            one["process"], one["what"], one["first"], one["last"], one["slope_per_hour"], one["gained"], one["allowed"]
        )
        for one in trends
    ]
    columns = ("process", "what", "after warm-up", "at the end", "slope an hour", "gained", "allowed to gain")
    return f"<h2>Processes over time</h2>{_table(columns, rows)}"


def _pairs(pairs: Mapping[str, Any]) -> str:
    return _table(("what", "how many"), [_row(name.replace("_", " "), value) for name, value in pairs.items()])

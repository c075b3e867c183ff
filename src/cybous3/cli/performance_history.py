"""`cybs3 performance history`: stored results over time, and when they changed."""

from pathlib import Path

import click

from cybous3.cli.options import Session, session_options
from cybous3.cli.performance_plots import draw, drawable, plot_option
from cybous3.cli.performance_target import results_folder
from cybous3.lab.bench.extras import need
from cybous3.lab.bench.plots.results import of_history
from cybous3.lab.bench.verdict import report
from cybous3.lab.bench.verdict.changes import MIN_PART, P_MAX
from cybous3.lab.bench.verdict.history import EFFECT_MIN, history, read, write_csv, write_jsonl


@click.command("history")
@click.argument("place", metavar="[PATH]", required=False, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--csv", "csv_folder", type=click.Path(path_type=Path, file_okay=False), help="Write series as CSV, for otava too."
)
@click.option("--jsonl", "jsonl", type=click.Path(path_type=Path, dir_okay=False), help="Write series as JSON lines.")
@click.option(
    "--p-max",
    type=click.FloatRange(0, 1, min_open=True),
    default=P_MAX,
    show_default=True,
    help="A change is told if chance explains it with at most this probability.",
)
@click.option(
    "--minimum-effect",
    type=click.FloatRange(0),
    default=100 * EFFECT_MIN,
    show_default=True,
    help="In percent: smaller changes are not told.",
)
@click.option("--force", is_flag=True, help="Mix the results of unlike machines.")
@plot_option
@session_options(vault=False)
def history_command(  # one argument an option
    session: Session,
    *,
    place: Path | None,
    csv_folder: Path | None,
    jsonl: Path | None,
    p_max: float,
    minimum_effect: float,
    force: bool,
    plots: tuple[Path, ...],
) -> None:
    """Tell when the figures of stored results changed their level, by how much and in which direction.

    PATH is a folder of results, or one file (default: where `benchmark` stores them).
    """
    need("scipy.stats")
    files = drawable(plots)
    runs = read(place or results_folder(None))
    found = history(runs, force=force, p_max=p_max, minimum=minimum_effect / 100)
    if jsonl is not None:
        write_jsonl(found, jsonl)
    if csv_folder is not None:
        write_csv(found, csv_folder)
    draw(session.out, of_history(found), files)
    out, rows = session.out, report.steps(found)
    if found.left_out:
        out.note(f"left out: {found.left_out} runs that did not complete")
    if rows:
        out.table(report.STEPS, rows)
    short = sum(len(track.points) < 2 * MIN_PART for track in found.tracks)
    said = f"{len(rows)} changes in {len(found.tracks)} series of {found.runs} runs"
    if short:
        said += f" ({short} series with fewer than {2 * MIN_PART} runs were not looked at)"
    series = [track.to_json() for track in found.tracks]
    out.result({"runs": found.runs, "left_out": found.left_out, "series": series}, said)

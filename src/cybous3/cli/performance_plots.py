"""The option that draws: `--plot FILE`, checked before anything is measured and drawn when all of it is known."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from cybous3.cli.output import Out
from cybous3.lab.bench.extras import need
from cybous3.lab.bench.fingerprint import Fingerprint
from cybous3.lab.bench.plots.chart import Page
from cybous3.lab.bench.plots.write import check, write

F = TypeVar("F", bound=Callable[..., Any])


def plot_option(function: F) -> F:
    """Add `--plot`; the command gets its files as `plots`."""
    return click.option(
        "--plot",
        "plots",
        multiple=True,
        metavar="FILE",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Draw the result: .html (one page, nothing fetched) or .png. May be repeated.",
    )(function)


def drawable(plots: Sequence[Path]) -> Sequence[Path]:
    """Return the files if they can be drawn. Raises UnknownPicture, ExtraMissing: now, and not after the measuring."""
    for path in plots:
        if check(path).suffix.lower() == ".png":
            need("matplotlib")
    return plots


def draw(out: Out, page: Page, plots: Sequence[Path]) -> None:
    """Draw the page to each file and say so. OSError where the disk does not take one."""
    for path in plots:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(page, path)
        out.note(f"drawn in {path}")


def machine(fingerprint: Fingerprint) -> tuple[tuple[str, str], ...]:
    """Return what a page says of where its figures were taken."""
    commit = f", commit {fingerprint.commit}" if fingerprint.commit else ""
    return (
        ("machine", f"{fingerprint.cpu}, {fingerprint.cores} cores, {fingerprint.memory_mib:,} MiB"),
        ("system", f"{fingerprint.system}, kernel {fingerprint.kernel}, {fingerprint.filesystem}"),
        ("software", f"cybous3 {fingerprint.packages.get('cybous3', '')}{commit}, Python {fingerprint.python}"),
        ("load average before", f"{fingerprint.load:g}"),
    )

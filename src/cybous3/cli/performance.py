"""`cybs3 performance`: load, figures and verdicts. One table of commands, each imported when it is asked for."""

import click

from cybous3.cli.shell import Entry, LazyGroup

PERFORMANCE: dict[str, Entry] = {
    "benchmark": Entry("cybous3.cli.performance_benchmark:benchmark", "Put a load on an S3 endpoint and measure it."),
}


@click.group("performance", cls=LazyGroup, table=PERFORMANCE)
def group() -> None:
    """Measure speed, honestly, and compare it."""

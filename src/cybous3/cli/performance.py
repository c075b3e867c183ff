"""`cybs3 performance`: load, figures and verdicts. One table of commands, each imported when it is asked for."""

import click

from cybous3.cli.shell import Entry, LazyGroup

PERFORMANCE: dict[str, Entry] = {
    "benchmark": Entry("cybous3.cli.performance_benchmark:benchmark", "Put a load on an S3 endpoint and measure it."),
    "compare": Entry("cybous3.cli.performance_compare:compare_command", "Compare two endpoints, builds or settings."),
    "history": Entry("cybous3.cli.performance_history:history_command", "Tell when stored results changed."),
    "overhead": Entry("cybous3.cli.performance_overhead:overhead", "Tell what encryption costs, with an interval."),
    "scale": Entry("cybous3.cli.performance_scale:scale", "Raise the load to the knee, and fit a law through it."),
    "vs": Entry("cybous3.cli.performance_vs:vs", "Measure other S3 servers beside ours."),
}


@click.group("performance", cls=LazyGroup, table=PERFORMANCE)
def group() -> None:
    """Measure speed, honestly, and compare it."""

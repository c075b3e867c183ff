"""`cybs3 chaos`: real faults, and what survived them. One table of commands, each imported when it is asked for."""

import click

from cybous3.cli.shell import Entry, LazyGroup

CHAOS: dict[str, Entry] = {
    "crash": Entry("cybous3.cli.chaos_crash:crash", "Cut the power at every system call, and read everything back."),
    "faults": Entry("cybous3.cli.chaos_faults:faults", "Say what this machine can inject, and why not."),
    "linear": Entry("cybous3.cli.chaos_linear:linear", "Look for an order that explains every concurrent answer."),
    "run": Entry("cybous3.cli.chaos_run:run_command", "Run a scenario: load, faults, and a verdict."),
    "s3-contract": Entry("cybous3.cli.chaos_contract:s3_contract", "Hold any S3 endpoint to what a store must keep."),
    "scenarios": Entry("cybous3.cli.chaos_faults:scenarios", "List the scenarios that come with the program."),
    "soak": Entry("cybous3.cli.chaos_soak:soak_command", "Load and break a server for minutes; watch it stay flat."),
}


@click.group("chaos", cls=LazyGroup, table=CHAOS)
def group() -> None:
    """Break what is yours, for real, and see whether every promise holds."""

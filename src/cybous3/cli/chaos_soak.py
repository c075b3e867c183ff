"""`cybs3 chaos soak`: minutes of load and random faults against a server of our own."""

import tempfile
from pathlib import Path

import click

from cybous3.cli.chaos_run import tell, write
from cybous3.cli.options import Session, session_options
from cybous3.client.keys.home import find_home
from cybous3.lab.chaos.engine import Around
from cybous3.lab.chaos.errors import InvariantsBroken
from cybous3.lab.chaos.scenario import SEED_MAX
from cybous3.lab.chaos.soak import soak, soak_scenario

_MINUTE_S = 60.0
_LONGEST_MIN = 7 * 24 * 60.0


@click.command("soak")
@click.option("--minutes", type=click.FloatRange(0.1, _LONGEST_MIN), default=10.0, show_default=True, help="How long.")
@click.option("--seed", type=click.IntRange(0, SEED_MAX), default=1, show_default=True, help="Draws faults and load.")
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the verdict goes (default: chaos in the home of cybs3).",
)
@session_options(vault=False)
def soak_command(session: Session, *, minutes: float, seed: int, results: Path | None) -> None:
    """Put mixed load on a server of our own for a while, break it at random, and watch that it stays flat.

    The same seed draws the same faults at the same times. Exit code 0: every check passed. 1: one failed.
    """
    seconds = minutes * _MINUTE_S
    folder = results or find_home().root / "chaos"
    with tempfile.TemporaryDirectory(prefix="cybs3-soak-") as scratch:
        verdict = soak(soak_scenario(seconds, seed), Around(Path(scratch) / "run", say=session.out.note), seconds)
    tell(session, verdict, write(verdict, folder))
    if not verdict.passed:
        raise InvariantsBroken(
            f"{len(verdict.failed)} checks failed: {', '.join(check.name for check in verdict.failed)}",
            hint=f"the same again: cybs3 chaos soak --minutes {minutes:g} --seed {seed}",
        )

"""`cybs3 chaos run`: one scenario, or a shrunken one, and its verdict on the terminal, as JSON and as a page."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cybous3.cli.options import Session, session_options
from cybous3.cli.performance_target import credentials
from cybous3.client.keys.home import find_home
from cybous3.lab.chaos import shipped
from cybous3.lab.chaos.engine import Around, check_scenario, run
from cybous3.lab.chaos.errors import BadScenario, CouldNotBegin, InvariantsBroken
from cybous3.lab.chaos.faults.registry import CATALOGUE
from cybous3.lab.chaos.page import page
from cybous3.lab.chaos.scenario import SEED_MAX, Scenario
from cybous3.lab.chaos.shrink import Shrinker
from cybous3.lab.chaos.verdict import COLUMNS, Verdict

if TYPE_CHECKING:
    from cybous3.core.sigv4.credentials import Credentials


@click.command("run")
@click.argument("scenario", metavar="SCENARIO")
@click.option("--seed", type=click.IntRange(0, SEED_MAX), help="Replays a run exactly (default: the scenario's).")
@click.option("--shrink", is_flag=True, help="When it fails, find a minimal scenario that still does.")
@click.option(
    "--shrink-for", metavar="SECONDS", type=float, default=600.0, show_default=True, help="At most this long."
)
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where verdicts go (default: chaos in the home of cybs3).",
)
@click.option("--access-key", metavar="KEY", help="An endpoint's. Default: AWS_ACCESS_KEY_ID.")
@click.option(
    "--secret-key-file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help='A file with the secret key, "-" for standard input (default: AWS_SECRET_ACCESS_KEY).',
)
@click.option("--i-own-this", is_flag=True, help="The endpoint is not on this machine, and is mine to break.")
@session_options(vault=False)
def run_command(  # noqa: PLR0913  # one argument an option
    session: Session,
    *,
    scenario: str,
    seed: int | None,
    shrink: bool,
    shrink_for: float,
    results: Path | None,
    access_key: str | None,
    secret_key_file: Path | None,
    i_own_this: bool,
) -> None:
    """Run SCENARIO, a TOML file or the name of one that comes with the program.

    Exit code 0: every check passed. 1: one failed. 2: refused. 3: the steady state did not hold before any fault.
    """
    read = shipped.load(scenario, CATALOGUE, seed=seed)
    check_scenario(read, i_own_this=i_own_this)  # before any key is asked for
    keys: Credentials | None = None if read.target.own else credentials(access_key, secret_key_file)
    folder = results or find_home().root / "chaos"
    with tempfile.TemporaryDirectory(prefix="cybs3-chaos-") as scratch:
        around = Around(Path(scratch) / "run", credentials=keys, i_own_this=i_own_this, say=session.out.note)
        verdict = run(read, around)
        files = write(verdict, folder)
        tell(session, verdict, files)
        if not verdict.passed and shrink:
            files["shrunken"] = _shrunken(session, verdict, replace(around, say=_nothing), files["json"], shrink_for)
    if not verdict.passed:
        raise InvariantsBroken(
            f"{len(verdict.failed)} checks failed: {', '.join(check.name for check in verdict.failed)}",
            hint=f"the same again: cybs3 chaos run {scenario} --seed {verdict.scenario.seed}",
        )


def _nothing(_: str) -> None:
    """Say nothing."""


def write(verdict: Verdict, folder: Path) -> dict[str, Path]:
    """Write the verdict as JSON and as a page, what the server logged if it failed, and return where."""
    folder.mkdir(parents=True, exist_ok=True)
    word = "".join(c if c.isalnum() else "-" for c in verdict.scenario.title.lower())[:40].strip("-")
    base = folder / f"{round(verdict.began)}-{word}-seed{verdict.scenario.seed}"
    document = verdict.document()
    files = {"json": base.with_suffix(".json"), "html": base.with_suffix(".html")}
    files["json"].write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    files["html"].write_text(page(document), encoding="utf-8")
    if not verdict.passed and verdict.server_log:
        files["log"] = base.with_suffix(".server.log")
        files["log"].write_text(verdict.server_log, encoding="utf-8")
    return files


def tell(session: Session, verdict: Verdict, files: dict[str, Path]) -> None:
    """Show the verdict: a table for a person, the document with --json."""
    out = session.out
    out.table(COLUMNS, verdict.rows())
    places = {name: str(path) for name, path in files.items()}
    out.result({**verdict.document(), "files": places}, [*verdict.lines(), f"page  {files['html']}"])


def _shrunken(session: Session, verdict: Verdict, around: Around, beside: Path, seconds: float) -> Path:
    """Find a minimal scenario that still fails, and write it beside the verdict."""
    attempts = 0

    def failing(candidate: Scenario) -> list[str]:
        nonlocal attempts
        attempts += 1
        try:
            ended = run(candidate, replace(around, scratch=around.scratch.with_name(f"shrink-{attempts}")))
        except (BadScenario, CouldNotBegin):  # it says nothing of the fault
            return []
        return [check.name for check in ended.failed]

    names = frozenset(check.name for check in verdict.failed)
    shrinker = Shrinker(verdict.scenario, names, failing, CATALOGUE, seconds, session.out.note)
    shrinker.shrink()
    path = beside.with_suffix(".shrunken.toml")
    path.write_text(shrinker.text(), encoding="utf-8")
    session.out.note(f"shrunken to {path} in {shrinker.runs} runs")
    return path

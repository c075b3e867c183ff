"""`cybs3 performance compare`: two endpoints, builds, settings or stored results; one verdict, as an exit code."""

import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click

from cybous3.cli.opening import secret_sources
from cybous3.cli.options import Session, session_options
from cybous3.cli.output import Out
from cybous3.cli.performance_plots import draw, drawable, plot_option
from cybous3.cli.performance_target import results_folder
from cybous3.client.keys.sources import SECRET_KEY
from cybous3.core.errors import CybousError
from cybous3.core.sigv4.credentials import Credentials
from cybous3.lab.bench.extras import need
from cybous3.lab.bench.fingerprint import take
from cybous3.lab.bench.generator import Load
from cybous3.lab.bench.plots.results import of_outcome
from cybous3.lab.bench.result import load as load_results
from cybous3.lab.bench.verdict import recording, report, saved, selftest
from cybous3.lab.bench.verdict.bootstrap import PAIRS_MIN as BOOTSTRAP_PAIRS_MIN
from cybous3.lab.bench.verdict.compare import (
    EXIT_CODES,
    MINIMUM_EFFECT,
    PAIRS_MIN,
    Outcome,
    Plan,
    Word,
    calibrated,
    compare,
    overall,
)
from cybous3.lab.bench.verdict.servers import Contender, under_load
from cybous3.lab.bench.verdict.sides import Endpoint, Saved, Side, side_of
from cybous3.lab.bench.workload import KINDS, Kind, Workload, default_sizes, parse_sizes

INTERRUPTED: Final = 130
KINDS_OF_SERVERS: Final = tuple(kind for kind in KINDS if kind != "encrypt")
"""Sealing happens in the client alone: two servers cannot differ in it."""
BUDGET_S: Final = 200.0
BLOCK_S: Final = 0.25


class NoVerdict(CybousError):
    """The comparison could not be made; 1 would read as REGRESSION."""

    exit_code = 3


def _verdict_codes(command: Callable[..., None]) -> Callable[..., None]:
    """Let no failure end with 1, which means REGRESSION here."""

    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # click passes what the options say
        try:
            command(*args, **kwargs)
        except CybousError as error:
            if error.exit_code != CybousError.exit_code:
                raise
            raise NoVerdict(error.message, hint=error.hint) from error

    return guarded


def _settings(_context: click.Context, parameter: click.Parameter, given: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    wrong = [name for name, equals, _value in pairs if not equals or not name]
    if wrong:
        raise click.BadParameter(f"not NAME=VALUE: {wrong[0]!r}", param=parameter)
    return {name: value for name, _equals, value in pairs}


@click.command("compare")
@click.argument("sides", metavar="[A B]", nargs=-1)
@click.option("--kind", type=click.Choice(KINDS_OF_SERVERS), default="get", show_default=True, help="What is done.")
@click.option("--size", metavar="SIZES", help="4KiB, log2:1KiB-1MiB or 4KiB:70,64KiB:30.")
@click.option("--objects", type=click.IntRange(1), default=100, show_default=True, help="Objects that lie there.")
@click.option("--concurrency", type=click.IntRange(1), default=16, show_default=True, help="Clients of a closed loop.")
@click.option("--rate", type=float, metavar="PER_SECOND", help="Open loop: begin so many a second.")
@click.option("--a-option", callback=_settings, multiple=True, metavar="NAME=VALUE", help="A setting of server A.")
@click.option("--b-option", callback=_settings, multiple=True, metavar="NAME=VALUE", help="A setting of server B.")
@click.option("--region", metavar="NAME", default="us-east-1", show_default=True, help="Of endpoints.")
@click.option("--access-key", metavar="KEY", help="Of endpoints (default: AWS_ACCESS_KEY_ID).")
@click.option(
    "--secret-key-file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help='A file with the secret key, "-" for standard input (default: AWS_SECRET_ACCESS_KEY).',
)
@click.option("--b-access-key", metavar="KEY", help="Of endpoint B, where it is another one.")
@click.option(
    "--b-secret-key-file", type=click.Path(path_type=Path, dir_okay=False), help="A file with the secret key of B."
)
@click.option(
    "--minimum-effect",
    type=click.FloatRange(0, 1000, min_open=True),
    default=100 * MINIMUM_EFFECT,
    show_default=True,
    help="In percent: less is no regression.",
)
@click.option("--block", type=click.FloatRange(0.05, 600), default=BLOCK_S, show_default=True, help="Seconds a block.")
@click.option(
    "--pairs", type=click.IntRange(BOOTSTRAP_PAIRS_MIN), default=PAIRS_MIN, show_default=True, help="Pairs at least."
)
@click.option(
    "--budget", type=click.FloatRange(0), default=BUDGET_S, show_default=True, help="Seconds of load for each verdict."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Fixes the order within pairs.")
@click.option("--force", is_flag=True, help="Compare stored results of unlike machines.")
@click.option(
    "--save", type=click.Path(path_type=Path, dir_okay=False), help="Append the pairs to this file (NAME.pairs.jsonl)."
)
@click.option("--calibrate", is_flag=True, help="Only compare A with itself: how noisy is this machine?")
@click.option("--self-test", "self_test", is_flag=True, help="Test the detector itself, on recorded pairs.")
@click.option(
    "--recording",
    "recorded",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Pairs of --save to use in --self-test (default: those that are shipped).",
)
@plot_option
@session_options(vault=False)
@_verdict_codes
def compare_command(session: Session, *, sides: Sequence[str], self_test: bool, **options: Any) -> None:  # noqa: ANN401  # click's
    """Compare A and B: PASS and IMPROVEMENT end with 0, REGRESSION with 1, INCONCLUSIVE with 3.

    A and B are endpoints (URLs), "own" (this installation's server), source trees, Python executables with cybous3,
    git revisions, or stored results (FILE.jsonl). Servers are started side by side and run in turns; A is compared
    with itself first.
    """
    need("scipy.stats")  # before any load, not after it
    drawable(options["plots"])
    if self_test:
        if sides:
            raise click.UsageError("--self-test takes no sides")
        _self_test(session.out, options["recorded"])
        return
    if options["calibrate"]:
        sides = [*sides[:1], *sides[:1]] if len(sides) == 1 else []
    if len(sides) != 2:  # noqa: PLR2004  # A and B
        raise click.UsageError("name A for --calibrate" if options["calibrate"] else "name two sides: A and B")
    a, b = (side_of(word) for word in sides)
    if isinstance(a, Saved) and isinstance(b, Saved):
        _finish(session.out, options, *_stored(session.out, a, b, options))
    elif isinstance(a, Saved) or isinstance(b, Saved):
        raise click.UsageError("stored results compare with stored results only")
    else:
        _finish(session.out, options, *_live(session.out, _contenders(sides, (a, b), options), options))


def _plan(options: Mapping[str, Any]) -> Plan:
    pairs_max = max(options["pairs"], int(options["budget"] / (2 * options["block"])))
    return Plan(options["minimum_effect"] / 100, options["pairs"], pairs_max, options["block"], options["seed"])


def _contenders(words: Sequence[str], sides: Sequence[Side], options: Mapping[str, Any]) -> list[Contender]:
    first = _credentials(options["access_key"], options["secret_key_file"]) if _endpoints(sides) else None
    second = first
    if options["b_access_key"]:
        second = _credentials(options["b_access_key"], options["b_secret_key_file"])
    region = options["region"]
    return [
        Contender(words[0], sides[0], options["a_option"], first, region),
        Contender(words[1], sides[1], options["b_option"], second, region),
    ]


def _endpoints(sides: Sequence[Side]) -> bool:
    return any(isinstance(side, Endpoint) for side in sides)


def _credentials(access_key: str | None, secret_key_file: Path | None) -> Credentials:
    key = access_key or os.environ.get("AWS_ACCESS_KEY_ID")
    if secret_key_file is not None:
        secret = secret_sources().from_options(SECRET_KEY, secret_key_file)
    else:
        secret = os.environ.get("AWS_SECRET_ACCESS_KEY")
    if not key or not secret:
        raise click.UsageError("no credentials: give --access-key and --secret-key-file, or set AWS_ACCESS_KEY_ID")
    return Credentials(key, secret, os.environ.get("AWS_SESSION_TOKEN"))


@dataclass(frozen=True)
class _Trial:
    """One run of pairs on two contenders, told as it goes."""

    out: Out
    plan: Plan
    workload: Workload
    load: Load
    save: Path | None

    def run(self, title: str, a: Contender, b: Contender) -> Outcome:
        """Start both, run pairs until there is a verdict, stop both; keep the pairs where that was asked."""
        place = results_folder(None)
        place.mkdir(parents=True, exist_ok=True)
        self.out.note(f"{title}: {self.workload.kind} {self.workload.sizes.text}, {self.load}")
        with tempfile.TemporaryDirectory(prefix="compare-", dir=place) as scratch:
            with under_load(a, b, Path(scratch) / "sides", self.workload, self.load) as (first, second):
                found = compare(first, second, self.plan, looked=self._looked)
            if self.save is not None:
                self._keep(found, title, Path(scratch), equal=a == b)
        _tell(self.out, title, found)
        return found

    def _looked(self, pairs: int) -> None:
        self.out.note(f"  {pairs} pairs of blocks")

    def _keep(self, found: Outcome, title: str, scratch: Path, *, equal: bool) -> None:
        made = recording.Recording(
            label=f"{self.workload.kind} {self.workload.sizes.text}, {title}",
            equal=equal,
            load=str(self.load),
            durability="strict",
            block_s=self.plan.block_s,
            command=shlex.join(["cybs3", *sys.argv[1:]]),
            fingerprint=take(scratch),
            pairs=found.pairs,
        )
        if self.save is not None and found.pairs:
            recording.append([made], self.save)


def _live(out: Out, sides: Sequence[Contender], options: Mapping[str, Any]) -> tuple[Outcome, Outcome, Sequence[str]]:
    kind: Kind = options["kind"]
    sizes = parse_sizes(options["size"]) if options["size"] else default_sizes(kind)
    workload = Workload(kind, sizes, options["objects"], 1)
    trial = _Trial(out, _plan(options), workload, Load(options["concurrency"], options["rate"]), options["save"])
    calibration = trial.run("A against itself", sides[0], sides[0])
    if calibration.interrupted or options["calibrate"]:
        return calibration, calibrated(calibration, calibration), ()
    found = trial.run("B against A", sides[0], sides[1])
    return calibration, calibrated(calibration, found), ()


def _stored(out: Out, a: Saved, b: Saved, options: Mapping[str, Any]) -> tuple[Outcome, Outcome, Sequence[str]]:
    plan, calibrations, verdicts = _plan(options), list[Outcome](), list[Outcome]()
    for name, first, second in saved.subjects(load_results(a.path), load_results(b.path), force=options["force"]):
        calibrations.append(saved.calibrate(first, plan))
        _tell(out, f"{name}: A's odd blocks against its even ones", calibrations[-1])
        found = saved.judged(first, second, plan)
        _tell(out, f"{name}: B against A", found)
        verdicts.append(calibrated(calibrations[-1], found))
    return _together(calibrations), _together(verdicts), (saved.CAVEAT,)


def _together(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the outcome that decides, with the findings of all."""
    worst = overall([one.word for one in outcomes])
    deciding = next(one for one in outcomes if one.word is worst)
    findings = tuple(finding for one in outcomes for finding in one.findings)
    return Outcome(worst, deciding.reason, findings, tuple(pair for one in outcomes for pair in one.pairs))


def _tell(out: Out, title: str, found: Outcome) -> None:
    if not out.as_json:
        out.event({}, f"{title}: {found.word} ({found.reason})")
    out.table(report.FINDINGS, report.findings(found.findings))
    if not out.as_json:
        out.event({}, " ")


def _finish(out: Out, options: Mapping[str, Any], calibration: Outcome, found: Outcome, caveats: Sequence[str]) -> None:
    """Print the verdict, draw it where that was asked, and end with its code."""
    for caveat in caveats:
        out.warn(caveat)
    if calibration.word is Word.INCONCLUSIVE and not calibration.interrupted:
        out.warn("A against itself stayed inconclusive: the machine is noisy; a longer --budget helps")
    body = {"calibration": report.outcome_json(calibration), "comparison": report.outcome_json(found)}
    out.result({"verdict": str(found.word), "caveats": list(caveats), **body}, f"{found.word}: {found.reason}")
    if found.findings:
        draw(out, of_outcome(found, options["minimum_effect"]), options["plots"])
    code = INTERRUPTED if found.interrupted else EXIT_CODES[found.word]
    if code:
        raise click.exceptions.Exit(code)


def _self_test(out: Out, chosen: Path | None) -> None:
    """Print false alarms and power; end with 1 where the detector breaks its promises."""
    recordings = [one for one in recording.load(chosen or recording.SHIPPED) if one.equal]
    if not recordings:
        raise NoVerdict("no pairs of two equal sides in the recording", hint="`compare own own --save FILE` makes some")
    plan, rows = Plan(), list[selftest.Row]()
    for one in recordings:
        out.note(f"{one.label}: {len(one.pairs)} recorded pairs of {one.block_s:g} s, made by: {one.command}")
        rows += [selftest.examine(one, slowdown, plan) for slowdown in selftest.SLOWDOWNS]
        if not out.as_json:
            out.event({}, f"{one.label}, as recorded:")
        out.table(report.FINDINGS, report.findings(selftest.as_recorded(one, plan)))
        if not out.as_json:
            out.event({}, " ")
    out.table(report.POWER, report.power(rows))
    broken = selftest.kept(rows)
    out.result({"kept": not broken, "broken": broken, "rows": report.power_json(rows)}, broken or _PROMISES)
    if broken:
        raise click.exceptions.Exit(EXIT_CODES[Word.REGRESSION])


_PROMISES: Final = (
    f"kept: at most {selftest.FALSE_ALARMS_MAX:.0%} false alarms between equal sides; a slow-down of "
    f"{selftest.FOUND_AT:.0%} is called REGRESSION in at least {selftest.FOUND_MIN:.0%}"
)

"""`cybs3 chaos crash`: cut a server's power a thousand times, and see what is left of what it acknowledged."""

import time
from pathlib import Path

import click

from cybous3.cli.options import Session, session_options
from cybous3.cli.output import printable
from cybous3.lab.chaos.errors import BadScenario, InvariantsBroken
from cybous3.lab.chaos.powercut.check import CHECKS
from cybous3.lab.chaos.powercut.clientcuts import client_verdicts
from cybous3.lab.chaos.powercut.clients import STEPS
from cybous3.lab.chaos.powercut.cuts import Mode, some
from cybous3.lab.chaos.powercut.disk import Habit
from cybous3.lab.chaos.powercut.every import OPERATIONS, server_verdicts
from cybous3.lab.chaos.powercut.history import Durability
from cybous3.lab.chaos.powercut.load import Plan
from cybous3.lab.chaos.powercut.recording import Recording, read, record, under_load
from cybous3.lab.chaos.powercut.run import make_all, scratch
from cybous3.lab.chaos.powercut.targets import Target, chosen, kinds
from cybous3.lab.chaos.powercut.verdict import Verdict, sum_up

_LINGER_S = 6.0  # the reaper lets what is deleted lie for five seconds


@click.command("crash")
@click.option(
    "--target",
    metavar="own|rclone|COMMAND",
    default="own",
    show_default=True,
    help="Whose power is cut. A command names {data} and {port}, and {access_key} and {secret_key} if it needs them.",
)
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    default="power",
    show_default=True,
    help="What ends: the power, with all that no sync covered, or the process alone.",
)
@click.option("--cuts", "count", type=click.IntRange(1), default=1000, show_default=True, help="How many.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Load, cuts, and what they leave.")
@click.option("--requests", type=click.IntRange(1), default=60, show_default=True, help="Of each of 4 connections.")
@click.option(
    "--durability",
    type=click.Choice([mode.value for mode in Durability]),
    default="strict",
    show_default=True,
    help="The mode of our own server, and what is held against it.",
)
@click.option(
    "--names",
    "habit",
    type=click.Choice([habit.value for habit in Habit]),
    default="posix",
    show_default=True,
    help="How names reach the disk: by promises alone, or in order as a journal has them.",
)
@click.option("--every", is_flag=True, help="Cut at every system call of each operation, of the server and the client.")
@click.option(
    "--only",
    metavar="OPERATION",
    type=click.Choice([*OPERATIONS, *(step.name for step in STEPS)]),
    multiple=True,
    help='With --every: only this operation, as "put file" or "key rotation"; may be repeated.',
)
@click.option("--workers", type=click.IntRange(1, 8), help="Processes that cut (default: one for each core).")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Keep the recording in this new folder.")
@click.option(
    "--recording",
    "kept",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Cut a recording that was kept, instead of making one.",
)
@session_options(vault=False)
def crash(  # noqa: PLR0913  # one argument an option
    session: Session,
    *,
    target: str,
    mode: str,
    count: int,
    seed: int,
    requests: int,
    durability: str,
    habit: str,
    every: bool,
    only: tuple[str, ...],
    workers: int | None,
    keep: Path | None,
    kept: Path | None,
) -> None:
    """Record a server's system calls under load, cut its power anywhere in them, and read everything back.

    What a client had an answer for before the cut must be there, identical; what it had none for must be absent or
    whole. The server runs on loopback, over a folder of its own. Exit code 1: at some cut a promise was broken.
    """
    chosen_target = chosen(target, durability)
    if every and target != "own":
        raise click.UsageError("--every knows the operations of our own server only")
    if keep is not None and keep.exists():
        raise click.UsageError(f"--keep: {str(keep)!r} is there already")
    begin = time.monotonic()
    with scratch() as folder:
        if every:
            verdicts = _every(session, chosen_target, Mode(mode), seed, folder, only, workers)
            about = {}
        else:
            place = kept or keep or folder / "recording"
            plan = Plan(seed, requests=requests, kinds=kinds(chosen_target), long_parts=chosen_target.full)
            made = _recording(session, chosen_target, plan, place, made_before=kept is not None)
            cuts = some(made, Mode(mode), count, seed, Habit(habit))
            outcomes = make_all(made, place, cuts, chosen_target, folder, workers)
            verdicts = [sum_up(chosen_target.name, outcomes, mode=durability)]
            about = _about(made)
    about = {"mode": mode, "durability": durability, "seed": seed, **about, "seconds": time.monotonic() - begin}
    _tell(session, verdicts, about)


def _every(  # what the command was told
    session: Session, target: Target, mode: Mode, seed: int, folder: Path, only: tuple[str, ...], workers: int | None
) -> list[Verdict]:
    names = [name for name in OPERATIONS if name in only or not only]
    steps = [step for step in STEPS if step.name in only or not only]
    verdicts = server_verdicts(target, mode, seed, folder, session.out.note, names, workers) if names else []
    return verdicts + (client_verdicts(target, mode, seed, folder, session.out.note, steps) if steps else [])


def _recording(session: Session, target: Target, plan: Plan, place: Path, *, made_before: bool) -> Recording:
    if not made_before:
        session.out.note(f"recording {target.name} under load ...")
        made = record(target, under_load(plan), place, linger_s=_LINGER_S if target.full else 0.0)
    else:
        made = read(place)
        if (made.target, made.durability) != (target.name, target.durability):
            raise BadScenario(f"the recording is of {made.target!r} in mode {made.durability!r}")
    session.out.note(f"{len(made.events)} system calls changed files; cutting ...")
    return made


def _about(made: Recording) -> dict[str, object]:
    acknowledged = sum(attempt.ok for attempt in made.attempts)
    return {"events": len(made.events), "requests": len(made.attempts), "acknowledged": acknowledged}


def _tell(session: Session, verdicts: list[Verdict], about: dict[str, object]) -> None:
    passed = all(verdict.passed for verdict in verdicts)
    out = session.out
    if out.as_json:
        out.result({**about, "passed": passed, "verdicts": [verdict.to_json() for verdict in verdicts]})
    else:
        _show(session, verdicts, about)
    if not passed:
        broken = sum(verdict.cuts_broken for verdict in verdicts)
        raise InvariantsBroken(f"promises were broken at {broken} of {sum(verdict.cuts for verdict in verdicts)} cuts")


def _show(session: Session, verdicts: list[Verdict], about: dict[str, object]) -> None:
    out = session.out
    told = (f"{name} {value:.1f}" if isinstance(value, float) else f"{name} {value}" for name, value in about.items())
    out.event({}, ", ".join(told))
    places = () if verdicts[0].boundaries is None else ("boundaries",)
    out.table(("", *places, "cuts", *CHECKS, "recovery max", "verdict"), [_row(verdict) for verdict in verdicts])
    for verdict in verdicts:
        for example in verdict.examples:
            what = f"{verdict.name}: {example['check']}: {example['subject']}: {example['detail']}"
            out.event({}, f"  {printable(what)} [{example['cut']}]")


def _row(verdict: Verdict) -> tuple[str, ...]:
    figures = (str(verdict.found.get(check, 0)) for check in CHECKS)
    places = () if verdict.boundaries is None else (str(verdict.boundaries),)
    told = "kept" if verdict.passed else "BROKEN"
    return (verdict.name, *places, str(verdict.cuts), *figures, f"{verdict.recovery_s_max:.3f} s", told)

"""`cybs3 folders`: whole trees."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import ParamSpec, TypeVar

import click

from cybous3.cli.files import PartlyFailed, accept_rollback_option
from cybous3.cli.opening import PATIENT, Opened, access_of, open_vault
from cybous3.cli.options import Session, session_options
from cybous3.cli.output import Out, human_bytes, printable
from cybous3.cli.transfers import folder_path, movers_of, progress_bar
from cybous3.client.sync.filters import Filter
from cybous3.client.sync.folders import Failed, Folders, How, Report
from cybous3.client.sync.helper import Kit
from cybous3.client.sync.moving import Different
from cybous3.client.sync.plan import Plan, Step
from cybous3.client.sync.scan import Skipped
from cybous3.client.transfer.port import Surroundings
from cybous3.core.errors import CybousError

P = ParamSpec("P")
R = TypeVar("R")

_VERBS = {"upload": "put", "download": "get", "delete": "delete", "compare": "compare", "same": "same"}


def choosing(function: Callable[P, R]) -> Callable[P, R]:
    """Add the options that choose which files of a tree take part."""
    for option in (
        click.option("--workers", type=click.IntRange(1, 64), help="Files at once (default: 8, small ones 16)."),
        click.option("--exclude", metavar="PATTERN", multiple=True, help="Leave these out (gitignore syntax)."),
        click.option("--include", metavar="PATTERN", multiple=True, help="Only these (gitignore syntax)."),
    ):
        function = option(function)
    return function


dry_run_option = click.option("--dry-run", "-n", is_flag=True, help="Show what would be done, and how many bytes.")


@click.group("folders")
def group() -> None:
    """Store, fetch, synchronise and verify whole trees."""


@group.command("put")
@click.argument("local", type=click.Path(path_type=Path))
@click.argument("remote", required=False)
@click.option("--force", is_flag=True, help="Overwrite even what somebody else wrote meanwhile.")
@dry_run_option
@choosing
@session_options()
def put(  # one argument an option
    session: Session,
    *,
    local: Path,
    remote: str | None,
    force: bool,
    dry_run: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    workers: int | None,
) -> None:
    """Encrypt the tree LOCAL into the folder REMOTE of the vault (default: the tree's own name; "/": the whole vault).

    What is there already and equal is not sent again; nothing is deleted.
    """
    how = How(Filter(include, exclude), force=force, dry_run=dry_run, workers=workers)
    _push(session, local, folder_path(local.resolve().name if remote is None else remote), how)


@group.command("get")
@click.argument("remote")
@click.argument("local", type=click.Path(path_type=Path))
@dry_run_option
@accept_rollback_option
@choosing
@session_options()
def get(  # one argument an option
    session: Session,
    *,
    remote: str,
    local: Path,
    dry_run: bool,
    accept_rollback: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    workers: int | None,
) -> None:
    """Fetch the folder REMOTE of the vault, verify and decrypt it into LOCAL. Nothing local is deleted."""
    how = How(Filter(include, exclude), dry_run=dry_run, workers=workers)
    _pull(session, local, folder_path(remote), how, accept_rollback=accept_rollback)


@group.command("sync")
@click.argument("local", type=click.Path(path_type=Path))
@click.argument("remote")
@click.option("--delete", is_flag=True, help="Delete on the other side what is gone on this one.")
@click.option("--pull", is_flag=True, help="Make LOCAL like REMOTE, instead of REMOTE like LOCAL.")
@click.option("--force", is_flag=True, help="Overwrite even what somebody else wrote meanwhile.")
@dry_run_option
@accept_rollback_option
@choosing
@session_options()
def sync(  # noqa: PLR0913  # one argument an option
    session: Session,
    *,
    local: Path,
    remote: str,
    delete: bool,
    pull: bool,
    force: bool,
    dry_run: bool,
    accept_rollback: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    workers: int | None,
) -> None:
    """Make the folder REMOTE of the vault like the tree LOCAL, moving only what changed."""
    how = How(Filter(include, exclude), delete=delete, dry_run=dry_run, force=force, workers=workers)
    if pull:
        _pull(session, local, folder_path(remote), how, accept_rollback=accept_rollback)
    else:
        _push(session, local, folder_path(remote), how)


@group.command("verify")
@click.argument("local", type=click.Path(path_type=Path))
@click.argument("remote")
@click.option("--read", is_flag=True, help="Fetch and verify every stored byte, not only the sealed digests.")
@accept_rollback_option
@choosing
@session_options()
def verify(  # one argument an option
    session: Session,
    *,
    local: Path,
    remote: str,
    read: bool,
    accept_rollback: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    workers: int | None,
) -> None:
    """Compare the tree LOCAL with the folder REMOTE by content. Ends with code 6 when they differ."""
    how = How(Filter(include, exclude), workers=workers)
    with _trees(session, accept_rollback=accept_rollback) as trees:
        report = trees.verify(local, folder_path(remote), how, read=read)
    _skipped(session.out, report.skipped)
    session.out.result(
        {"same": report.same, "different": [_failure(item) for item in report.failed]},
        [f"{printable(item.path)}: {printable(item.reason)}" for item in report.failed]
        + [f"{report.same} files equal"],
    )
    if report.failed:
        raise Different(f"{len(report.failed)} of {report.same + len(report.failed)} files differ")


def _push(session: Session, local: Path, folder: str, how: How) -> None:
    begun = time.monotonic()
    with _trees(session) as trees:
        if how.dry_run:
            _show_plan(session.out, *trees.plan_push(local, folder, how))
            return
        with progress_bar(session.out, local.name or "tree", None) as progress:
            report = trees.push(local, folder, how, progress, _watcher(session.out))
    _show_report(session.out, report, time.monotonic() - begun)


def _pull(session: Session, local: Path, folder: str, how: How, *, accept_rollback: bool) -> None:
    begun = time.monotonic()
    with _trees(session, accept_rollback=accept_rollback) as trees:
        if how.dry_run:
            _show_plan(session.out, *trees.plan_pull(local, folder, how))
            return
        with progress_bar(session.out, folder or "vault", None) as progress:
            report = trees.pull(local, folder, how, progress, _watcher(session.out))
    _show_report(session.out, report, time.monotonic() - begun)


@contextmanager
def _trees(session: Session, *, accept_rollback: bool = False) -> Iterator[Folders]:
    """Open the vault the command names, for the length of the context."""
    with open_vault(session, accept_rollback=accept_rollback) as opened:
        moving = movers_of(opened, accept_rollback=accept_rollback)
        yield Folders(moving.store, moving.around, moving.journals, moving.memory, kit_of(opened, moving.around))


def kit_of(opened: Opened, around: Surroundings) -> Kit:
    """Return what helper processes need of an opened vault."""
    home = opened.unlocked.places.home
    return Kit(
        access=replace(access_of(opened.profile), policy=PATIENT),
        bucket=opened.profile.bucket,
        prefix=opened.profile.prefix,
        names=opened.vault.document.names,
        vault_id=opened.vault.vault_id,
        keyset=opened.vault.keyset.encode(),
        state=home.state,
        journals=home.journal,
        accept_rollback=around.accept_rollback,
    )


def _watcher(out: Out) -> Callable[[Step], None]:
    """Say one line a file, for a person who does not see a bar."""

    def watch(step: Step) -> None:
        if step.verb != "same" and not out.as_json and not out.interactive:
            out.event({}, f"{_VERBS[step.verb]} {printable(step.path)}")

    return watch


def _show_plan(out: Out, plan: Plan, skipped: list[Skipped]) -> None:
    steps = [step for step in plan.steps if step.verb != "same"]
    out.result(
        {
            "dry_run": True,
            "steps": [
                {"verb": step.verb, "path": step.path, "reason": step.reason, "bytes": step.size} for step in steps
            ],
            "same": len(plan.of("same")),
            "bytes": {"upload": plan.bytes_of("upload"), "download": plan.bytes_of("download")},
            "skipped": [{"path": item.path, "reason": item.reason} for item in skipped],
        },
        [*(f"would {_VERBS[step.verb]} {printable(step.path)} ({step.reason})" for step in steps), _summary(plan)],
    )
    _skipped(out, skipped)


def _summary(plan: Plan) -> str:
    moved = len(plan.of("upload")) + len(plan.of("download"))
    size = human_bytes(plan.bytes_of("upload") + plan.bytes_of("download"))
    compared, deleted, same = (len(plan.of(verb)) for verb in ("compare", "delete", "same"))
    return f"{moved} files to move ({size}), {compared} to compare, {deleted} to delete, {same} unchanged"


def _show_report(out: Out, report: Report, seconds: float) -> None:
    _skipped(out, report.skipped)
    for item in report.failed:
        if not out.as_json:
            out.warn(f"{printable(item.path)}: {printable(item.reason)}")
    moved = len(report.uploaded) + len(report.downloaded)
    rate = human_bytes(int(report.moved_bytes / seconds)) if seconds > 0 else "?"
    out.result(
        {
            "uploaded": len(report.uploaded),
            "downloaded": len(report.downloaded),
            "deleted": len(report.deleted),
            "same": report.same,
            "bytes": report.moved_bytes,
            "seconds": round(seconds, 3),
            "skipped": [{"path": item.path, "reason": item.reason} for item in report.skipped],
            "failed": [_failure(item) for item in report.failed],
        },
        f"{moved} files moved ({human_bytes(report.moved_bytes)} in {seconds:.1f} s, {rate}/s), "
        f"{report.same} unchanged, {len(report.deleted)} deleted, {len(report.failed)} failed",
    )
    _end(report, moved)


def _end(report: Report, moved: int) -> None:
    """Raise what the exit code should say."""
    if not report.failed:
        return
    first = report.failed[0].error
    if not moved and not report.same and len(report.failed) == 1 and isinstance(first, CybousError):
        raise first
    raise PartlyFailed(
        f"{len(report.failed)} of {moved + report.same + len(report.failed)} files failed",
        hint="the others were done; run the command again for the rest",
    )


def _failure(item: Failed) -> dict[str, object]:
    return {"path": item.path, "error": item.reason, "exit_code": getattr(item.error, "exit_code", 30)}


def _skipped(out: Out, skipped: list[Skipped]) -> None:
    for item in skipped:
        out.warn(f"{printable(item.path)}: left out, {item.reason}")

"""`scrub`, `fsck`, `backup`, `restore` and `durability`: looking after what a server keeps, running or not.

The same commands stand under `cybs3 server`, where a name says whose data, and under `swifts3`, where --data does.
The server's parts are imported by the command that needs them.
"""

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from cybous3.cli.options import Session, session_options
from cybous3.cli.output import Out, human_bytes, printable

if TYPE_CHECKING:
    from cybous3.server.app.maintenance import fsck as checking
    from cybous3.server.app.maintenance.moving import Progress
    from cybous3.server.app.maintenance.rebuild import Rebuilt
    from cybous3.server.workers import scrub as scrubbing

# docs/reference/exit-codes.md
PARTIAL: Final = 5
DIFFERENT: Final = 6
INTEGRITY: Final = 11

_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([KMGT])i?)?B?(?:/s)?", re.IGNORECASE)
_UNITS: Final = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_TICK_S: Final = 0.2

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Place(NamedTuple):
    """How a command is told which data directory: `option` adds the option, `resolve` turns its value into `data`."""

    option: Decorator
    resolve: Decorator


def commands(place: Place) -> list[click.Command]:
    """Return the commands, for a group whose data directories are told as `place` says."""
    return [_command(place, name, *parts) for name, *parts in _TABLE]


def _command(place: Place, name: str, function: Callable[..., Any], *options: Decorator) -> click.Command:
    decorated: Callable[..., Any] = session_options(vault=False)(place.resolve(function))
    for option in reversed(options):
        decorated = option(decorated)
    return click.command(name, help=function.__doc__)(place.option(decorated))


class _Ticker:
    """One line on the terminal that says how far it is; nothing where nobody watches."""

    def __init__(self, out: Out) -> None:
        self._out = out
        self._next = 0.0
        self._width = 0

    def show(self, line: Callable[[], str]) -> None:
        """Write the line over the one before, five times a second at most."""
        if not self._out.interactive or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _TICK_S
        text = line()
        self._out.stderr.write("\r" + text.ljust(self._width))
        self._out.stderr.flush()
        self._width = len(text)

    def clear(self) -> None:
        """Take the line away."""
        if self._width:
            self._out.stderr.write("\r" + " " * self._width + "\r")


# --- scrub


def _rate(_ctx: click.Context, _param: click.Parameter, value: str) -> float | None:
    """Return bytes a second, None for as fast as it goes."""
    if value in {"0", "full"}:
        return None
    found = _RATE.fullmatch(value.strip())
    if found is None or not float(found[1]):
        raise click.BadParameter(f"{value!r} is not a rate such as 50MiB, or 0 for as fast as it goes")
    return float(found[1]) * _UNITS[(found[2] or "").upper()]


def _scrub(session: Session, data: Path, rate: float | None, restart: bool) -> int:  # noqa: FBT001  # as click passes it
    """Read everything that is stored and put into quarantine what is damaged.

    The server may run meanwhile. A scrub that was interrupted goes on where it was. Exit code 11: damage was found.
    """
    from cybous3.server.app.maintenance.opening import opened  # noqa: PLC0415  # only this command needs it
    from cybous3.server.workers.scrub import Scrub  # noqa: PLC0415  # likewise
    from cybous3.server.workers.verify import Pace  # noqa: PLC0415  # likewise

    ticker = _Ticker(session.out)

    async def run() -> "scrubbing.Report":
        async with opened(data, "scrub") as found:
            scrub = Scrub(
                found.index,
                found.blobs,
                pace=Pace(rate),
                on_progress=lambda state: ticker.show(
                    lambda: f"{state.objects:,} objects, {human_bytes(state.bytes)}, {state.damaged} damaged"
                ),
                orphaned=lambda blob: not found.under_way(blob),
            )
            return await scrub.run(restart=restart)

    report = asyncio.run(run())
    ticker.clear()
    return _tell_scrub(session.out, report)


def _tell_scrub(out: Out, report: "scrubbing.Report") -> int:
    state = report.state
    out.result(
        {
            "objects": state.objects,
            "bytes": state.bytes,
            "damaged": state.damaged,
            "started_ms": state.started_ms,
            "finished_ms": state.finished_ms,
            "found": [_plain(found) for found in report.found],
            "released": [list(place) for place in report.released],
            "orphans": list(report.orphans),
        }
    )
    if report.found:
        out.table(
            ("DAMAGED", "KEY", "REASON"),
            [(one.bucket, _place_of(one.key, one.part), one.reason) for one in report.found],
        )
    lines = [f"scrubbed {state.objects:,} objects, {human_bytes(state.bytes)}: {_damage(state.damaged)}"]
    lines += [f"whole again: {printable('/'.join(place))}" for place in report.released]
    if report.orphans:
        lines.append(f"{len(report.orphans):,} blobs belong to nothing (fsck --remove-orphans deletes them)")
    _text(out, lines)
    if report.found:
        out.note("  hint: overwrite or delete what is damaged, or bring it back from a backup")
    return INTEGRITY if state.damaged else 0


def _damage(count: int) -> str:
    return "nothing is damaged" if not count else f"{count:,} damaged, now in quarantine"


def _plain(value: Any) -> dict[str, Any]:  # noqa: ANN401  # any of the frozen findings
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _place_of(key: str, part: int) -> str:
    return f"{key} (part {part})" if part else key


def _text(out: Out, lines: Sequence[str]) -> None:
    if not out.as_json:
        out.result({}, lines)


# --- fsck


def _fsck(
    session: Session,
    data: Path,
    quick: bool,  # noqa: FBT001  # as click passes it
    rebuild: bool,  # noqa: FBT001  # likewise
    remove_orphans: bool,  # noqa: FBT001  # likewise
    region: str,
) -> int:
    """Check the index against the bytes; with --rebuild make a new index of what can be read.

    Checking works beside a running server, rebuilding only without. Exit code 11: something is damaged or missing; 6:
    only orphans were found; 5: the rebuilt index is not all of what was there.
    """
    if rebuild:
        if quick or remove_orphans:
            raise click.UsageError("--rebuild goes alone")
        return _rebuild(session, data, region)
    from cybous3.server.app.maintenance.fsck import fsck  # noqa: PLC0415  # only this command needs it

    ticker = _Ticker(session.out)
    report = asyncio.run(
        fsck(
            data,
            quick=quick,
            remove_orphans=remove_orphans,
            on_progress=lambda now: ticker.show(
                lambda: f"{now.objects:,} objects, {human_bytes(now.data_bytes)}, {len(now.problems)} problems"
            ),
        )
    )
    ticker.clear()
    return _tell_fsck(session.out, report)


def _tell_fsck(out: Out, report: "checking.Report") -> int:
    out.result(
        {
            "objects": report.objects,
            "parts": report.parts,
            "bytes": report.data_bytes,
            "removed_orphans": report.removed,
            "problems": [_plain(problem) for problem in report.problems],
        }
    )
    if report.problems:
        out.table(
            ("PROBLEM", "WHERE", "REASON"),
            [
                (one.kind, f"{one.bucket}/{_place_of(one.key, one.part)}" if one.key else one.blob or "-", one.reason)
                for one in report.problems
            ],
        )
    found = "all is well" if not report.problems else f"{len(report.problems):,} problems"
    lines = [f"checked {report.objects:,} objects, {human_bytes(report.data_bytes)} in blobs: {found}"]
    if report.removed:
        lines.append(f"removed {report.removed:,} orphans")
    _text(out, lines)
    return INTEGRITY if report.damaged else DIFFERENT if report.problems else 0


def _rebuild(session: Session, data: Path, region: str) -> int:
    from cybous3.server.app.maintenance.rebuild import rebuild  # noqa: PLC0415  # only this command needs it

    ticker = _Ticker(session.out)
    made = asyncio.run(rebuild(data, region, lambda count: ticker.show(lambda: f"{count:,} blobs read")))
    ticker.clear()
    return _tell_rebuilt(session.out, made)


def _tell_rebuilt(out: Out, made: "Rebuilt") -> int:
    kept = None if made.kept is None else str(made.kept)
    out.result({**_plain(made), "losses": [_plain(loss) for loss in made.losses], "kept": kept})
    if made.continued:
        _text(out, [f"an interrupted rebuild was finished; the old index is kept as {kept}"])
        out.note("  hint: swifts3 fsck tells whether anything is missing")
        return 0
    if made.losses:
        out.table(("LOST", "WHAT", "WHY"), [(loss.kind, loss.name, loss.reason) for loss in made.losses])
    _text(
        out,
        [
            (
                f"rebuilt: {made.objects:,} objects ({made.from_labels:,} known from their blobs alone), "
                f"{made.uploads:,} unfinished uploads, {made.users:,} users, {made.keys:,} access keys"
            ),
            *([f"the old index is kept as {kept}"] if kept else []),
        ],
    )
    if made.losses:
        out.note("  hint: small objects live in the index alone; those that are lost come back from a backup only")
    return PARTIAL if made.losses else 0


# --- backup and restore


def _moved(now: "Progress") -> str:
    return f"{now.objects:,} objects, {now.copied:,} blobs copied, {now.present:,} there already"


def _backup(session: Session, data: Path, dest: Path, link: bool, verify: bool) -> int:  # noqa: FBT001  # as click passes it
    """Copy everything the server keeps, as it is now, to the directory DEST.

    The server may run meanwhile. A second backup to the same place copies only what is new. Exit code 5: some objects
    were damaged already and are not in the backup; each is named.
    """
    from cybous3.server.app.maintenance.backup import backup  # noqa: PLC0415  # only this command needs it

    ticker = _Ticker(session.out)
    manifest, done = asyncio.run(
        backup(data, dest, link=link, verify=verify, on_progress=lambda now: ticker.show(lambda: _moved(now)))
    )
    ticker.clear()
    return _tell_moved(session.out, f"backed up to {dest}", manifest.generation, done)


def _restore(session: Session, data: Path, source: Path) -> int:
    """Make an empty data directory what was backed up to SOURCE.

    Everything is verified. Interrupted, it can be run again; until it has ended no server begins on the directory. Exit
    code 5: some objects are damaged in the backup; each is named and answers an error.
    """
    from cybous3.server.app.maintenance.restore import restore  # noqa: PLC0415  # only this command needs it

    ticker = _Ticker(session.out)
    manifest, done = asyncio.run(restore(source, data, lambda now: ticker.show(lambda: _moved(now))))
    ticker.clear()
    return _tell_moved(session.out, f"restored to {data}", manifest.generation, done)


def _tell_moved(out: Out, what: str, generation: str, done: "Progress") -> int:
    out.result(
        {
            "generation": generation,
            "objects": done.objects,
            "copied": done.copied,
            "present": done.present,
            "bytes": done.data_bytes,
            "pruned": done.pruned,
            "damaged": [_plain(one) for one in done.damaged],
        }
    )
    if done.damaged:
        out.table(("DAMAGED", "KEY", "REASON"), [(one.bucket, one.key, one.reason) for one in done.damaged])
    lines = [
        (
            f"{printable(what)}: {done.objects:,} objects, {done.copied:,} blobs copied, "
            f"{done.present:,} there already, {human_bytes(done.data_bytes)}"
        )
    ]
    if done.pruned:
        lines.append(f"removed {done.pruned:,} blobs of older backups")
    if done.damaged:
        lines.append(f"{len(done.damaged):,} objects are damaged and not in it")
    _text(out, lines)
    return PARTIAL if done.damaged else 0


# --- durability


def _durability(session: Session, data: Path, bucket: str, mode: str | None) -> None:
    """Show what an acknowledged write of BUCKET outlives, or set it to MODE.

    strict: a power cut loses nothing. relaxed: at most about the last second. none: what the system has not written.
    """
    from cybous3.server.app.maintenance.modes import change, mode_of  # noqa: PLC0415  # only this command needs it

    now = asyncio.run(mode_of(data, bucket) if mode is None else change(data, bucket, mode))
    session.out.result({"bucket": bucket, "durability": now}, f"{printable(bucket)}: {now}")


_DIRECTORY: Final = click.Path(path_type=Path, file_okay=False)

_TABLE: Final[list[tuple[Any, ...]]] = [
    (
        "scrub",
        _scrub,
        click.option("--rate", default="50MiB", show_default=True, callback=_rate, help="Bytes a second; 0: no limit."),
        click.option("--restart", is_flag=True, help="Begin anew instead of going on."),
    ),
    (
        "fsck",
        _fsck,
        click.option("--quick", is_flag=True, help="Read only what blobs say of themselves, not their data."),
        click.option("--rebuild", is_flag=True, help="Make a new index; the old one is kept. The server must not run."),
        click.option("--remove-orphans", is_flag=True, help="Delete blobs that nothing refers to."),
        click.option(
            "--region", default="us-east-1", show_default=True, help="With --rebuild: region of found buckets."
        ),
    ),
    (
        "backup",
        _backup,
        click.argument("dest", type=_DIRECTORY),
        click.option("--link", is_flag=True, help="Make hard links instead of copies: on the same disk only."),
        click.option("--verify", is_flag=True, help="Read again what an earlier backup copied."),
    ),
    ("restore", _restore, click.argument("source", type=_DIRECTORY)),
    (
        "durability",
        _durability,
        click.argument("bucket"),
        click.argument("mode", required=False, type=click.Choice(["strict", "relaxed", "none"])),
    ),
]

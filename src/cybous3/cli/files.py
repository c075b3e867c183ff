"""`cybs3 files`: single files of the vault."""

from datetime import UTC, datetime
from pathlib import Path

import click

from cybous3.cli.options import Session, session_options
from cybous3.cli.output import Out, human_bytes, printable
from cybous3.cli.transfers import Movers, folder_path, movers, plaintext_option, progress_bar, stdin_bytes, stdout_bytes
from cybous3.client.transfer.errors import NotFoundHere, Unusable
from cybous3.client.transfer.files import Listed, Unreadable
from cybous3.client.transfer.localpath import local_path, stored_path
from cybous3.client.transfer.port import About, Restore, Stored
from cybous3.core.errors import CybousError

_LOOKERS = 8
_ATTACHED_BYTES_MAX = 16 * 1024

accept_rollback_option = click.option(
    "--accept-rollback", is_flag=True, help="Go on although the store shows an older state than this machine has seen."
)


class PartlyFailed(CybousError):
    """Some of several things failed; the others were done."""

    exit_code = 5


@click.group("files")
def group() -> None:
    """Store and fetch single files, encrypted."""


@group.command("put")
@click.argument("local")
@click.argument("remote", required=False)
@click.option("--content-type", metavar="TYPE", help="Kept sealed with the file.")
@click.option("--meta", metavar="KEY=VALUE", multiple=True, help="Attach something to the file, sealed. Repeatable.")
@click.option("--force", is_flag=True, help="Overwrite even what somebody else wrote since this machine saw it last.")
@click.option("--no-overwrite", is_flag=True, help="Fail if the vault holds the file already.")
@plaintext_option
@session_options()
def put(  # one argument an option
    session: Session,
    *,
    local: str,
    remote: str | None,
    content_type: str | None,
    meta: tuple[str, ...],
    force: bool,
    no_overwrite: bool,
    plaintext: bool,
) -> None:
    """Encrypt the file LOCAL and store it as REMOTE.

    LOCAL "-" reads standard input. REMOTE defaults to the file's name; one that ends in "/" is a folder to put it in.
    """
    if local != "-" and Path(local).is_dir():
        raise Unusable(f"{local}: is a folder", hint="whole trees go through: cybs3 folders put")
    path = _remote_name(local, remote)
    about = About(content_type, _attached(meta), force=force, absent=no_overwrite)
    with movers(session, plaintext=plaintext) as moving:
        moving.files.check_place(path)
        if local == "-":
            with progress_bar(session.out, path, None) as progress:
                stored = moving.up.put_stream(stdin_bytes(), path, about, progress)
        else:
            source = Path(local)
            with progress_bar(session.out, source.name, source.stat().st_size) as progress:
                stored = moving.up.put_file(source, path, about, progress)
    session.out.result(_described(stored), f"{printable(path)}  {human_bytes(stored.size)}")


@group.command("get")
@click.argument("remote")
@click.argument("local", required=False)
@click.option("--no-overwrite", is_flag=True, help="Fail if the local file exists already.")
@plaintext_option
@accept_rollback_option
@session_options()
def get(
    session: Session, *, remote: str, local: str | None, no_overwrite: bool, plaintext: bool, accept_rollback: bool
) -> None:
    """Fetch the file REMOTE, verify and decrypt it into LOCAL.

    LOCAL "-" writes to standard output. It defaults to the file's name here; an existing folder takes the file in.
    """
    path = stored_path(remote)
    if local == "-":
        _stream(session, path, 0, None, accept_rollback=accept_rollback)
        return
    target = _local_name(path, local)
    moving_from = movers(session, accept_rollback=accept_rollback, plaintext=plaintext)
    with moving_from as moving, progress_bar(session.out, path, None) as progress:
        stored = moving.down.get_file(path, target, Restore(overwrite=not no_overwrite, folders=False), progress)
    session.out.result(
        _described(stored) | {"local": str(target)}, f"{printable(str(target))}  {human_bytes(stored.size)}"
    )


@group.command("cat")
@click.argument("remote")
@click.option("--offset", type=click.IntRange(min=0), default=0, help="Begin at this byte.")
@click.option("--length", type=click.IntRange(min=0), help="Write at most so many bytes.")
@accept_rollback_option
@session_options()
def cat(session: Session, *, remote: str, offset: int, length: int | None, accept_rollback: bool) -> None:
    """Write the file REMOTE to standard output.

    Only verified bytes are written, but a pipe cannot be taken back: if a later part is damaged, the command ends with
    code 11 after the sound beginning. `get` into a file is all or nothing.
    """
    _stream(session, stored_path(remote), offset, length, accept_rollback=accept_rollback)


@group.command("list")
@click.argument("folder", default="")
@click.option("--recursive", "-r", is_flag=True, help="List everything below, not folder by folder.")
@click.option("--long", "-l", "long_", is_flag=True, help="Show true sizes and times; opens every file's header.")
@accept_rollback_option
@session_options()
def list_(session: Session, *, folder: str, recursive: bool, long_: bool, accept_rollback: bool) -> None:
    """List the files in FOLDER of the vault."""
    where = folder_path(folder)
    with movers(session, accept_rollback=accept_rollback) as moving:
        found = list(moving.files.list(where, recursive=recursive))
        if not found and where:
            found = _the_file_itself(moving, where)
        details = _details(moving, found) if long_ or session.out.as_json else {}
    readable = [item for item in found if isinstance(item, Listed)]
    if session.out.as_json:
        session.out.result({"folder": where, "files": [_listed(item, details) for item in found]})
    elif long_:
        session.out.table(["SIZE", "MODIFIED", "PATH"], [_row(item, details) for item in readable])
    else:
        session.out.result([], [printable(item.path) for item in readable])
    if not session.out.as_json:
        _warn_of(session.out, found, details)


@group.command("delete")
@click.argument("remotes", nargs=-1, required=True)
@click.option("--dry-run", "-n", is_flag=True, help="Show what would be deleted.")
@session_options()
def delete(session: Session, *, remotes: tuple[str, ...], dry_run: bool) -> None:
    """Delete files of the vault."""
    deleted: list[str] = []
    failed: list[CybousError] = []
    with movers(session) as moving:
        for path in [stored_path(remote) for remote in remotes]:
            try:
                if dry_run:
                    _must_exist(moving, path)
                else:
                    moving.files.delete(path)
                deleted.append(path)
            except NotFoundHere as error:
                failed.append(error)
    word = "would delete" if dry_run else "deleted"
    session.out.result(
        {"deleted": deleted, "dry_run": dry_run, "failed": [error.message for error in failed]},
        [f"{word} {printable(path)}" for path in deleted],
    )
    _tell_failures(session.out, failed, done=len(deleted))


@group.command("copy")
@click.argument("source")
@click.argument("target")
@session_options()
def copy(session: Session, *, source: str, target: str) -> None:
    """Copy the file SOURCE of the vault to TARGET, inside the store: no bytes travel, the key is wrapped anew."""
    origin = stored_path(source)
    path = stored_path(target + origin.rpartition("/")[2] if target.endswith("/") else target)
    with movers(session) as moving:
        moving.files.check_place(path)
        stored = moving.copier.copy(origin, path)
    session.out.result(_described(stored), f"{printable(origin)} -> {printable(path)}")


@group.command("stat")
@click.argument("remote")
@accept_rollback_option
@session_options()
def stat(session: Session, *, remote: str, accept_rollback: bool) -> None:
    """Show what the file REMOTE says of itself, as authenticated by its header and footer."""
    with movers(session, accept_rollback=accept_rollback) as moving:
        stored = moving.files.stat(stored_path(remote))
    shown = _described(stored)
    session.out.result(shown, [f"{name}: {printable(str(value))}" for name, value in shown.items() if value != ""])


def _stream(session: Session, path: str, offset: int, length: int | None, *, accept_rollback: bool) -> None:
    # Standard output carries the file, so it carries nothing else: no result in JSON either.
    with movers(session, accept_rollback=accept_rollback) as moving, progress_bar(session.out, path, None) as progress:
        out = stdout_bytes()
        moving.down.stream(path, out, start=offset, length=length, progress=progress)
        out.flush()


def _remote_name(local: str, remote: str | None) -> str:
    if local == "-" and (remote is None or remote.endswith("/")):
        raise click.UsageError('standard input ("-") needs a name to be stored as')
    name = Path(local).name
    if remote is None:
        return stored_path(name)
    return stored_path(remote + name if remote.endswith("/") else remote)


def _local_name(path: str, local: str | None) -> Path:
    name = path.rpartition("/")[2]
    if local is None:
        return local_path(Path(), name)
    target = Path(local)
    return local_path(target, name) if target.is_dir() else target


def _attached(meta: tuple[str, ...]) -> dict[str, str]:
    pairs = [item.partition("=") for item in meta]
    if any(not key or not sign for key, sign, _ in pairs):
        raise click.UsageError("--meta takes KEY=VALUE")
    if sum(len(item.encode("utf-8", "surrogatepass")) for item in meta) > _ATTACHED_BYTES_MAX:
        raise click.UsageError(f"--meta holds at most {_ATTACHED_BYTES_MAX} bytes in all")
    return {key: value for key, _, value in pairs}


def _the_file_itself(moving: Movers, path: str) -> list[Listed | Unreadable]:
    listed = moving.files.one(path)
    if listed is None:
        raise NotFoundHere(f"the vault holds no file or folder {path!r}", hint="cybs3 files list -r shows everything")
    return [listed]


def _must_exist(moving: Movers, path: str) -> None:
    if moving.files.one(path) is None:
        raise NotFoundHere(f"the vault holds no file {path!r}", hint="cybs3 files list shows what is there")


def _details(moving: Movers, found: list[Listed | Unreadable]) -> dict[str, Stored | str]:
    """Open every file's header, several at once; what each says of itself, or why it cannot be opened."""
    from cybous3.client.transfer.parallel import each  # noqa: PLC0415  # a plain listing opens nothing

    files = [item for item in found if isinstance(item, Listed) and not item.folder]
    return {
        outcome.item.key: outcome.value if outcome.value is not None else _why(outcome.error)
        for outcome in each(files, lambda item: moving.files.stat(item.path, key=item.key), workers=_LOOKERS)
    }


def _why(error: CybousError | OSError | None) -> str:
    return error.message if isinstance(error, CybousError) else str(error)


def _warn_of(out: Out, found: list[Listed | Unreadable], details: dict[str, Stored | str]) -> None:
    """Tell what is there and cannot be read: never hidden, and never among the names."""
    for item in found:
        if isinstance(item, Unreadable):
            out.warn(f"{printable(item.key)}: {item.reason}")
        elif isinstance(reason := details.get(item.key), str):
            out.warn(f"{printable(item.path)}: {printable(reason)}")


def _described(stored: Stored) -> dict[str, object]:
    shown: dict[str, object] = {
        "path": stored.path,
        "size": stored.size,
        "kind": "folder" if stored.folder else "file",
        "modified": _iso(stored.mtime_ns),
        "mode": f"{stored.mode:o}" if stored.mode is not None else "",
        "content_type": stored.content_type or "",
        "metadata": dict(stored.user) or "",
        "generation": stored.generation,
        "object_id": stored.object_id.hex(),
        "etag": stored.etag,
        "key": stored.key,
    }
    return shown


def _listed(item: Listed | Unreadable, details: dict[str, Stored | str]) -> dict[str, object]:
    if isinstance(item, Unreadable):
        return {"key": item.key, "error": item.reason}
    if item.folder:
        return {"path": item.path, "kind": "folder"}
    known = details[item.key]
    if isinstance(known, str):
        return {"path": item.path, "kind": "file", "stored_size": item.stored_size, "error": known}
    return {
        "path": item.path,
        "kind": "folder" if known.folder else "file",
        "size": known.size,
        "stored_size": item.stored_size,
        "modified": _iso(known.mtime_ns),
        "etag": item.etag,
    }


def _row(item: Listed, details: dict[str, Stored | str]) -> tuple[str, str, str]:
    known = details.get(item.key)
    if not isinstance(known, Stored):
        return ("-" if item.folder else "?", "", item.path)
    return (str(known.size), _iso(known.mtime_ns), item.path)


def _iso(mtime_ns: int | None) -> str:
    if mtime_ns is None:
        return ""
    return datetime.fromtimestamp(mtime_ns // 1_000_000_000, UTC).isoformat().replace("+00:00", "Z")


def _tell_failures(out: Out, failed: list[CybousError], *, done: int) -> None:
    """End with the error itself when it was all there was to do, else with each error named and the partial code."""
    if not failed:
        return
    if not done and len(failed) == 1:
        raise failed[0]
    for error in failed:
        out.warn(printable(error.message))
    raise PartlyFailed(f"{len(failed)} of {done + len(failed)} failed", hint="the others were done")

"""`cybs3 server`: run a local S3 server in the background, by name."""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cybous3.cli.options import Session, session_options
from cybous3.cli.output import printable
from cybous3.cli.server_config import config
from cybous3.cli.server_keeping import Place
from cybous3.cli.server_keeping import commands as keeping
from cybous3.cli.server_names import NAME, by_name, data_of, named, settings_of
from cybous3.cli.server_state import lines_of
from cybous3.core.config import Setting
from cybous3.server.app import control
from cybous3.server.config.settings import FIELDS, ROOT_ACCESS_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

_EXIT: Final = {"running": 0, "stopped": 3, "unknown": 4}
_FOLLOW_S: Final = 0.25


@click.group("server", context_settings={"help_option_names": ["-h", "--help"]})
def group() -> None:
    """Run a local S3 server."""


group.add_command(config)
for _one in keeping(Place(NAME, by_name)):
    group.add_command(_one)


def _setting_options(command: "Callable[..., Any]") -> "Callable[..., Any]":
    for field in reversed(FIELDS):
        if field.name != "log_file":  # `server logs` must know where it is
            command = click.option(field.flag, field.name, default=None, metavar="VALUE", help=field.help)(command)
    return command


@group.command()
@NAME
@_setting_options
@session_options(vault=False)
def start(session: Session, name: str, **flags: str | None) -> None:
    """Start the server and return when it is ready."""
    _start(session, name, flags)


def _start(session: Session, name: str, flags: Mapping[str, str | None]) -> None:
    place = named(name)
    settings = settings_of(place, flags)  # wrong settings end here, before anything is started
    data = settings["data"].value
    try:
        instance, started = control.start(place, data, _arguments(place, flags, data), lambda: _prepare(settings))
    except control.StartFailedError as error:
        for line in error.lines:
            session.out.stderr.write(f"  | {printable(line)}\n")
        raise
    if not started:
        control.ensure_asked_for(place, instance, _addresses(settings, asked=True))
    shown = {**asdict(instance), "name": name, "started": started, "endpoint": instance.endpoint}
    del shown["token"]
    verb = "started" if started else "runs already"
    session.out.result(shown, f"{name} {verb}: {instance.endpoint} (admin {instance.admin_url}, pid {instance.pid})")


def _arguments(place: control.Named, flags: Mapping[str, str | None], data: Path) -> list[str]:
    """Return the arguments of `swifts3 serve`: flags as given, and what a name stands for."""
    given = {**flags, "data": str(data), "log_file": str(place.log_file)}
    arguments = [part for field in FIELDS if given.get(field.name) for part in (field.flag, str(given[field.name]))]
    if place.config_file.exists():
        arguments += ["--config", str(place.config_file)]
    return arguments


def _addresses(settings: Mapping[str, Setting], *, asked: bool) -> dict[str, tuple[str, int]]:
    """Return where the server shall listen; with `asked` only what somebody said, not the defaults."""
    ports = {"listen": settings["listen"], "admin": settings["admin_listen"]}
    return {name: setting.value for name, setting in ports.items() if not asked or setting.origin != "default"}


def _prepare(settings: Mapping[str, Setting]) -> None:
    """See that both ports are free, then make the root key: one that is shown must be of a server that starts."""
    from cybous3.server.app.sockets import listen  # noqa: PLC0415  # only a start needs it

    for name, address in _addresses(settings, asked=False).items():
        listen(address, "--listen" if name == "listen" else "--admin-listen").close()
    _make_root(settings["data"].value)


def _make_root(data: Path) -> None:
    """Make the root key here, at the terminal, since the server in the background has none to show it on."""
    import asyncio  # noqa: PLC0415  # only a first start needs it

    from cybous3.cli.swifts3_commands import show_root_key  # noqa: PLC0415  # likewise
    from cybous3.server.app.accounts import open_accounts  # noqa: PLC0415  # likewise

    if os.environ.get(ROOT_ACCESS_KEY):
        return

    async def make() -> None:
        async with open_accounts(data) as accounts:
            made = await accounts.ensure_root()
            if made is not None:
                show_root_key(made)

    asyncio.run(make())


_TIMEOUT = click.option(
    "--timeout", "timeout_s", default=30.0, show_default=True, help="Seconds to let requests finish before forcing it."
)


@group.command()
@NAME
@_TIMEOUT
@session_options(vault=False)
def stop(session: Session, name: str, timeout_s: float) -> None:
    """Let the server finish what is under way, and end it."""
    ending = control.stop(named(name), timeout_s)
    session.out.result({"name": name, "ending": ending}, f"{name}: {ending}")


@group.command()
@NAME
@_TIMEOUT
@_setting_options
@session_options(vault=False)
def restart(session: Session, name: str, timeout_s: float, **flags: str | None) -> None:
    """Stop the server and start it again, with the flags of the last start unless new ones are given."""
    place = named(name)
    last = _flags_of(place.remembered()[1])
    control.stop(place, timeout_s)
    _start(session, name, {**last, **{key: value for key, value in flags.items() if value is not None}})


def _flags_of(arguments: list[str]) -> dict[str, str]:
    """Return the flags in arguments that `_arguments` made, by the names of their settings."""
    names = {field.flag: field.name for field in FIELDS if field.name != "log_file"}
    pairs = zip(arguments[::2], arguments[1::2], strict=False)
    return {names[flag]: value for flag, value in pairs if flag in names}


@group.command()
@NAME
@session_options(vault=False)
def status(session: Session, name: str) -> int:
    """Tell whether the server runs and how safe its data is: exit code 0 running, 3 stopped, 4 unknown."""
    import asyncio  # noqa: PLC0415  # only this command needs it

    from cybous3.server.app.maintenance.state import look  # noqa: PLC0415  # likewise

    found = control.status(named(name))
    default = settings_of(named(name), _flags_of(named(name).remembered()[1]))["durability"].value
    kept = asyncio.run(look(data_of(name)))
    data: dict[str, object] = {
        "name": name,
        "state": found.state,
        "ready": found.ready,
        "reasons": list(found.reasons),
    }
    lines = [f"{name}: {found.state}" + ("" if found.ready or found.state != "running" else ", not ready")]
    if found.instance is not None:
        about = asdict(found.instance)
        del about["token"]
        data |= {**about, "endpoint": found.instance.endpoint, "admin_url": found.instance.admin_url}
        lines += [f"  S3     {found.instance.endpoint}", f"  admin  {found.instance.admin_url}"]
        lines += [f"  data   {found.instance.data}", f"  pid    {found.instance.pid}"]
    lines += [f"  {reason}" for reason in found.reasons]
    lines += [f"  durability of new buckets: {default}", *(f"  {line}" for line in lines_of(kept))]
    session.out.result({**data, "durability": default, "stored": kept.as_json()}, lines)
    return _EXIT[found.state]


@group.command()
@NAME
@click.option("-n", "--lines", default=50, show_default=True, type=click.IntRange(0), help="How many lines.")
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines until interrupted.")
def logs(name: str, lines: int, follow: bool) -> None:  # noqa: FBT001  # as click passes it
    """Show the end of the server's log."""
    path = named(name).log_file
    size = path.stat().st_size if path.exists() else 0
    for line in control.tail(path, lines):
        click.echo(printable(line))
    if follow:
        for line in _follow(path, size):
            click.echo(printable(line))


def _follow(path: Path, at: int) -> Iterator[str]:
    """Yield lines as they are written, from byte `at` on; a file that got shorter was rotated and begins anew."""
    rest = b""
    while True:
        size = path.stat().st_size if path.exists() else 0
        at = at if size >= at else 0
        if size > at:
            with path.open("rb") as file:
                file.seek(at)
                read = file.read(size - at)
            at += len(read)
            *whole, rest = (rest + read).split(b"\n")
            yield from (line.decode("utf-8", "replace") for line in whole)
            sys.stdout.flush()
        time.sleep(_FOLLOW_S)

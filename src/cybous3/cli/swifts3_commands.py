"""The commands of `swifts3`: the server process itself, and the users and keys of its data directory.

The server's parts are imported by the command that needs them.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cybous3.cli.options import Session, session_options
from cybous3.cli.output import Out, printable
from cybous3.cli.server_keeping import Place
from cybous3.cli.server_keeping import commands as keeping
from cybous3.cli.server_state import lines_of
from cybous3.server.config.settings import FIELDS

if TYPE_CHECKING:
    from cybous3.server.app.accounts import Accounts
    from cybous3.server.model.accounts import AccessKey, Credential, User

T = TypeVar("T")
Command = Callable[..., Any]

_SECRET_BYTES_MAX = 4096


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="cybous3", prog_name="swifts3", message="%(prog)s %(version)s")
def swifts3() -> None:
    """Serve S3 from a directory, and manage who may come in."""


# --- serve


def _setting_options(command: Command) -> Command:
    """Give `command` one flag for each setting of the server."""
    for field in reversed(FIELDS):
        command = click.option(
            field.flag, field.name, default=None, metavar="VALUE", help=f"{field.help} [{field.variable('SWIFTS3')}]"
        )(command)
    return command


def show_root_key(credential: "Credential") -> None:
    """Show a generated root key, once, to the person at the terminal; it is written nowhere else."""
    sys.stderr.write(
        "\nA root key was made. It is shown this once:\n"
        f"  access key  {credential.access_key}\n"
        f"  secret key  {credential.secret_key}\n\n"
    )
    sys.stderr.flush()


@swifts3.command()
@_setting_options
@click.option("--config", "file", type=click.Path(path_type=Path), help="Settings as TOML; flags and variables win.")
def serve(file: Path | None, **flags: str | None) -> None:
    """Run the server until SIGTERM or SIGINT, then finish what is under way.

    The root key is taken from SWIFTS3_ROOT_ACCESS_KEY and SWIFTS3_ROOT_SECRET_KEY, else made and shown at the first
    start.
    """
    from cybous3.server.app.lean import import_structlog  # noqa: PLC0415  # only this command needs the server

    import_structlog()
    from cybous3.server.app.server import run_server  # noqa: PLC0415  # only this command needs the server
    from cybous3.server.config.load import load  # noqa: PLC0415  # likewise

    loaded = load(flags, os.environ, file)
    run_server(loaded.config, show_root_key, loaded.strays)


# --- whose data

_DATA = click.option(
    "--data",
    required=True,
    envvar="SWIFTS3_DATA",
    type=click.Path(path_type=Path, file_okay=False),
    help="The server's data directory.",
)

for _one in keeping(Place(_DATA, lambda function: function)):
    swifts3.add_command(_one)


@swifts3.command()
@_DATA
@session_options(vault=False)
def status(session: Session, data: Path) -> None:
    """Tell how safe what is stored is: buckets that are not strict, damaged objects, the last scrub."""
    from cybous3.server.app.maintenance.state import look  # noqa: PLC0415  # only this command needs it

    found = asyncio.run(look(data))
    session.out.result(found.as_json(), lines_of(found))


# --- users and keys

_BUCKETS = click.option("--bucket", "buckets", multiple=True, help="Limit the key to this bucket; may be repeated.")
_ACCESS_KEY = click.option("--access-key", help="The access key; made if not given.")
_SECRET_KEY = click.option("--secret-key", help='The secret key, or "-" for standard input; made if not given.')
_SECRET_STDIN = click.option("--secret-key-stdin", is_flag=True, help="Read the secret key from standard input.")


def _key_options(command: Command) -> Command:
    for option in (_SECRET_STDIN, _SECRET_KEY, _ACCESS_KEY, _BUCKETS):
        command = option(command)
    return command


def _secret(given: str | None, from_stdin: bool) -> str | None:  # noqa: FBT001  # a flag as click passes it
    if not from_stdin and given != "-":
        return given
    if from_stdin and given not in (None, "-"):
        raise click.UsageError("--secret-key and --secret-key-stdin exclude each other")
    secret = sys.stdin.read(_SECRET_BYTES_MAX).strip("\r\n")
    if not secret:
        raise click.UsageError("standard input holds no secret key")
    return secret


def _with_accounts(data: Path, work: "Callable[[Accounts], Awaitable[T]]", *, make: bool = False) -> T:
    """Work on the accounts of a data directory. One without an index is an error, unless `make` allows to begin one.

    Beginning one is told on standard error, unless it is an empty directory that somebody made for it.
    """
    from cybous3.server.app.accounts import ensure_index, is_prepared, open_accounts  # noqa: PLC0415  # `serve` does not need them

    if not make:
        ensure_index(data)
    elif not is_prepared(data):
        Out().warn(f"made a new data directory: {printable(str(data.absolute()))}")

    async def run() -> T:
        async with open_accounts(data) as accounts:
            return await work(accounts)

    return asyncio.run(run())


def _tell(session: Session, credential: "Credential", *, generated: bool) -> None:
    """Write the credential; its secret only if nobody knows it yet."""
    user = credential.user
    data = {
        "name": user.name,
        "id": user.id,
        "display_name": user.display_name,
        "email": user.email,
        "access_key": credential.access_key,
        "buckets": None if credential.buckets is None else sorted(credential.buckets),
    }
    lines = [f"user        {user.name}", f"id          {user.id}", f"access key  {credential.access_key}"]
    if generated:
        data["secret_key"] = credential.secret_key
        lines.append(f"secret key  {credential.secret_key}  (shown this once)")
    session.out.result(data, lines)


@swifts3.group()
def users() -> None:
    """Add, list and delete users. A user owns the buckets it makes."""


@users.command("add")
@click.argument("name")
@_DATA
@click.option("--display-name", help="The owner's name in listings (default: NAME).")
@click.option("--email", default="", help="The user's e-mail address.")
@_key_options
@session_options(vault=False)
def users_add(  # noqa: PLR0913, PLR0917  # one argument for each option
    session: Session,
    name: str,
    data: Path,
    display_name: str | None,
    email: str,
    buckets: tuple[str, ...],
    access_key: str | None,
    secret_key: str | None,
    secret_key_stdin: bool,  # noqa: FBT001  # as click passes it
) -> None:
    """Add the user NAME with one access key. A data directory that is not there yet is made."""
    secret = _secret(secret_key, secret_key_stdin)
    made = _with_accounts(
        data,
        lambda accounts: accounts.add_user(
            name,
            display_name=display_name,
            email=email,
            access_key=access_key,
            secret_key=secret,
            buckets=buckets or None,
        ),
        make=True,
    )
    _tell(session, made, generated=secret is None)


@users.command("list")
@_DATA
@session_options(vault=False)
def users_list(session: Session, data: Path) -> None:
    """List users and their access keys."""
    found = _with_accounts(data, lambda accounts: accounts.list_users())
    session.out.result([_user_as_json(user, keys) for user, keys in found])
    session.out.table(
        ("NAME", "DISPLAY NAME", "E-MAIL", "ACCESS KEYS", "ID"),
        [
            (user.name, user.display_name, user.email, " ".join(key.access_key for key in keys), user.id)
            for user, keys in found
        ],
    )


def _user_as_json(user: "User", keys: "Any") -> dict[str, object]:  # noqa: ANN401  # a sequence of AccessKey
    return {
        "name": user.name,
        "id": user.id,
        "display_name": user.display_name,
        "email": user.email,
        "root": user.root,
        "keys": [_key_as_json(key) for key in keys],
    }


def _key_as_json(key: "AccessKey") -> dict[str, object]:
    buckets = None if key.buckets is None else sorted(key.buckets)
    return {"access_key": key.access_key, "created_ms": key.created_ms, "buckets": buckets}


@users.command("delete")
@click.argument("name")
@_DATA
@session_options(vault=False)
def users_delete(session: Session, name: str, data: Path) -> None:
    """Delete the user NAME and its keys, at once; not while it owns buckets."""
    _with_accounts(data, lambda accounts: accounts.delete_user(name))
    session.out.result({"deleted": name}, f"deleted {name}")


@swifts3.group()
def keys() -> None:
    """Add, list and delete access keys."""


@keys.command("add")
@click.argument("user")
@_DATA
@_key_options
@session_options(vault=False)
def keys_add(  # one argument for each option
    session: Session,
    user: str,
    data: Path,
    buckets: tuple[str, ...],
    access_key: str | None,
    secret_key: str | None,
    secret_key_stdin: bool,  # noqa: FBT001  # as click passes it
) -> None:
    """Add an access key to the user USER."""
    secret = _secret(secret_key, secret_key_stdin)
    made = _with_accounts(
        data,
        lambda accounts: accounts.add_key(user, access_key=access_key, secret_key=secret, buckets=buckets or None),
    )
    _tell(session, made, generated=secret is None)


@keys.command("list")
@click.argument("user", required=False)
@_DATA
@session_options(vault=False)
def keys_list(session: Session, user: str | None, data: Path) -> None:
    """List access keys, of all users or of USER; never secrets."""
    found = _with_accounts(data, lambda accounts: accounts.list_users())
    rows = [(owner, key) for owner, keys in found for key in keys if user in (None, owner.name)]
    session.out.result([{"user": owner.name, **_key_as_json(key)} for owner, key in rows])
    session.out.table(
        ("USER", "ACCESS KEY", "BUCKETS"),
        [
            (owner.name, key.access_key, "all" if key.buckets is None else " ".join(sorted(key.buckets)))
            for owner, key in rows
        ],
    )


@keys.command("delete")
@click.argument("access_key")
@_DATA
@session_options(vault=False)
def keys_delete(session: Session, access_key: str, data: Path) -> None:
    """Delete an access key, at once."""
    _with_accounts(data, lambda accounts: accounts.delete_key(access_key))
    session.out.result({"deleted": access_key}, f"deleted {access_key}")

"""The options that every command shares, and what they become.

`--json`, `--quiet` and `--vault` may stand before the group or behind the command; the nearer one wins.
Secrets are never options: they come from a file, standard input ("-"), a command's output or the environment.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

import click

from cybous3.cli.output import Out

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Secrets:
    """Where secrets are to be read from, when one is needed. None: not given, ask the environment or the terminal."""

    mnemonic_file: Path | None = None
    passphrase_file: Path | None = None
    password_command: str | None = field(default=None, repr=False)


class Session(NamedTuple):
    """What a command is told about its surroundings."""

    out: Out
    vault: str | None = None
    secrets: Secrets = Secrets()


_COMMON: list[Callable[[Any], Any]] = [
    click.option("--json", "as_json", is_flag=True, help="Write results as JSON."),
    click.option("--quiet", "-q", is_flag=True, help="Write nothing but results and errors."),
]
_VAULT: list[Callable[[Any], Any]] = [
    click.option("--vault", metavar="NAME", help="The vault to work on (default: CYBS3_VAULT, else the selected one)."),
    click.option(
        "--mnemonic-file",
        type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
        help='A file with the recovery words; "-" reads standard input.',
    ),
    click.option(
        "--passphrase-file",
        type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
        help='A file with the passphrase; "-" reads standard input.',
    ),
    click.option("--password-command", metavar="COMMAND", help="A command that prints the passphrase."),
]


def session_options(*, vault: bool = True) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Add the shared options to a command and pass it a `Session` as its first argument.

    With `vault=False` only the options of speech are added.
    """

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        @click.pass_context
        @wraps(function)
        def command(ctx: click.Context, /, **kwargs: Any) -> R:  # noqa: ANN401  # click passes what the options say
            return function(_session(ctx, kwargs, vault=vault), **kwargs)

        wrapped: Callable[..., R] = command
        for option in reversed(_COMMON + (_VAULT if vault else [])):
            wrapped = option(wrapped)
        return wrapped

    return decorate


def _session(ctx: click.Context, kwargs: dict[str, Any], *, vault: bool) -> Session:
    outer: dict[str, Any] = ctx.find_root().obj or {}
    out = Out(
        as_json=kwargs.pop("as_json") or outer.get("as_json", False),
        quiet=kwargs.pop("quiet") or outer.get("quiet", False),
    )
    if not vault:
        return Session(out, outer.get("vault"))
    secrets = Secrets(kwargs.pop("mnemonic_file"), kwargs.pop("passphrase_file"), kwargs.pop("password_command"))
    return Session(out, kwargs.pop("vault") or outer.get("vault"), secrets)

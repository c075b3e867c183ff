"""The options that name an S3 endpoint and a key pair, for commands that need no vault's profile.

The secret access key is never an option: it comes from --secret-key-file, the environment (CYBS3_SECRET_KEY,
AWS_SECRET_ACCESS_KEY), a prompt, or standard input when that is not a terminal.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from cybous3.client.keys.sources import SECRET_KEY, STDIN, SecretKind, Sources

AWS_SECRET_KEY = SecretKind(SECRET_KEY.name, "AWS_SECRET_ACCESS_KEY")

_OPTIONS: list[Callable[[Any], Any]] = [
    click.option("--access-key", metavar="KEY", help="The access key id. Its secret comes from elsewhere, see below."),
    click.option(
        "--secret-key-file",
        type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
        help='A file with the secret access key; "-" reads standard input.',
    ),
    click.option("--region", metavar="NAME", help="The region to sign for (default: what the server tells)."),
    click.option(
        "--addressing", type=click.Choice(["path", "virtual"]), default="path", help="How buckets stand in requests."
    ),
    click.option(
        "--ca-file",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="Certificates of the authority that signed the server's (PEM).",
    ),
]


@dataclass(frozen=True)
class EndpointOptions:
    """What the options say."""

    access_key: str | None
    secret_key_file: Path | None
    region: str | None
    addressing: Any
    ca_file: Path | None


def endpoint_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command; `take` collects them again."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def take(options: dict[str, Any]) -> EndpointOptions:
    """Take the options of `endpoint_options` out of a command's keyword arguments."""
    names = ("access_key", "secret_key_file", "region", "addressing", "ca_file")
    return EndpointOptions(**{name: options.pop(name) for name in names})


def secret_key(sources: Sources, options: EndpointOptions) -> str:
    """Return the secret of `--access-key`. Raises a usage error when it is nowhere."""
    file = options.secret_key_file
    found = sources.from_options(SECRET_KEY, file)
    for kind in (SECRET_KEY, AWS_SECRET_KEY):
        found = found or sources.from_environment(kind)
    found = found or sources.ask(SECRET_KEY)
    if found is None and not sys.stdin.isatty() and not sources.stdin_taken:
        found = sources.from_options(SECRET_KEY, STDIN)
    if found is None:
        raise click.UsageError("the secret access key is missing: give --secret-key-file or CYBS3_SECRET_KEY")
    return found.strip()

"""The options that name a target of load, and the target they become: any S3 endpoint, or a server of our own."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from cybous3.cli.opening import secret_sources
from cybous3.cli.output import Out
from cybous3.client.keys.home import find_home
from cybous3.client.keys.sources import SECRET_KEY
from cybous3.core.sigv4.credentials import Credentials
from cybous3.lab.bench.target import UNKNOWN_DURABILITY, Target

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS: list[Callable[[Any], Any]] = [
    click.option("--endpoint", metavar="URL", help="Any S3 endpoint (default: a server of our own, for the run)."),
    click.option("--region", metavar="NAME", default="us-east-1", show_default=True, help="The endpoint's region."),
    click.option("--access-key", metavar="KEY", help="Default: AWS_ACCESS_KEY_ID."),
    click.option(
        "--secret-key-file",
        type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
        help='A file with the secret key, "-" for standard input (default: AWS_SECRET_ACCESS_KEY).',
    ),
    click.option("--bucket", metavar="NAME", help="Work below a prefix in this bucket (default: a scratch bucket)."),
    click.option("--durability", metavar="TEXT", help="What is known of the endpoint's durability, for the label."),
]


@dataclass(frozen=True, slots=True)
class Where:
    """What the options said."""

    endpoint: str | None
    region: str
    access_key: str | None
    secret_key_file: Path | None
    bucket: str | None
    durability: str | None


def target_options(function: F) -> F:
    """Add the options; the command gets them by name, or as one value through `where`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def where(options: dict[str, Any]) -> Where:
    """Take the target's options out of a command's, and return them as one value."""
    return Where(*(options.pop(name) for name in Where.__slots__))


def results_folder(chosen: Path | None) -> Path:
    """Return where results are stored: what was chosen, else `performance` in this person's home of cybs3."""
    return chosen or find_home().root / "performance"


@contextmanager
def open_target(said: Where, folder: Path, label: str | None) -> Iterator[Target]:
    """Yield the target. A server of our own keeps its data below `folder`, on the disk that is meant, for the run."""
    if said.endpoint is not None:
        keys = credentials(said.access_key, said.secret_key_file)
        durability = said.durability or UNKNOWN_DURABILITY
        yield Target(label or _host(said.endpoint), said.endpoint, keys, said.region, said.bucket, durability)
        return
    from cybous3.lab.integration.own_server import own_server  # noqa: PLC0415  # only where a server is started
    from cybous3.server.app.discovery import find  # noqa: PLC0415  # likewise

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="server-", dir=folder) as scratch:
        place = Path(scratch) / "server"
        with own_server(place) as access:
            instance = find(place / "data")
            pid = None if instance is None else instance.pid
            made = access.credentials or Credentials("", "")
            # `swifts3 serve` syncs bytes and index before it answers; it has no other mode for the whole server.
            yield Target(label or "own", access.endpoint, made, access.region or "us-east-1", None, "strict", pid)


@contextmanager
def notes_told(out: Out) -> Iterator[None]:
    """Warn of what an error carries beside itself, such as test data that could not be removed."""
    try:
        yield
    except BaseException as error:
        for note in getattr(error, "__notes__", ()):
            out.warn(note)
        raise


def _host(endpoint: str) -> str:
    return endpoint.partition("://")[2].strip("/") or endpoint


def credentials(access_key: str | None, secret_key_file: Path | None) -> Credentials:
    """Return the keys of an endpoint, from options or from the names that AWS gave the environment. UsageError."""
    key = access_key or os.environ.get("AWS_ACCESS_KEY_ID")
    if not key:
        raise click.UsageError("no access key: give --access-key, or set AWS_ACCESS_KEY_ID")
    if secret_key_file is not None:
        secret = secret_sources().from_options(SECRET_KEY, secret_key_file)
    else:
        secret = os.environ.get("AWS_SECRET_ACCESS_KEY")
    if not secret:
        raise click.UsageError("no secret key: give --secret-key-file, or set AWS_SECRET_ACCESS_KEY")
    return Credentials(key, secret, os.environ.get("AWS_SESSION_TOKEN"))

"""`cybs3 buckets`: the buckets of the vault's endpoint, or of any other."""

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import click

from cybous3.cli.endpoints import endpoint_options, secret_key, take
from cybous3.cli.opening import access_of, profiles_of, secret_sources, unlock_home
from cybous3.cli.options import Session, session_options
from cybous3.client.stores.connect import Access, open_buckets
from cybous3.client.vault.profiles import Profile


@click.group()
def group() -> None:
    """List, create and delete buckets."""


def _endpoint(function: Callable[..., Any]) -> Callable[..., Any]:
    option = click.option("--endpoint", metavar="URL", help="The S3 server (default: the vault's).")
    return option(endpoint_options(function))


@group.command(name="list")
@_endpoint
@session_options()
def list_(session: Session, **options: Any) -> None:  # noqa: ANN401  # click passes what the options say
    """List the buckets these credentials may see."""
    with closing(open_buckets(_access(session, options))) as buckets:
        found = buckets.list_buckets()
    rows = [(bucket.name, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(bucket.created_s))) for bucket in found]
    session.out.result([{"name": name, "created": created} for name, created in rows])
    session.out.table(("NAME", "CREATED"), rows)


@group.command()
@click.argument("name")
@_endpoint
@session_options()
def create(session: Session, *, name: str, **options: Any) -> None:  # noqa: ANN401  # click passes what the options say
    """Create the bucket NAME."""
    with closing(open_buckets(_access(session, options))) as buckets:
        buckets.create_bucket(name)
    session.out.result({"created": name}, f"created bucket {name}")


@group.command()
@click.argument("name")
@_endpoint
@session_options()
def delete(session: Session, *, name: str, **options: Any) -> None:  # noqa: ANN401  # click passes what the options say
    """Delete the bucket NAME, if it is empty."""
    with closing(open_buckets(_access(session, options))) as buckets:
        buckets.delete_bucket(name)
    session.out.result({"deleted": name}, f"deleted bucket {name}")


def _access(session: Session, options: dict[str, Any]) -> Access:
    """Return the way to --endpoint, which needs no login, or to the vault's endpoint."""
    url, chosen = options["endpoint"], take(options)
    if url is None:
        if chosen.access_key is not None:
            raise click.UsageError("--access-key goes with --endpoint")
        return access_of(profiles_of(unlock_home(session)).find(session.vault))
    secret = None if chosen.access_key is None else secret_key(secret_sources(), chosen)
    return access_of(
        Profile(
            "endpoint",
            url,
            "",
            region=chosen.region,
            addressing=chosen.addressing,
            access_key=chosen.access_key,
            secret_key=secret,
            ca_file=None if chosen.ca_file is None else str(chosen.ca_file),
        )
    )

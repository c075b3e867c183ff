"""`cybs3 test`: proofs that run on the user's own machine, against our server or any other."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from cybous3.cli.options import Session, session_options
from cybous3.cli.output import printable
from cybous3.cli.performance_target import credentials
from cybous3.client.stores.connect import Access
from cybous3.lab.integration.bench import bench
from cybous3.lab.integration.own_server import own_server
from cybous3.lab.integration.run import ChecksFailed, Result, run
from cybous3.lab.integration.store_checks import CHECKS as STORE_CHECKS
from cybous3.lab.integration.vault_checks import CHECKS as VAULT_CHECKS


@click.group("test")
def group() -> None:
    """Prove client and server against each other."""


@group.command("integration")
@click.option("--endpoint", metavar="URL", help="Any S3 endpoint (default: a server of our own, started for the run).")
@click.option("--region", metavar="NAME", help="The endpoint's region.")
@click.option("--access-key", metavar="KEY", help="Default: AWS_ACCESS_KEY_ID.")
@click.option(
    "--secret-key-file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help='A file with the secret key, "-" for standard input (default: AWS_SECRET_ACCESS_KEY).',
)
@click.option("--only", metavar="TEXT", help="Only the checks whose name contains this.")
@session_options(vault=False)
def integration(  # one argument an option
    session: Session,
    *,
    endpoint: str | None,
    region: str | None,
    access_key: str | None,
    secret_key_file: Path | None,
    only: str | None,
) -> None:
    """Check that client and server keep their promises to each other, in a bucket made for it and removed again."""
    checks = [item for item in [*STORE_CHECKS, *VAULT_CHECKS] if only is None or only in item[0]]
    # Every later vault check stands on the vault that the first one makes.
    if only is not None and VAULT_CHECKS[0] not in checks and any(item in VAULT_CHECKS for item in checks):
        checks.insert(0, VAULT_CHECKS[0])
    out, begun = session.out, time.monotonic()
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="cybs3-check-") as folder:
        scratch = Path(folder)
        with _access(scratch, endpoint, region, access_key, secret_key_file) as access:
            out.note(f"checking {access.endpoint}")
            with bench(access, scratch, out.note) as made:
                for result in run(checks, made):
                    results.append(result)
                    if not out.as_json:
                        out.event({}, _line(result))
    failed = [result.name for result in results if not result.passed]
    seconds = time.monotonic() - begun
    out.result(
        {
            "endpoint": access.endpoint,
            "passed": len(results) - len(failed),
            "failed": len(failed),
            "seconds": round(seconds, 3),
            "checks": [
                {"name": item.name, "passed": item.passed, "seconds": round(item.seconds, 3), "detail": item.detail}
                for item in results
            ],
        },
        f"{len(results) - len(failed)} of {len(results)} checks passed in {seconds:.1f} s",
    )
    if failed:
        raise ChecksFailed(f"{len(failed)} checks failed: {', '.join(failed)}")


def _line(result: Result) -> str:
    mark = "ok  " if result.passed else "FAIL"
    return f"{mark}  {result.name:<34}  {result.seconds:7.2f} s  {printable(result.detail)}"


@contextmanager
def _access(
    scratch: Path, endpoint: str | None, region: str | None, access_key: str | None, secret_key_file: Path | None
) -> Iterator[Access]:
    """Yield how to reach the endpoint under test."""
    if endpoint is None:
        with own_server(scratch / "server") as access:
            yield access
        return
    yield Access(endpoint, credentials(access_key, secret_key_file), region)

"""`cybs3 chaos s3-contract`: what a program that trusts an S3 endpoint with its only copy needs of it, tried out."""

import shlex
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Final

import click

from cybous3.cli.chaos_target import Place, open_place
from cybous3.cli.options import Session, session_options
from cybous3.cli.output import printable
from cybous3.cli.performance_target import target_options, where
from cybous3.client.stores.errors import ConnectionLost, Unreachable
from cybous3.lab.chaos.caller import Caller
from cybous3.lab.chaos.errors import BadScenario, InvariantsBroken
from cybous3.lab.chaos.s3contract.ground import Ground
from cybous3.lab.chaos.s3contract.requirements import BY_ID
from cybous3.lab.chaos.s3contract.run import chosen
from cybous3.lab.chaos.s3contract.table import Result, run, summary

_RESTART_S_MAX: Final = 60.0
_POLL_S: Final = 0.1
_MARKS: Final = {"pass": "ok  ", "fail": "FAIL", "not testable": "-   "}


@click.command("s3-contract")
@target_options
@click.option("--only", metavar="R9,R20", help="Only these requirements (default: all twenty).")
@click.option("--quick/--thorough", default=True, help="About half a minute (the default), or five times as often.")
@click.option("--restart-command", metavar="COMMAND", help="Takes the server down, hard, and starts it again.")
@click.option("--i-own-this", is_flag=True, help="The endpoint is not on this machine, and is mine.")
@session_options(vault=False)
def s3_contract(session: Session, **options: Any) -> None:  # noqa: ANN401  # click's
    """Try out the twenty requirements on any S3 endpoint: pass, fail, or not testable from outside, with why.

    Works in a bucket of its own (or below a prefix of --bucket) and removes it. Our own server, which is what is tried
    out without --endpoint, is killed twice on the way (R3). Exit code 1: a requirement is not met.
    """
    checks = chosen(options["only"])
    said = where(options)
    if said.endpoint is None and options["restart_command"]:
        raise click.UsageError("our own server is restarted as it is: leave --restart-command out")
    with open_place(said, i_own_this=options["i_own_this"]) as place:
        ground = Ground(place.site, place.space.bucket, place.prefix, thorough=not options["quick"])
        ground.restart, ground.restart_kind = _restart(place, options["restart_command"])
        results = []
        try:
            for result in run(checks, ground):
                results.append(result)
                if not session.out.as_json:
                    session.out.event({}, _line(result))
        finally:
            ground.me.close()
    _tell(session, place.site.endpoint, results)


def _restart(place: Place, command: str | None) -> tuple[Callable[[], None] | None, str]:
    """Return how the server is taken down and brought back, and a word for it."""
    host = place.host
    if host is not None:

        def kill_and_start() -> None:
            host.kill()
            host.start()

        return kill_and_start, "kill -9"
    if command is None:
        return None, ""

    def run_command() -> None:
        try:
            subprocess.run(shlex.split(command), check=True, capture_output=True, timeout=_RESTART_S_MAX)  # noqa: S603  # the person's own command
        except (OSError, subprocess.SubprocessError) as error:
            raise BadScenario(f"the restart command failed: {error}") from error
        _wait(place)

    return run_command, "by the restart command"


def _wait(place: Place) -> None:
    deadline = time.monotonic() + _RESTART_S_MAX
    while True:
        try:
            with Caller(place.site) as caller:
                caller.call("HEAD", place.space.bucket)
        except (ConnectionLost, Unreachable):
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_S)
        else:
            return


def _line(result: Result) -> str:
    mark, detail = _MARKS[result.verdict], printable(result.detail)
    return f"{mark}  {result.requirement:<4} {result.name:<26} {result.seconds:6.2f} s  {detail}"


def _tell(session: Session, endpoint: str, results: Sequence[Result]) -> None:
    verdicts = summary(results)
    counts = {word: sum(verdict == word for verdict in verdicts.values()) for word in ("pass", "fail", "not testable")}
    said = f"{counts['pass']} of {len(verdicts)} requirements met"
    if counts["not testable"]:
        said += f", {counts['not testable']} not testable from here"
    document = {
        "endpoint": endpoint,
        "requirements": [
            {"id": number, "title": BY_ID[number].title, "text": BY_ID[number].text, "verdict": verdict}
            for number, verdict in verdicts.items()
        ],
        "checks": [asdict(result) for result in results],
    }
    session.out.result(document, said)
    failed = [number for number, verdict in verdicts.items() if verdict == "fail"]
    if failed:
        raise InvariantsBroken(f"{len(failed)} requirements are not met: {', '.join(failed)}")

"""`cybs3 chaos linear`: whether concurrent requests are answered as if they had come one after the other."""

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from cybous3.cli.chaos_target import Place, open_place
from cybous3.cli.options import Session, session_options
from cybous3.cli.performance_target import target_options, where
from cybous3.lab.chaos.errors import InvariantsBroken
from cybous3.lab.chaos.linear.race import Race, race
from cybous3.lab.chaos.linear.record import Plan
from cybous3.lab.chaos.linear.run import Judged, histories

_BEFORE_KILL_S = 0.15


@click.command("linear")
@target_options
@click.option("--histories", "count", type=click.IntRange(0), default=10, show_default=True, help="How many.")
@click.option("--clients", type=click.IntRange(1, 256), default=8, show_default=True, help="Connections at once.")
@click.option("--operations", type=click.IntRange(1), default=40, show_default=True, help="Requests of each client.")
@click.option("--keys", type=click.IntRange(1), default=3, show_default=True, help="Objects they share.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="What is asked, repeatably.")
@click.option("--writers", type=click.IntRange(1, 256), default=64, show_default=True, help="Of each race.")
@click.option("--rounds", type=click.IntRange(0), default=20, show_default=True, help="Races with one winner each.")
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes of our own server."
)
@click.option("--kill-every", type=click.IntRange(0), default=0, help="Kill our own server in every Nth history.")
@click.option("--i-own-this", is_flag=True, help="The endpoint is not on this machine, and is mine.")
@session_options(vault=False)
def linear(session: Session, **options: Any) -> None:  # noqa: ANN401  # click's
    """Record concurrent PUT, GET, HEAD and DELETE with conditions, and look for an order that explains every answer.

    Works in a bucket of its own (or below a prefix of --bucket) and removes it. Exit code 1: no order explains them.
    """
    said, i_own_this = where(options), options.pop("i_own_this")
    if said.endpoint is not None and options["kill_every"]:
        raise click.UsageError("only a server of our own is killed: leave --endpoint or --kill-every out")
    with open_place(said, i_own_this=i_own_this, workers=options["workers"]) as place:
        judged = _histories(session, place, options)
        races = _races(place, options)
    _tell(session, judged, races)


def _histories(session: Session, place: Place, options: dict[str, Any]) -> list[Judged]:
    plan = Plan(
        place.space.bucket,
        place.prefix,
        options["clients"],
        options["operations"],
        options["keys"],
        options["seed"],
    )
    found = []
    for one in histories(place.site, plan, options["count"], crash=_crash(place), crash_every=options["kill_every"]):
        found.append(one)
        if not session.out.as_json:
            session.out.event({}, _line(one))
    return found


def _crash(place: Place) -> Callable[[], None] | None:
    host = place.host
    if host is None:
        return None

    def kill_and_start() -> None:
        time.sleep(_BEFORE_KILL_S)
        host.kill()
        host.start()

    return kill_and_start


def _races(place: Place, options: dict[str, Any]) -> Race | None:
    if not options["rounds"]:
        return None
    target = f"{place.space.bucket}/{place.prefix}race"
    return race(place.site, target, writers=options["writers"], rounds=options["rounds"])


def _line(one: Judged) -> str:
    mark = "ok  " if one.passed else "FAIL"
    crash = ", killed and started again" if one.crashed else ""
    about = f"{one.operations} operations on {one.keys} keys, {one.unknown} without an answer{crash}"
    return "\n".join([f"{mark}  history {one.seed}: {about} ({one.record_s + one.check_s:.2f} s)", *one.why])


def _tell(session: Session, judged: list[Judged], races: Race | None) -> None:
    failed = sum(not one.passed for one in judged)
    text = [f"{len(judged) - failed} of {len(judged)} histories are linearizable"]
    if races is not None:
        text.append(f"{races.rounds} races of {races.writers} writers: {races.rounds - len(races.odd)} had one winner")
        text += races.odd
    document = {
        "histories": [{**asdict(one), "passed": one.passed} for one in judged],
        "races": None if races is None else asdict(races),
    }
    session.out.result(document, text)
    if failed or (races is not None and races.odd):
        raise InvariantsBroken("the endpoint is not linearizable")

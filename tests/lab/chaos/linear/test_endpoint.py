"""Our server is linearizable, alone and as two processes, and when it is killed; a server that is not is caught."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cybous3.lab.chaos.caller import Caller, Site
from cybous3.lab.chaos.host import Host, hosted
from cybous3.lab.chaos.linear.race import race
from cybous3.lab.chaos.linear.record import CannotRecord, Plan
from cybous3.lab.chaos.linear.run import histories

PLANTED = (sys.executable, str(Path(__file__).with_name("planted_server.py")))


def bucket(site: Site) -> str:
    with Caller(site) as caller:
        assert caller.call("PUT", "linear").status in {200, 409}
    return "linear"


@pytest.fixture(scope="module", params=[1, 2], ids=["one process", "two processes"])
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosted(tmp_path_factory.mktemp("linear") / "server", workers=request.param) as running:
        yield running


def test_histories_of_our_server(host: Host) -> None:
    judged = list(histories(host.site, Plan(bucket(host.site), "few/", operations=15), 2))
    assert [one.why for one in judged if not one.passed] == []


def test_one_winner_of_64(host: Host) -> None:
    assert race(host.site, f"{bucket(host.site)}/race", writers=64, rounds=4).odd == ()


@pytest.mark.slow
def test_twenty_histories_of_our_server(host: Host) -> None:
    """Twenty with each number of processes; with those in which the server is killed it makes fifty."""
    judged = list(histories(host.site, Plan(bucket(host.site), operations=20), 20))
    assert [one.why for one in judged if not one.passed] == []
    assert sum(one.unknown for one in judged) == 0
    assert sum(one.operations for one in judged) == 20 * 8 * 20


@pytest.mark.slow
def test_histories_of_a_server_that_is_killed(host: Host) -> None:
    def crash() -> None:
        time.sleep(0.1)
        host.kill()
        host.start()

    plan = Plan(bucket(host.site), "killed/", operations=30)
    judged = list(histories(host.site, plan, 5, crash=crash, crash_every=2))
    assert [one.why for one in judged if not one.passed] == []
    assert [one.crashed for one in judged] == [False, True, False, True, False]


@pytest.mark.slow
def test_200_races_of_64(host: Host) -> None:
    """With each number of processes, of either condition in turn."""
    assert race(host.site, f"{bucket(host.site)}/long-race", writers=64, rounds=200).odd == ()


def test_a_condition_outside_the_transaction_is_caught(tmp_path: Path) -> None:
    """The planted server passes every test that one client can make, and is rejected with a few answers that clash."""
    with hosted(tmp_path / "server", program=PLANTED) as planted:
        name = bucket(planted.site)
        with Caller(planted.site) as alone:
            assert alone.call("PUT", f"{name}/k", (), (), b"1").ok
            assert alone.call("PUT", f"{name}/k", (), [("if-match", '"0"')], b"2").status == 412
            assert alone.call("PUT", f"{name}/k", (), [("if-none-match", "*")], b"2").status == 412
        (rejected,) = histories(planted.site, Plan(name, operations=8, keys=1, actions=("put match", "get")), 1)
        assert rejected.why[0].startswith("no order explains these ")
        assert race(planted.site, f"{name}/race", writers=16, rounds=2).odd != ()


def test_an_endpoint_without_conditions_has_no_history(host: Host) -> None:
    """What the endpoint refuses outright is said, and is no verdict."""
    stranger = Site(host.site.endpoint, None)
    with pytest.raises(CannotRecord, match="is answered 403"):
        list(histories(stranger, Plan(bucket(host.site)), 1))
    with pytest.raises(CannotRecord, match="PUT is answered 403"):
        race(stranger, f"{bucket(host.site)}/race", writers=2, rounds=1)

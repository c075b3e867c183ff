"""Servers to compare: real builds started side by side under a real load, and nothing left behind."""

import os
import sys
from pathlib import Path

import psutil
import pytest

from cybous3.core.sigv4.credentials import Credentials
from cybous3.lab.bench.generator import Load
from cybous3.lab.bench.verdict.compare import Plan, compare
from cybous3.lab.bench.verdict.servers import Contender, running, under_load
from cybous3.lab.bench.verdict.sides import Build, Endpoint, Saved, UnknownSide
from cybous3.lab.bench.workload import Workload
from cybous3.lab.integration.own_server import ServerDidNotStart
from tests.support.house import ROOT
from tests.support.server import Server

OWN = Build(Path(sys.executable))
TREE = Build(Path(sys.executable), ROOT / "src")


def servers_below(folder: Path) -> list[list[str]]:
    """Return the command lines of the servers whose data lies below `folder`; other tests have servers too."""
    children = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    lines = [child.cmdline() for child in children]
    return [line for line in lines if "serve" in line and any(part.startswith(str(folder)) for part in line)]


@pytest.mark.e2e
def test_two_builds_with_settings_of_their_own_run_in_turns(tmp_path: Path) -> None:
    """Both answer every request, each is a process of its own, and both are gone afterwards."""
    a, b = Contender("A", OWN), Contender("B", TREE, {"inline_max": "0", "log-level": "error"})
    with under_load(a, b, tmp_path / "sides", Workload("get", objects=5), Load(2)) as (first, second):
        commands = servers_below(tmp_path)
        found = compare(first, second, Plan(pairs=5, pairs_max=5, block_s=0.05), looked=lambda _pairs: None)
    assert len(commands) == 2
    assert [("--inline-max" in command, "--log-level" in command) for command in commands].count((True, True)) == 1
    assert all(pair.a.count > 0 < pair.b.count and pair.a.failed + pair.b.failed == 0 for pair in found.pairs)
    assert [finding.metric for finding in found.findings] == ["median get", "throughput"]
    assert not servers_below(tmp_path)


@pytest.mark.e2e
def test_an_endpoint_is_taken_as_it_is(server: Server, tmp_path: Path) -> None:
    key = Credentials(server.root.access_key, server.root.secret_key)
    with running(Contender("A", Endpoint(server.endpoint), credentials=key), tmp_path) as target:
        assert (target.endpoint, target.credentials, target.server_pid) == (server.endpoint, key, None)
    assert not list(tmp_path.iterdir())


@pytest.mark.e2e
def test_a_build_that_does_not_start_says_its_last_words(tmp_path: Path) -> None:
    wrong = Contender("A", OWN, {"no-such-setting": "1"})
    with pytest.raises(ServerDidNotStart) as refused, running(wrong, tmp_path / "a"):
        pass
    assert "no-such-setting" in str(refused.value.hint)


def test_a_persons_own_settings_reach_neither_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cybous3.lab.bench.verdict import servers  # noqa: PLC0415  # to look inside

    monkeypatch.setenv("SWIFTS3_WORKERS", "7")
    told = servers._environment(TREE, tmp_path, Credentials("KEY", "secret"))
    assert "SWIFTS3_WORKERS" not in told
    assert told["PYTHONPATH"] == str(ROOT / "src")
    assert told["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize(
    ("contender", "said"),
    [
        (Contender("A", Saved(Path("x.jsonl"))), "cannot be put under load"),
        (Contender("A", Endpoint("http://127.0.0.1:1")), "no credentials"),
        (Contender("A", Endpoint("http://127.0.0.1:1"), {"workers": "2"}), "takes no settings"),
    ],
)
def test_what_cannot_be_started_or_told_is_refused(contender: Contender, said: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownSide, match=said), running(contender, tmp_path):
        pass

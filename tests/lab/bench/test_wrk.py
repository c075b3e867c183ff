"""wrk's figures are read, its failures are told, and it is driven for real where it is there."""

import shutil
from pathlib import Path

import pytest

from cybous3.lab.bench import wrk
from cybous3.lab.bench.wrk import WrkFailed, parse
from tests.support.tiny_http import ok, tiny_http

SAID = (
    "Running 1s test\n"
    'CYBS3-WRK {"requests":1000,"seconds":2.0,"bytes":5000000,"p50":120,"p99":900,'
    '"connect":0,"read":2,"write":0,"status":100,"timeout":1}\n'
)


def test_only_what_succeeded_counts_and_every_error_is_told() -> None:
    sample = parse(SAID)
    assert sample.rate == pytest.approx(450)
    assert sample.bytes_per_s == pytest.approx(2_250_000)
    assert (sample.p50_us, sample.p99_us, sample.count) == (120, 900, 1000)
    assert sample.errors == {"read": 2, "status": 100, "timeout": 1}


def test_nothing_asked_is_no_division_by_nothing() -> None:
    said = SAID.replace('"requests":1000', '"requests":0').replace('"status":100', '"status":0').replace("2.0", "0.0")
    assert parse(said).rate == 0


@pytest.mark.parametrize(("said", "problems", "told"), [("", "no route", "no route"), ("", "", "nothing was said")])
def test_no_figures_are_a_failure_with_its_reason(said: str, problems: str, told: str) -> None:
    with pytest.raises(WrkFailed, match=told):
        parse(said, problems)


def test_a_missing_wrk_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert wrk.available() is None
    with pytest.raises(WrkFailed, match="wrk did not run"):
        wrk.run("http://127.0.0.1:9", "GET", ["/"], tmp_path, clients=1, seconds=1)


@pytest.mark.skipif(shutil.which("wrk") is None, reason="no wrk on this machine")
def test_requests_go_round_with_their_bodies(tmp_path: Path) -> None:
    with tiny_http(lambda _head, _body: ok()) as server:
        sample = wrk.run(server.endpoint, "PUT", ["/b/one", "/b/two"], tmp_path, clients=2, seconds=1, body=b"x" * 100)
    assert sample.count > 2
    assert sample.rate > 0
    assert {head.split(b" ")[1] for head in server.heads} == {b"/b/one", b"/b/two"}
    assert all(b"Content-Length: 100" in head for head in server.heads)

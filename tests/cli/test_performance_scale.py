"""`cybs3 performance scale`: steps to the knee, stored and drawn; and a server with workers of our own."""

from pathlib import Path

import pytest

from cybous3.lab.bench import result
from tests.support.server import Server
from tests.support.shell import Shell

pytestmark = pytest.mark.e2e

SCALE = ("performance", "scale")
SHORT = ("--seconds", "0.3", "--objects", "20")


def at(server: Server, shell: Shell) -> tuple[str, ...]:
    shell.patch.setenv("AWS_SECRET_ACCESS_KEY", server.root.secret_key)
    return ("--endpoint", server.endpoint, "--access-key", server.root.access_key)


def test_clients_and_rate_are_raised_stored_and_drawn(shell: Shell, server: Server, tmp_path: Path) -> None:
    place = ("--out", str(tmp_path / "kept"), "--plot", str(tmp_path / "page.html"))
    limits = ("--clients-max", "8", "--rate-first", "40", "--rate-max", "80", "--p99", "10000")
    found = shell.json(*SCALE, *SHORT, *place, *limits, *at(server, shell))
    clients, rate = found["ramps"]
    assert [step["load"] for step in clients["steps"]] == [1, 2, 4, 8]
    assert clients["law"]["lambda_"] > 0
    assert [step["load"] for step in rate["steps"]] == [40, 80]
    assert (rate["knee"], rate["broken_by"], rate["law"]) == (80, "", None)
    (stored,) = (tmp_path / "kept").glob("*.jsonl")
    assert {run.load for run in result.load(stored)} >= {"closed loop, 8 clients"}
    assert "fitted law" in (tmp_path / "page.html").read_text()


def test_a_growing_bucket_is_measured_and_removed(shell: Shell, server: Server, tmp_path: Path) -> None:
    arguments = ("--over", "objects", "--objects-max", "1000", "--seconds", "0.2", "--out", str(tmp_path))
    said = shell.ok(*SCALE, *arguments, *at(server, shell))
    assert "1,000" in said
    assert "GET 1.00 x, PUT 1.00 x, LIST 1.00 x" in said
    assert "one size alone says nothing" in said


def test_workers_are_of_our_own_server(shell: Shell, tmp_path: Path) -> None:
    arguments = ("--over", "workers", "--workers-max", "2", "--out", str(tmp_path))
    said = shell.ok(*SCALE, *SHORT, *arguments)
    assert "workers over one: 2: " in said
    shell.patch.setenv("AWS_ACCESS_KEY_ID", "A")
    assert "starts our own server" in shell.fails(2, *SCALE, "--over", "workers", "--endpoint", "http://127.0.0.1:1")


def test_what_cannot_be_asked_is_refused_before_anything_is_measured(shell: Shell, server: Server) -> None:
    there = at(server, shell)
    assert "cannot draw" in shell.fails(2, *SCALE, *there, "--plot", "page.pdf")
    assert "--over objects" in shell.fails(2, *SCALE, *there, "--over", "objects", "--bucket", "b")

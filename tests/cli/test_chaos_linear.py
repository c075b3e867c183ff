"""`cybs3 chaos linear` on a server of its own and on an endpoint that is named."""

import json

import pytest
from click.testing import CliRunner

from cybous3.cli.chaos_linear import linear
from cybous3.lab.chaos.errors import BadScenario
from tests.support.server import Server

SMALL = ["--histories", "1", "--clients", "3", "--operations", "6", "--writers", "4", "--rounds", "2"]


def test_a_server_of_its_own_that_is_killed() -> None:
    done = CliRunner().invoke(linear, [*SMALL, "--kill-every", "1"], catch_exceptions=False, obj={})
    assert "ok    history 1: 18 operations" in done.output
    assert "killed and started again" in done.output
    assert "1 of 1 histories are linearizable\n2 races of 4 writers: 2 had one winner\n" in done.output


def test_an_endpoint_as_json(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.root.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.root.secret_key)
    command = ["--endpoint", server.endpoint, "--rounds", "0", *SMALL[:-2], "--json"]
    done = CliRunner().invoke(linear, command, catch_exceptions=False, obj={})
    found = json.loads(done.output)
    assert found["races"] is None
    assert [(one["passed"], one["operations"]) for one in found["histories"]] == [(True, 18)]


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    elsewhere = ["--endpoint", "https://s3.example.test"]
    with pytest.raises(BadScenario, match="is not on this machine"):
        CliRunner().invoke(linear, elsewhere, catch_exceptions=False, obj={})
    done = CliRunner().invoke(linear, [*elsewhere, "--kill-every", "2"], obj={})
    assert done.exit_code == 2
    assert "only a server of our own is killed" in done.output

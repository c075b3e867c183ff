"""`cybs3 chaos s3-contract`: the twenty requirements from the command line."""

import json
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cybous3.cli.chaos_contract import s3_contract
from cybous3.lab.chaos.errors import BadScenario, InvariantsBroken
from cybous3.lab.chaos.s3contract import run as runs
from cybous3.lab.chaos.s3contract.table import Check
from cybous3.lab.integration.run import Broken
from tests.support.server import Server


def test_our_own_server_is_killed_for_r3() -> None:
    done = CliRunner().invoke(s3_contract, ["--only", "R3,R7"], catch_exceptions=False, obj={})
    assert "ok    R3   after a restart" in done.output
    assert "kill -9" in done.output
    assert "-     R3   power loss" in done.output
    assert "2 of 2 requirements met\n" in done.output


def test_an_endpoint_as_json(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.root.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.root.secret_key)
    command = ["--endpoint", server.endpoint, "--only", "R3,R9", "--json"]
    found = json.loads(CliRunner().invoke(s3_contract, command, catch_exceptions=False, obj={}).output)
    verdicts = {requirement["id"]: requirement["verdict"] for requirement in found["requirements"]}
    assert verdicts == {"R3": "not testable", "R9": "pass"}
    why = {check["name"]: check["detail"] for check in found["checks"]}
    assert why["after a restart"] == "nobody can take this server down from here: give --restart-command"


def test_a_restart_command(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command is run, and a command that fails is a failure of the check that needed it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.root.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.root.secret_key)
    mark = tmp_path / "ran"
    for code, verdict in ((f"open({str(mark)!r}, 'a').write('x')", "ok  "), ("raise SystemExit(3)", "FAIL")):
        command = ["--endpoint", server.endpoint, "--only", "R3", "--restart-command"]
        done = CliRunner().invoke(s3_contract, [*command, shlex.join([sys.executable, "-c", code])], obj={})
        assert f"{verdict}  R3   after a restart" in done.output
    assert mark.read_text() == "xx"


def test_a_requirement_that_is_not_met(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> str:
        raise Broken("it\x1b[2J lied")

    monkeypatch.setattr(runs, "CHECKS", [Check("R2", "planted", fail)])
    runner = CliRunner()
    with pytest.raises(InvariantsBroken, match="1 requirements are not met: R2"):
        runner.invoke(s3_contract, [], catch_exceptions=False, obj={})
    assert r"it\x1b[2J lied" in runner.invoke(s3_contract, [], obj={}).output


def test_what_is_refused() -> None:
    runner = CliRunner()
    with pytest.raises(BadScenario, match="no requirement is called R99"):
        runner.invoke(s3_contract, ["--only", "R99"], catch_exceptions=False, obj={})
    done = runner.invoke(s3_contract, ["--restart-command", "true"], obj={})
    assert done.exit_code == 2
    assert "our own server is restarted as it is" in done.output

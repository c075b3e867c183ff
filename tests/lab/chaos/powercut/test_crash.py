"""The whole of it on real servers: ours keeps what it acknowledged, another does not, and a run can be repeated."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cybous3.cli.shell import run
from cybous3.lab.chaos.powercut import every, recording, replay, targets
from cybous3.lab.chaos.powercut.cuts import Mode, some
from cybous3.lab.chaos.powercut.cuts import every as cut_every
from cybous3.lab.chaos.powercut.load import Plan
from cybous3.lab.chaos.powercut.programs import find_program
from cybous3.lab.chaos.powercut.recording import CannotTrace
from cybous3.lab.chaos.powercut.run import make_all, scratch

pytestmark = pytest.mark.skipif(
    find_program("strace") is None, reason="no strace on this machine: tools/debian.sh strace"
)
Command = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def crash(capfd: pytest.CaptureFixture[str]) -> Command:
    def command(*words: str) -> tuple[int, Any, str]:
        code = run("cybs3", ["chaos", "crash", *words])
        out, err = capfd.readouterr()
        return code, json.loads(out) if "--json" in words and out else out, err

    return command


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ours_loses_nothing_at_any_cut() -> None:
    """The same as `cybs3 chaos crash` in small: 60 power cuts and 20 kills of one recording, by two processes."""
    with scratch() as folder:
        target = targets.own()
        made = recording.record(target, recording.under_load(Plan(5, requests=10)), folder / "r")
        cuts = [*some(made, Mode.POWER, 60, 5), *some(made, Mode.KILL, 20, 5)]
        outcomes = make_all(made, folder / "r", sorted(cuts, key=lambda c: c.before), target, folder, processes=2)
    assert [outcome for outcome in outcomes if outcome.findings] == []
    assert len(outcomes) == 80
    assert any(outcome.process for outcome in outcomes)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_each_boundary_of_an_operation_is_cut() -> None:
    """A part of `--every`: the operation with the most calls, and a bucket; `make crash` cuts all of them."""
    with scratch() as folder:
        target = targets.own()
        names = ("create bucket", "put file")
        made = every.record_operations(target, folder / "r", names)
        spans = every.boundaries(made)
        assert set(names) < set(spans)
        assert all(len(spans[name]) >= 3 for name in names), "a write, a sync, and the ends"
        places = sorted({place for name in names for place in spans[name]})
        outcomes = replay.make(made, cut_every(places, Mode.KILL, "1"), target, folder)
    assert [outcome for outcome in outcomes if outcome.findings] == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_command_cuts_operations_of_server_and_client(crash: Command) -> None:
    """A login is cut at each of its calls; whatever is left, a second one ends well."""
    code, told, _ = crash("--every", "--only", "create bucket", "--only", "login", "--json")
    server, client = told["verdicts"]
    assert code == 0
    assert (server["name"], client["name"]) == ("create bucket", "client: login")
    assert server["cuts"] == 3 * server["boundaries"] > 9
    assert client["cuts"] == 3 * client["boundaries"] > 30


@pytest.mark.slow
def test_rclone_loses_what_it_acknowledged_and_the_verdict_says_so(crash: Command) -> None:
    code, told, err = crash("--target", "rclone", "--cuts", "60", "--requests", "8", "--json")
    (verdict,) = told["verdicts"]
    assert code == 1
    assert "promises were broken" in err
    assert verdict["lost"] > 0
    assert not told["passed"]
    assert verdict["examples"][0]["cut"]


@pytest.mark.slow
def test_a_kept_recording_is_cut_again_to_the_same_verdict(crash: Command, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    words = ("--target", "rclone", "--cuts", "50", "--requests", "5", "--json")
    _, first, _ = crash(*words, "--keep", str(kept))
    _, again, _ = crash(*words, "--recording", str(kept))
    assert again["verdicts"] == first["verdicts"]
    code, _, err = crash("--recording", str(kept), "--json")
    assert (code, "the recording is of 'rclone'" in err) == (2, True)
    code, _, err = crash("--keep", str(kept))
    assert (code, "is there already" in err) == (2, True)


@pytest.mark.slow
def test_any_command_can_be_a_target(crash: Command) -> None:
    """Here it is rclone, named by its command alone; it is started anew on every image."""
    program = shlex.quote(targets.rclone().command[0])
    key = "--auth-key {access_key},{secret_key}"
    command = f"{program} serve s3 --addr 127.0.0.1:{{port}} {key} {{data}}"
    code, told, _ = crash("--target", command, "--cuts", "12", "--requests", "5", "--mode", "kill")
    assert code in {0, 1}
    assert re.search(r"rclone +12 ", told)
    assert "mode kill, durability strict, seed 1" in told


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--target", "moto"], "neither own nor rclone"),
        (["--target", "rclone", "--every"], "--every knows the operations of our own server only"),
        (["--target", "rclone", "--durability", "none"], "only our own server has modes"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(crash: Command, words: list[str], why: str) -> None:
    code, _, err = crash(*words)
    assert code == 2
    assert why in err


def test_without_strace_the_reason_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(recording, "find_program", lambda _: None)
    with pytest.raises(CannotTrace, match="strace is not on this machine") as raised:
        recording.strace(tmp_path / "log")
    assert "tools/debian.sh strace" in str(raised.value.hint)


def test_a_server_that_does_not_answer_is_no_recording(tmp_path: Path) -> None:
    target = targets.Target("false", ("false", "{data}", "{port}"))
    with pytest.raises(CannotTrace, match="did not answer"):
        recording.record(target, recording.under_load(Plan(1)), tmp_path / "r")
    assert not list((tmp_path / "r" / "base").iterdir())

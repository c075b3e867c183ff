"""`cybs3 chaos`: what it lists, what it refuses and with which code, and verdicts as files."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from cybous3.cli.chaos import CHAOS
from cybous3.lab.chaos import shipped
from cybous3.lab.chaos.faults.registry import CATALOGUE, FAULTS
from cybous3.lab.chaos.scenario import read
from tests.support.house import ROOT
from tests.support.person import Done, Person
from tests.support.shell import Shell

SHORT = """
title = "short"
[load]
clients = 1
operations = 40
keys = 30
sizes = "1KiB:60,40KiB:40"
mix = { put = 80, get = 20 }
[steady]
error_rate = "0%"
[[faults]]
name = "process.kill"
on = "server"
at = "15 operations"
for = "10ms"
"""
PLANTED = (
    SHORT.replace("40", "12", 1).replace("put = 80, get = 20", "put = 1").replace("15 op", "4 op")
    + """
[[faults]]
name = "process.pause"
at = "2 operations"
for = "100ms"
"""
)


@pytest.fixture
def keys(shell: Shell) -> Shell:
    """Give a shell that knows some access key of an endpoint."""
    shell.patch.setenv("AWS_ACCESS_KEY_ID", "KEY")
    shell.patch.setenv("AWS_SECRET_ACCESS_KEY", "secret-for-tests")
    return shell


def refused(done: Done) -> dict[str, Any]:
    assert done.out == ""
    error: dict[str, Any] = json.loads(done.err)["error"]
    assert error["exit_code"] == done.code
    assert "\n" not in error["message"]
    return error


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "scenario.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_every_fault_is_listed_with_what_is_missing(shell: Shell) -> None:
    listed = shell.json("chaos", "faults")["faults"]
    assert [one["name"] for one in listed] == list(FAULTS)
    assert all(one["possible"] == (not one["lacks"]) for one in listed)
    assert "process.kill" in shell.ok("chaos", "faults")


def test_every_scenario_is_listed_with_what_happens(shell: Shell) -> None:
    listed = shell.json("chaos", "scenarios")["scenarios"]
    assert [one["name"] for one in listed] == shipped.names()
    assert "full-disk" in shell.ok("chaos", "scenarios")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[faults]]\nname = 'process.explode'", "there is no fault 'process.explode'"),
        ("[target]\nendpoint = 'http://192.0.2.1:9'", "not on this machine"),
        ("[load]\nrate = 5", "load.rate"),
    ],
)
def test_what_must_not_be_run_is_refused_in_one_sentence(keys: Shell, tmp_path: Path, text: str, said: str) -> None:
    error = refused(keys("chaos", "run", written(tmp_path, text), "--json"))
    assert said in error["message"]
    assert error["exit_code"] == 2
    assert error["hint"] or "rate" in said


def test_an_endpoint_that_is_not_ours_is_refused_before_any_key_is_asked_for(shell: Shell, tmp_path: Path) -> None:
    error = refused(shell("chaos", "run", written(tmp_path, "[target]\nendpoint = 'http://192.0.2.1:9'"), "--json"))
    assert (error["exit_code"], error["hint"]) == (2, "if it is yours, say so with --i-own-this")


def test_a_missing_injector_is_named_with_where_to_get_it(shell: Shell) -> None:
    shell.patch.setenv("PATH", "/nonexistent")
    error = refused(shell("chaos", "run", "slow-disk", "--json"))
    assert "strace" in error["message"]
    assert (error["exit_code"], error["hint"]) == (2, "see cybs3 chaos faults")


def test_a_scenario_that_is_nowhere_is_refused(shell: Shell) -> None:
    error = refused(shell("chaos", "run", "no-such-scenario", "--json"))
    assert error["exit_code"] == 2
    assert "kill-under-load" in error["hint"]


def test_an_endpoint_that_does_not_answer_gives_no_verdict(keys: Shell, tmp_path: Path) -> None:
    text = "[target]\nendpoint = 'http://127.0.0.1:9'"
    error = refused(keys("chaos", "run", written(tmp_path, text), "--json"))
    assert error["exit_code"] == 3


@pytest.mark.e2e
def test_a_run_that_passes_leaves_a_document_and_a_page(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    document = shell.json("chaos", "run", written(tmp_path, SHORT), "--seed", "9", "--results", str(folder))
    assert (document["verdict"], document["seed"]) == ("passed", 9)
    stored = json.loads(Path(document["files"]["json"]).read_text(encoding="utf-8"))
    assert stored["plan"] == document["plan"]
    assert "<svg" in Path(document["files"]["html"]).read_text(encoding="utf-8")


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_planted_defect_is_found_and_shrunk_to_something_small(shell: Shell, tmp_path: Path) -> None:
    """The server forgets acknowledged objects after its restart: one kill and a few puts show it."""
    shell.patch.setenv("PYTHONPATH", str(ROOT / "tests/support/planted"))
    shell.patch.setenv("PLANTED", "yes")
    folder = tmp_path / "results"
    done = shell(
        "chaos", "run", written(tmp_path, PLANTED), "--shrink", "--shrink-for", "15", "--results", str(folder), "--json"
    )
    assert done.code == 1, done.err
    document = json.loads(done.out)
    assert [one["name"] for one in document["checks"] if not one["passed"]] == ["acknowledged-durable"]
    (path,) = folder.glob("*.shrunken.toml")
    small = read(path.read_text(encoding="utf-8"), CATALOGUE)
    assert [one.fault for one in small.faults] == ["process.kill"]
    assert len(small.load.steps or range(small.load.operations)) <= 12


def test_every_command_of_the_group_can_be_asked_for(shell: Shell) -> None:
    for name in CHAOS:
        assert "Usage" in shell.ok("chaos", name, "--help")


@contextmanager
def in_the_foreground() -> Iterator[None]:
    """Let what is started meanwhile heed Ctrl-C: a job in the background ignores it, and so does all that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.e2e
def test_an_interrupted_run_takes_everything_back(tmp_path: Path) -> None:
    """Ctrl-C while a disk is full: the file system, the server and the folder are gone, and the code says so."""
    if FAULTS["disk.full"].lacks():
        pytest.skip(FAULTS["disk.full"].lacks())
    text = (
        "[target]\ndisk = 'tmpfs 16MiB'\n[load]\nfor = '60s'\n[[faults]]\nname = 'disk.full'\nat = '0s'\nfor = '30s'\n"
    )
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    person = Person(tmp_path / "home", {"TMPDIR": str(scratch)})
    with in_the_foreground():
        running = person.start("chaos", "run", written(tmp_path, text))
    filled = False
    while not filled and running.poll() is None:
        filled = any(scratch.rglob("filler"))
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert (running.returncode, filled) == (130, True), said
    assert str(scratch) not in Path("/proc/mounts").read_text(encoding="utf-8")
    assert list(scratch.iterdir()) == []
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(scratch) in " ".join(p.info["cmdline"] or [])]

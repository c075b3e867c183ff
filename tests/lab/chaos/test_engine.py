"""Scenarios against a real server: what passes, what fails and why, and that everything is taken back."""

from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from cybous3.lab.bench.rivals.process import free_port
from cybous3.lab.chaos import shipped
from cybous3.lab.chaos.engine import Around, run
from cybous3.lab.chaos.errors import BadScenario, CannotInject, CouldNotBegin
from cybous3.lab.chaos.faults.registry import CATALOGUE, FAULTS
from cybous3.lab.chaos.scenario import read
from cybous3.lab.chaos.serving import OwnServer
from cybous3.lab.chaos.verdict import Verdict
from tests.support.house import ROOT

pytestmark = pytest.mark.e2e
SHORT = """
title = "short"
[load]
clients = 2
operations = 60
sizes = "1KiB:60,40KiB:40"
[steady]
error_rate = "0%"
p99 = "5s"
"""


def ran(text: str, folder: Path, **around: object) -> Verdict:
    verdict = run(read(text, CATALOGUE), Around(folder / "run", **around))  # type: ignore[arg-type]  # as each test has it
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(p.info["cmdline"] or [])]
    return verdict


def failed(verdict: Verdict) -> list[str]:
    return [check.name for check in verdict.failed]


def needs(*names: str) -> None:
    for name in names:
        if FAULTS[name].lacks():
            pytest.skip(FAULTS[name].lacks())


def test_a_killed_server_keeps_its_word_and_the_plan_is_the_seed_s(tmp_path: Path) -> None:
    text = SHORT + "[[faults]]\nname = 'process.kill'\non = 'server'\nat = '30 operations'\nfor = '50ms'\n"
    verdict = ran(text, tmp_path)
    assert failed(verdict) == []
    assert [one.at_operation for one in verdict.faults] == [30]
    assert verdict.faults[0].did.startswith("server ")
    assert len(verdict.records) == 60
    assert verdict.document()["plan"]["operations"] == 60
    again = read(text, CATALOGUE)
    assert verdict.fingerprint == verdict.document()["plan"]["fingerprint"]
    assert again == verdict.scenario


@pytest.mark.slow
def test_processes_are_stopped_limited_and_restarted_and_what_can_be_served_is(tmp_path: Path) -> None:
    faults = """
[target]
workers = 2
[[faults]]
name = "process.pause"
on = "worker"
at = "10 operations"
for = "10 operations"
[[faults]]
name = "process.terminate"
on = "worker"
at = "25 operations"
[[faults]]
name = "process.restart"
on = "worker"
at = "35 operations"
[[faults]]
name = "process.descriptors"
on = "worker"
limit = 64
at = "45 operations"
for = "10 operations"
"""
    needs("process.pause", "process.descriptors")
    verdict = ran(SHORT.replace("clients = 2", 'clients = 2\ntimeout = "500ms"') + faults, tmp_path)
    assert failed(verdict) == []
    assert [one.ended_why for one in verdict.faults] == ["its time was over", "at once", "at once", "its time was over"]


def test_a_disk_that_is_full_or_slow_or_fails_loses_nothing(tmp_path: Path) -> None:
    needs("disk.full", "disk.slow", "disk.fsync_error")
    faults = """
[target]
disk = "tmpfs 32MiB"
[[faults]]
name = "disk.full"
at = "10 operations"
for = "15 operations"
[[faults]]
name = "disk.slow"
delay = "20ms"
at = "30 operations"
for = "5 operations"
[[faults]]
name = "disk.fsync_error"
every_nth = 2
at = "40 operations"
for = "10 operations"
"""
    verdict = ran(SHORT + faults, tmp_path)
    assert failed(verdict) == []
    assert any(name.startswith("NoSpace") for name in verdict.document()["errors"])
    assert str(tmp_path) not in Path("/proc/mounts").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_server_with_a_wrong_clock_refuses_and_comes_back(tmp_path: Path) -> None:
    needs("clock.jump")
    fault = "[[faults]]\nname = 'clock.jump'\nby = '20min'\nat = '8 operations'\nfor = '6 operations'\n"
    text = SHORT.replace("operations = 60", "operations = 24") + fault
    verdict = ran(text, tmp_path)
    assert failed(verdict) == []
    assert verdict.document()["errors"].get("ClockSkew RequestTimeTooSkewed", 0) > 0


def test_damage_in_the_store_is_told_and_never_passed_on(tmp_path: Path) -> None:
    """Flipped bits and a cut file that are mended again, and one flip that stays: an error, no wrong byte."""
    faults = """
[after]
damaged = 1
[[faults]]
name = "bit.flip"
at = "30 operations"
for = "5 operations"
[[faults]]
name = "file.cut"
at = "40 operations"
for = "5 operations"
[[faults]]
name = "bit.flip"
at = "55 operations"
"""
    large = SHORT.replace("1KiB:60,40KiB:40", "40KiB").replace("clients", "mix = { put = 50, get = 50 }\nclients")
    verdict = ran(large + faults, tmp_path)
    assert failed(verdict) == []
    assert verdict.faults[0].did.startswith("store: a bit flipped in ")
    assert "bytes cut off" in verdict.faults[1].did


def test_a_bad_wire_costs_errors_and_no_promise(tmp_path: Path) -> None:
    faults = """
[[faults]]
name = "network.latency"
latency = "5ms"
at = "5 operations"
for = "10 operations"
[[faults]]
name = "http.drop_answer"
operation = "PutObject"
at_most = 3
at = "20 operations"
for = "20 operations"
"""
    verdict = ran(SHORT + faults, tmp_path)
    assert failed(verdict) == []
    assert verdict.counts["unknown"] == verdict.counts["retired_keys"] >= 1


@pytest.mark.slow
def test_both_ends_are_killed_and_a_second_run_completes(tmp_path: Path) -> None:
    """At the same place, however fast the machine: so many files are under way, and as many have not begun."""
    text = shipped.text("two-ends-killed").replace("keys = 120", "keys = 24").replace("60 operations", "12 operations")
    verdict = ran(text, tmp_path)
    assert failed(verdict) == []
    assert "no-key-lost" in [check.name for check in verdict.checks]
    assert [record.kind for record in verdict.records] == ["folders put"]
    assert [record.error for record in verdict.records] == ["exit code -9"]
    assert [one.at_operation for one in verdict.faults] == [12, 12]


def test_what_needs_something_that_is_not_there_says_so(tmp_path: Path) -> None:
    """No object lies in a file of its own, so no bit can flip: the run proves nothing, and says it."""
    small = SHORT.replace("1KiB:60,40KiB:40", "1KiB")
    verdict = ran(small + "[[faults]]\nname = 'bit.flip'\nat = '10 operations'\n", tmp_path)
    assert failed(verdict) == ["faults-injected"]
    assert "in a file of its own" in verdict.failed[0].found


def test_a_fault_that_cannot_happen_is_no_success(tmp_path: Path) -> None:
    small = SHORT.replace("1KiB:60,40KiB:40", "1KiB")
    text = small + "[[faults]]\nname = 'process.kill'\nat = '300s'\n"
    verdict = ran(text, tmp_path)
    assert failed(verdict) == ["faults-injected"]
    assert verdict.document()["faults"][0]["began_s"] is None


def test_the_blast_radius_ends_a_fault_early(tmp_path: Path) -> None:
    needs("process.pause")
    text = SHORT + "[blast]\noperations = 5\n[[faults]]\nname='disk.slow'\nat='10 operations'\nfor='40 operations'\n"
    needs("disk.slow")
    verdict = ran(text, tmp_path)
    assert verdict.faults[0].ended_why == "the most operations of the blast radius"


def test_a_run_without_its_steady_state_has_no_verdict(tmp_path: Path) -> None:
    with pytest.raises(CouldNotBegin, match="does not hold before"):
        ran(SHORT.replace('p99 = "5s"', 'p99 = "1us"'), tmp_path)


def test_a_server_that_does_not_start_gives_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(CouldNotBegin, match="did not become ready"):
        ran(SHORT, tmp_path, command=("false",))


def test_a_disk_that_is_nearly_full_is_left_alone(tmp_path: Path) -> None:
    scenario = read(SHORT, CATALOGUE)
    careful = replace(scenario, blast=replace(scenario.blast, free_disk=1 << 60))
    with pytest.raises(CannotInject, match=r"blast\.free_disk"):
        run(careful, Around(tmp_path))


def test_somebody_else_s_endpoint_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(BadScenario, match="not on this machine"):
        ran("[target]\nendpoint = 'http://192.0.2.1:9'", tmp_path)


def test_an_endpoint_that_runs_already_is_loaded_and_left_as_it_was(tmp_path: Path) -> None:
    server = OwnServer(tmp_path / "server", tmp_path / "server" / "data", port=free_port())
    server.start()
    try:
        text = SHORT + f"[target]\nendpoint = '{server.endpoint}'\n"
        verdict = run(read(text, CATALOGUE), Around(tmp_path / "run", credentials=server.root))
        assert failed(verdict) == []
        assert "orderly-end" not in [check.name for check in verdict.checks]
        assert server.ready()
    finally:
        server.kill()


def test_a_planted_defect_is_found(tmp_path: Path) -> None:
    """The server of this test forgets acknowledged objects after its restart."""
    environment = {"PYTHONPATH": str(ROOT / "tests/support/planted"), "PLANTED": "yes"}
    text = SHORT + "[[faults]]\nname = 'process.kill'\non = 'server'\nat = '20 operations'\nfor = '10ms'\n"
    verdict = ran(
        text.replace("sizes", "mix = { put = 80, get = 20 }\nkeys = 50\nsizes"), tmp_path, environment=environment
    )
    assert "acknowledged-durable" in failed(verdict)

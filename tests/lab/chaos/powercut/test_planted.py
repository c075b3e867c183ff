"""The proof proves something: every fault planted into our own server is caught, and nothing is where there is none."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cybous3.lab.chaos.powercut.programs import find_program
from cybous3.lab.chaos.powercut.run import scratch
from tests.support.house import ROOT

PLANTED = Path(__file__).with_name("planted.py")
CUTS = 100
CLEAN_CUTS = 40

# Which check is meant to find it. Another may come first: an object that cannot be read is lost as well.
# Whoever answers before the commit also takes the marks away before it, so a file nobody refers to may be the first.
LOSSES = {"lost", "unreadable"}
TABLE = {
    "bytes_not_synced": LOSSES | {"torn"},
    "names_of_blobs_not_synced": LOSSES,
    "marks_not_synced": {"leaked"},
    "directories_not_synced": LOSSES,
    "commit_before_bytes": LOSSES,
    "log_never_synced": LOSSES | {"no start"},
    "log_synced_at_checkpoints_only": LOSSES,
    "put_answered_before_commit": LOSSES | {"leaked"},
    "delete_answered_before_commit": {"resurrected"},
    "complete_answered_before_commit": LOSSES | {"uploads", "leaked"},
    "part_answered_before_commit": {"uploads", "leaked"},
    "abort_answered_before_commit": {"uploads", "leaked"},
    "overwrite_deletes_the_old_bytes_first": LOSSES,
    "mark_removed_before_commit": {"leaked"},
    "recovery_deletes_everything": LOSSES,
    "recovery_keeps_orphans": {"leaked"},
    "reaped_names_not_synced": {"leaked"},
    "garbage_never_queued": {"leaked"},
    "seal_key_not_synced": {"no start"},
    "failed_sync_ignored": LOSSES,
}
# `make test` runs these, one for each check, and the two without a fault; `make crash` runs all of them.
QUICK = {
    "names_of_blobs_not_synced",
    "marks_not_synced",
    "put_answered_before_commit",
    "delete_answered_before_commit",
    "part_answered_before_commit",
    "seal_key_not_synced",
}
ALL = bool(os.environ.get("CYBS3_CRASH_ALL"))

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.slow,
    pytest.mark.skipif(find_program("strace") is None, reason="no strace on this machine: tools/debian.sh strace"),
]


def judged(name: str, cuts: int) -> dict[str, Any]:
    with scratch() as folder:
        command = [sys.executable, str(PLANTED), name, "judge", str(folder), str(cuts)]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", sorted(TABLE))
def test_a_planted_fault_is_caught(name: str) -> None:
    if not ALL and name not in QUICK:
        pytest.skip("one of those that `make crash` runs")
    found = judged(name, CUTS)
    checks = {finding["check"] for finding in found["findings"]}
    assert checks & TABLE[name], found


@pytest.mark.parametrize("name", ["nothing", "nothing_while_syncs_fail"])
def test_where_nothing_is_planted_nothing_is_found(name: str) -> None:
    """Not even when every third sync of a file fails: what was not durable was not acknowledged."""
    found = judged(name, CLEAN_CUTS)
    assert found["findings"] == []
    assert found["cuts"] == CLEAN_CUTS


def test_every_fault_is_in_the_table() -> None:
    listed = subprocess.run(
        [sys.executable, "-c", f"import runpy; print(*runpy.run_path({str(PLANTED)!r})['FAULTS'])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert set(listed) == set(TABLE)
    assert len(TABLE) >= 12

"""`cybs3 performance history`: changes as a table and as data, from where `benchmark` stores."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cybous3.lab.bench.result import save
from tests.support.blocks import MACHINE, block, run
from tests.support.shell import Shell


@pytest.fixture(autouse=True)
def place(tmp_path: Path) -> Path:
    """Store twenty nights, the last eight of them slower."""
    folder = tmp_path / "home" / "cybs3" / "performance"
    for night in range(20):
        median = (1000 if night < 12 else 1300) + night % 3
        save(run(block(median, started=1.7e9 + 86_400 * night), commit=f"c{night}"), folder / f"{night:02}.jsonl")
    return folder


def test_changes_are_told_with_date_commit_size_and_direction(shell: Shell) -> None:
    out = shell.ok("performance", "history")
    [row] = [line for line in out.splitlines() if "get p50_us" in line]
    assert row.split()[:2] == ["2023-11-26T22:13:20Z", "c12"]
    assert "+30." in row
    assert "worse" in row
    assert "changes in 3 series of 20 runs" in out


def test_series_go_out_as_json_csv_and_json_lines(shell: Shell, tmp_path: Path, place: Path) -> None:
    body = shell.json(
        "performance", "history", str(place), "--csv", str(tmp_path / "c"), "--jsonl", str(tmp_path / "s.jsonl")
    )
    lines = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text(encoding="utf-8").splitlines()]
    assert body["series"] == lines
    assert (tmp_path / "c" / "otava.yaml").is_file()
    assert len(list((tmp_path / "c").glob("*.csv"))) == 1


def test_large_changes_alone_and_short_series(shell: Shell, tmp_path: Path) -> None:
    assert "0 changes in 3 series" in shell.ok("performance", "history", "--minimum-effect", "50")
    save([run(block(1000)), replace(run(block(1000)), completed=False)], tmp_path / "one.jsonl")
    done = shell("performance", "history", str(tmp_path / "one.jsonl"))
    assert "(3 series with fewer than 6 runs were not looked at)" in done.out
    assert "left out: 1 runs" in done.err


def test_unlike_machines_need_force(shell: Shell, place: Path) -> None:
    other = replace(run(block(1000, started=1.8e9)), fingerprint=replace(MACHINE, cores=64))
    save(other, place / "99.jsonl")
    assert "cores 2; cores 64" in shell.fails(2, "performance", "history")
    assert "of 21 runs" in shell.ok("performance", "history", "--force")


def test_nothing_stored_is_not_found(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no stored results" in shell.fails(3, "performance", "history", str(tmp_path / "empty"))

"""History: stored runs become series, changes get a date and a direction, unlike machines are kept apart."""

import csv
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cybous3.lab.bench.result import Run, save
from cybous3.lab.bench.verdict.history import (
    NoHistory,
    Subject,
    UnlikeMachines,
    history,
    iso,
    metrics,
    read,
    write_csv,
    write_jsonl,
)
from tests.support.blocks import MACHINE, block, run

DAY = 86_400
START = 1_700_000_000


def nights(medians: Sequence[float], **changed: object) -> list[Run]:
    """Return a run for each night; throughput follows from the median."""
    dice = random.Random(1)  # noqa: S311  # figures, no secrets
    found = []
    for night, median in enumerate(medians):
        noisy = median * dice.gauss(1, 0.01)
        made = run(block(noisy, count=round(1e7 / noisy), started=START + night * DAY), commit=f"c{night}")
        found.append(replace(made, **changed))  # type: ignore[arg-type]  # fields of a Run, as the caller names them
    return found


def test_a_slower_build_is_one_change_in_each_metric_with_date_size_and_direction() -> None:
    found = history(nights([1000] * 20 + [1200] * 15))
    steps = {track.metric: track.steps for track in found.tracks}
    assert steps.keys() == {"throughput", "get p50_us", "get p99_us"}
    for metric, [step] in steps.items():
        assert iso(step.time) == iso(START + 20 * DAY)
        assert step.commit == "c20"
        assert step.worse
        assert step.change == pytest.approx(1 / 1.2 - 1 if metric == "throughput" else 0.2, abs=0.02)


def test_faster_is_better_in_each_metric() -> None:
    found = history(nights([1200] * 15 + [1000] * 15))
    assert [step.worse for track in found.tracks for step in track.steps] == [False] * 3


def test_small_changes_are_not_told() -> None:
    medians = [1000.0] * 30 + [1030.0] * 30
    assert not any(track.steps for track in history(nights(medians)).tracks)
    assert all(track.steps for track in history(nights(medians), minimum=0.01).tracks)


def test_series_are_kept_apart_by_label_workload_and_load() -> None:
    runs = [*nights([1000] * 3), *nights([1000] * 3, label="other"), *nights([1000] * 3, load="open loop, 200/s")]
    subjects = {track.subject for track in history(runs).tracks}
    assert subjects == {
        Subject("own", "get 4KiB", "closed loop, 16 clients"),
        Subject("other", "get 4KiB", "closed loop, 16 clients"),
        Subject("own", "get 4KiB", "open loop, 200/s"),
    }


def test_a_broken_run_is_left_out_and_counted() -> None:
    found = history([*nights([1000] * 6), *nights([9000] * 2, completed=False)])
    assert (found.runs, found.left_out) == (6, 2)
    assert all(point.value < 2000 for track in found.tracks if track.metric == "get p50_us" for point in track.points)


def test_unlike_machines_are_not_mixed_unless_told_to() -> None:
    runs = [*nights([1000] * 6, fingerprint=replace(MACHINE, cpu="another")), *nights([1000] * 6)]
    with pytest.raises(UnlikeMachines, match=r"cpu 'another'.*cpu 'a cpu'") as refused:
        history(runs)
    assert refused.value.exit_code == 2
    assert history(runs, force=True).runs == 12


def test_another_commit_is_the_same_machine() -> None:
    assert history(nights([1000] * 6)).runs == 6


def test_metrics_add_all_blocks_up() -> None:
    made = run(block(1000, count=100), block(1000, count=300))
    assert metrics(made)["throughput"] == pytest.approx(400)
    assert metrics(made)["get p50_us"] == pytest.approx(1000, rel=0.01)


def test_a_folder_is_read_oldest_first_whatever_lies_beside(tmp_path: Path) -> None:
    runs = nights([1000, 1010, 1020])
    save(runs[2], tmp_path / "a.jsonl")
    save(runs[:2], tmp_path / "deep" / "b.jsonl")
    (tmp_path / "b.operations.jsonl").write_text("not a result\n", encoding="utf-8")
    (tmp_path / "b.pairs.jsonl").write_text("not a result\n", encoding="utf-8")
    assert [one.started for one in read(tmp_path)] == [one.started for one in runs]
    assert len(read(tmp_path / "a.jsonl")) == 1


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoHistory, match="no stored results"):
        read(tmp_path)


def test_series_go_out_as_json_lines(tmp_path: Path) -> None:
    path = write_jsonl(history(nights([1000] * 10 + [1500] * 10)), tmp_path / "out" / "series.jsonl")
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert {line["metric"] for line in lines} == {"throughput", "get p50_us", "get p99_us"}
    for line in lines:
        assert len(line["points"]) == 20
        assert [change["time"] for change in line["changes"]] == [line["points"][10]["time"]] == [iso(START + 10 * DAY)]


def test_csv_and_its_settings_fit_together(tmp_path: Path) -> None:
    """What otava reads: a test names a file, a time column, attributes and metrics, and the file has them all."""
    runs = [*nights([1000] * 4), *nights([2000] * 4, label="other")]
    files = write_csv(history(runs), tmp_path / "out")
    assert len(files) == 2
    settings = json.loads((tmp_path / "out" / "otava.yaml").read_text(encoding="utf-8"))
    for test in settings["tests"].values():
        with Path(test["file"]).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 4
        columns = [metric["column"] for metric in test["metrics"].values()]
        assert list(rows[0]) == [test["time_column"], *test["attributes"], *columns]
        assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
        assert all(float(row[name]) > 0 for row in rows for name in columns)
    directions = {name: metric["direction"] for name, metric in test["metrics"].items()}
    assert directions == {"get_p50_us": -1, "get_p99_us": -1, "throughput": 1}


def test_subjects_whose_names_look_alike_get_files_of_their_own(tmp_path: Path) -> None:
    runs = [*nights([1000] * 2, label="a b"), *nights([1000] * 2, label="a/b")]
    assert len({path.name for path in write_csv(history(runs), tmp_path)}) == 2

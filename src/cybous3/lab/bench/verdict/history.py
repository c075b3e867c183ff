"""Stored results as series over time, and the changes of level in them.

A series is one metric of one label, workload and load. Its figures are logarithms while changes are looked for, so
that a change is a ratio. Runs that did not complete are left out and counted. Figures of unlike machines are not
mixed: a new processor is no change of the program.
"""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import exp, log
from pathlib import Path
from typing import Any, Final

from cybous3.core.errors import CybousError
from cybous3.lab.bench.fingerprint import unlike
from cybous3.lab.bench.result import Run, load, merged_ops
from cybous3.lab.bench.verdict.changes import P_MAX, changes

EFFECT_MIN: Final = 0.05
"""A change of level by less than this share is not told: over months every level drifts a little."""
RUNS_MAX: Final = 100_000
_LATENCIES: Final = ("p50_us", "p99_us")


class UnlikeMachines(CybousError):
    """Figures that were taken on different ground."""

    exit_code = 2


class NoHistory(CybousError):
    """There are no stored results where they were looked for."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Subject:
    """What a series is about."""

    label: str
    workload: str
    load: str

    def __str__(self) -> str:
        return f"{self.label}: {self.workload}, {self.load}"


@dataclass(frozen=True, slots=True)
class Point:
    """One run's figure: seconds since the epoch, and the commit it was taken from."""

    time: float
    value: float
    commit: str


@dataclass(frozen=True, slots=True)
class Step:
    """The level changed with the figure at `time`, by `change` (0.1: 10 % more), for better or worse."""

    time: float
    commit: str
    change: float
    worse: bool
    p_value: float


@dataclass(frozen=True, slots=True)
class Track:
    """One metric of one subject over time, with its changes."""

    subject: Subject
    metric: str
    points: tuple[Point, ...] = field(repr=False)
    steps: tuple[Step, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return one line of the JSON lines: subject, metric, points and changes, times in ISO 8601."""
        about = {name: getattr(self.subject, name) for name in ("label", "workload", "load")}
        points = [{"time": iso(one.time), "value": one.value, "commit": one.commit} for one in self.points]
        steps = [
            {
                "time": iso(one.time),
                "commit": one.commit,
                "change": round(one.change, 6),
                "worse": one.worse,
                "p_value": one.p_value,
            }
            for one in self.steps
        ]
        return {**about, "metric": self.metric, "points": points, "changes": steps}


@dataclass(frozen=True, slots=True)
class History:
    """Everything found in a folder. `left_out` runs did not complete."""

    tracks: tuple[Track, ...]
    runs: int
    left_out: int


def iso(time_s: float) -> str:
    """Return a time as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read(folder: Path) -> list[Run]:
    """Return the runs of every result in a folder (or of one file), oldest first. Raises NoHistory, NotAResult."""
    files = [folder] if folder.is_file() else sorted(folder.rglob("*.jsonl"))
    # What `benchmark --raw` and `compare --save` leave in the same place are other documents.
    runs = [
        run for file in files if not file.name.endswith((".operations.jsonl", ".pairs.jsonl")) for run in load(file)
    ]
    if not runs:
        raise NoHistory(f"no stored results in {str(folder)!r}", hint="`cybs3 performance benchmark` stores them")
    return sorted(runs, key=lambda run: run.started)[-RUNS_MAX:]


def history(runs: Sequence[Run], *, force: bool = False, p_max: float = P_MAX, minimum: float = EFFECT_MIN) -> History:
    """Return series and changes. Raises UnlikeMachines unless all runs are alike, or `force` is given."""
    whole = [run for run in runs if run.completed and run.blocks]
    if not force:
        check_alike(whole)
    tracks = [_with_steps(track, p_max, minimum) for track in _tracks(whole)]
    return History(tuple(tracks), len(whole), len(runs) - len(whole))


def check_alike(runs: Sequence[Run]) -> None:
    """Raise UnlikeMachines if a run was taken on other ground than the newest one, naming what differs."""
    for run in runs:
        fields = unlike(run.fingerprint, runs[-1].fingerprint)
        if fields:
            values = (f"{name} {getattr(one.fingerprint, name)!r}" for one in (run, runs[-1]) for name in fields)
            raise UnlikeMachines(
                f"results of unlike machines differ in {', '.join(fields)}: {'; '.join(values)}",
                hint="keep them in folders of their own, or use --force",
            )


def described(run: Run) -> str:
    """Return a workload as one word or two: `get 4KiB`."""
    return f"{run.workload.kind} {run.workload.sizes.text}"


def _tracks(runs: Iterable[Run]) -> list[Track]:
    found: dict[tuple[Subject, str], list[Point]] = {}
    for run in runs:
        subject = Subject(run.label, described(run), run.load)
        for metric, value in metrics(run).items():
            if value > 0:  # a run in which nothing succeeded has no speed
                point = Point(run.started, value, run.fingerprint.commit)
                found.setdefault((subject, metric), []).append(point)
    return [Track(subject, metric, tuple(points)) for (subject, metric), points in sorted(found.items(), key=str)]


def metrics(run: Run) -> dict[str, float]:
    """Return a run's figures: operations a second, and response times in microseconds over all its blocks."""
    seconds = sum(block.seconds for block in run.blocks)
    succeeded = sum(block.count - block.failed for block in run.blocks)
    found = {"throughput": succeeded / seconds if seconds else 0.0}
    for op in merged_ops(run.blocks):
        found |= {f"{op.name} {name}": getattr(op.response, name) for name in _LATENCIES}
    return found


def _with_steps(track: Track, p_max: float, minimum: float) -> Track:
    logs = [log(point.value) for point in track.points]
    steps = []
    for change in changes(logs, p_max=p_max):
        at, ratio = track.points[change.index], exp(change.after - change.before)
        if abs(change.after - change.before) >= log(1 + minimum):
            worse = (ratio > 1) != (track.metric == "throughput")
            steps.append(Step(at.time, at.commit, ratio - 1, worse, change.p_value))
    return replace(track, steps=tuple(steps))


def write_jsonl(found: History, path: Path) -> Path:
    """Write one series a line; OSError where the disk does not take it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(track.to_json(), ensure_ascii=False) for track in found.tracks)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def write_csv(found: History, folder: Path) -> list[Path]:
    """Write one CSV for each subject, and an `otava.yaml` that names them for `otava analyze`.

    Columns: time (ISO 8601), commit, then one for each metric, empty where a run lacks it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, Sequence[str]] = {}
    for subject in dict.fromkeys(track.subject for track in found.tracks):
        tracks = [track for track in found.tracks if track.subject == subject]
        name = _file_name(subject, files)
        _write_subject(folder / f"{name}.csv", tracks)
        files[name] = [column(track.metric) for track in tracks]
    (folder / "otava.yaml").write_text(_otava(files, folder), encoding="utf-8")
    return [folder / f"{name}.csv" for name in files]


def column(metric: str) -> str:
    """Return a metric's name as one word."""
    return metric.replace(" ", "_")


def _file_name(subject: Subject, taken: Mapping[str, object]) -> str:
    name = "".join(c if c.isalnum() else "-" for c in f"{subject.label}-{subject.workload}-{subject.load}")[:100]
    return name if name not in taken else f"{name}-{len(taken)}"


def _write_subject(path: Path, tracks: Sequence[Track]) -> None:
    rows: dict[tuple[float, str], dict[str, object]] = {}
    for track in tracks:
        for point in track.points:
            row = rows.setdefault((point.time, point.commit), {"time": iso(point.time), "commit": point.commit})
            row[column(track.metric)] = point.value
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["time", "commit", *(column(track.metric) for track in tracks)], restval="")
        writer.writeheader()
        writer.writerows(rows[key] for key in sorted(rows))


def _otava(files: Mapping[str, Sequence[str]], folder: Path) -> str:
    """Return the settings that `otava analyze NAME` reads. JSON is YAML, and needs no library to be written."""
    tests = {
        name: {
            "type": "csv",
            "file": str((folder / f"{name}.csv").resolve()),
            "time_column": "time",
            "attributes": ["commit"],
            "metrics": {
                metric: {"column": metric, "direction": 1 if metric == "throughput" else -1} for metric in columns
            },
            "csv_options": {"delimiter": ",", "quotechar": '"'},
        }
        for name, columns in files.items()
    }
    return json.dumps({"tests": tests}, indent=2, ensure_ascii=False) + "\n"

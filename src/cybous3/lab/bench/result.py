"""What a benchmark found, as values that are written, read back and compared; versioned "cybous3.bench/1".

Kept true here: every operation that was begun is in `count`, failed ones included; the latencies are those of all of
them, so that an operation that timed out is slow and not missing; throughput counts only what succeeded. Nothing is
averaged away: each OpStats carries its whole histograms.

A file holds one Run a line (JSON lines). `write_csv` and `write_hlog` write the same for other tools.
"""

import csv
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any, Final

from cybous3.core.errors import CybousError
from cybous3.lab.bench.extras import need
from cybous3.lab.bench.fingerprint import Fingerprint
from cybous3.lab.bench.workload import Workload, workload_from_json

VERSION: Final = "cybous3.bench/1"
LOWEST_US: Final = 1
HIGHEST_US: Final = 3_600_000_000
DIGITS: Final = 3
_PERCENTILES: Final = {"p50_us": 50.0, "p90_us": 90.0, "p99_us": 99.0, "p999_us": 99.9}


class NotAResult(CybousError):
    """A file that should hold stored results holds something else."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Latency:
    """A distribution of times in microseconds: an HdrHistogram (1 us to 1 h, three digits), and what is asked most.

    `encoded` is the whole histogram, in the base64 of HdrHistogram's V2 encoding.
    """

    count: int
    mean_us: float
    p50_us: float
    p90_us: float
    p99_us: float
    p999_us: float
    max_us: float
    encoded: str = field(repr=False)

    @staticmethod
    def of(values_us: Iterable[float]) -> "Latency":
        """Make a distribution of values; they are held to 1 us at least and 1 h at most."""
        counted = Counter(min(max(round(value), LOWEST_US), HIGHEST_US) for value in values_us)
        histogram = _empty()
        for value, count in counted.items():
            histogram.record_value(value, count)
        total = counted.total()
        return _latency(histogram, sum(value * count for value, count in counted.items()) / total if total else 0.0)

    @staticmethod
    def merged(parts: Sequence["Latency"]) -> "Latency":
        """Add distributions up, without loss."""
        histogram = _empty()
        for part in parts:
            if part.count:
                histogram.add(part.histogram())
        total = sum(part.count for part in parts)
        mean_us = sum(part.mean_us * part.count for part in parts) / total if total else 0.0
        return _latency(histogram, mean_us)

    def histogram(self) -> Any:  # noqa: ANN401  # hdrh ships no types
        """Return the HdrHistogram."""
        return need("hdrh.histogram").HdrHistogram.decode(self.encoded)

    def percentile_us(self, percentile: float) -> float:
        """Return the value below which `percentile` (0 to 100) of all values lie."""
        return float(self.histogram().get_value_at_percentile(percentile))

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads back."""
        return {name: getattr(self, name) for name in self.__slots__}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Latency":
        """Read a distribution back, without needing HdrHistogram to look at its percentiles."""
        return Latency(**data)


def _empty() -> Any:  # noqa: ANN401  # hdrh ships no types
    return need("hdrh.histogram").HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)


def _latency(histogram: Any, mean_us: float) -> Latency:  # noqa: ANN401  # hdrh ships no types
    found = histogram.get_percentile_to_value_dict([*_PERCENTILES.values()]) if histogram.total_count else {}
    asked = {name: float(found.get(percentile, 0)) for name, percentile in _PERCENTILES.items()}
    encoded = histogram.encode().decode("ascii")
    highest = float(histogram.get_max_value()) if histogram.total_count else 0.0
    return Latency(int(histogram.total_count), round(mean_us, 3), **asked, max_us=highest, encoded=encoded)


@dataclass(frozen=True, slots=True)
class OpStats:
    """One kind of operation in one block.

    `count` are all that were begun and not cut as warm-up, `errors` those among them that failed, by the S3 code or
    "timeout", "connection", "wrong bytes". `response` counts from the intended start, `service` from the real one;
    they differ only in the open loop. `bytes` are the payload of those that succeeded.
    """

    name: str
    count: int
    errors: Mapping[str, int]
    bytes: int
    response: Latency
    service: Latency

    @property
    def failed(self) -> int:
        """How many did not end well."""
        return sum(self.errors.values())

    @staticmethod
    def merged(parts: Sequence["OpStats"]) -> "OpStats":
        """Add up what several processes, or several blocks, did of one kind."""
        errors: Counter[str] = reduce(add, (Counter(part.errors) for part in parts), Counter())
        return OpStats(
            parts[0].name,
            sum(part.count for part in parts),
            dict(errors),
            sum(part.bytes for part in parts),
            Latency.merged([part.response for part in parts]),
            Latency.merged([part.service for part in parts]),
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads back."""
        plain = {"name": self.name, "count": self.count, "errors": dict(self.errors), "bytes": self.bytes}
        return plain | {"response": self.response.to_json(), "service": self.service.to_json()}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "OpStats":
        """Read it back."""
        latencies = {name: Latency.from_json(data[name]) for name in ("response", "service")}
        return OpStats(**{**data, **latencies})


@dataclass(frozen=True, slots=True)
class Block:
    """One stretch of load. `started` is seconds since the epoch; `seconds` run from the end of the warm-up.

    `generator_cpu_s` is what the load generator itself used of the processor in the block, `server_cpu_s` the server
    where it is our own. `late` operations of an open loop had to wait for a connection: all the generator may have
    were in use. They count from their intended start all the same.
    """

    started: float
    seconds: float
    ops: tuple[OpStats, ...]
    interrupted: bool = False
    warmup_s: float = 0.0
    generator_cpu_s: float = 0.0
    server_cpu_s: float | None = None
    late: int = 0

    @property
    def count(self) -> int:
        """All operations, failed ones included."""
        return sum(op.count for op in self.ops)

    @property
    def failed(self) -> int:
        """Operations that did not end well."""
        return sum(op.failed for op in self.ops)

    @property
    def errors(self) -> dict[str, int]:
        """Failures by code, over all operations."""
        return dict(reduce(add, (Counter(op.errors) for op in self.ops), Counter()))

    @property
    def throughput(self) -> float:
        """Operations that succeeded, a second."""
        return (self.count - self.failed) / self.seconds if self.seconds else 0.0

    @property
    def bytes_per_s(self) -> float:
        """Payload of operations that succeeded, in bytes a second."""
        return sum(op.bytes for op in self.ops) / self.seconds if self.seconds else 0.0

    @property
    def generator_cpu_share(self) -> float:
        """The generator's use of one core: 1.0 is a whole core, and then the figures are the generator's own."""
        whole = self.seconds + self.warmup_s
        return self.generator_cpu_s / whole if whole else 0.0

    def op(self, name: str) -> OpStats | None:
        """Return the statistics of one kind of operation, if any was done."""
        return next((op for op in self.ops if op.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads back."""
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "ops"}
        return plain | {"ops": [op.to_json() for op in self.ops]}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Block":
        """Read it back."""
        return Block(**{**data, "ops": tuple(OpStats.from_json(op) for op in data["ops"])})


def merged_ops(blocks: Iterable[Block]) -> tuple[OpStats, ...]:
    """Return the statistics of each kind of operation over all the blocks, in the order of first appearance."""
    by_name: dict[str, list[OpStats]] = {}
    for block in blocks:
        for op in block.ops:
            by_name.setdefault(op.name, []).append(op)
    return tuple(OpStats.merged(parts) for parts in by_name.values())


@dataclass(frozen=True, slots=True)
class Run:
    """Everything one benchmark of one workload found, with what is needed to judge it.

    `completed` is False where it was interrupted or ended early; `note` then says why.
    """

    label: str
    endpoint: str
    durability: str
    workload: Workload
    load: str
    fingerprint: Fingerprint
    blocks: tuple[Block, ...]
    completed: bool = True
    note: str = ""

    @property
    def started(self) -> float:
        """Seconds since the epoch at which the first block began; 0 without a block."""
        return self.blocks[0].started if self.blocks else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads back; `version` names the format."""
        plain = {name: getattr(self, name) for name in ("label", "endpoint", "durability", "load", "completed", "note")}
        parts = {"workload": self.workload.to_json(), "fingerprint": self.fingerprint.to_json()}
        return {"version": VERSION, **plain, **parts, "blocks": [block.to_json() for block in self.blocks]}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Run":
        """Read a run back. Raises NotAResult for another version or another kind of document."""
        if data.get("version") != VERSION:
            raise NotAResult(f"not a result of version {VERSION}: {str(data.get('version'))[:40]!r}")
        try:
            fields = {name: value for name, value in data.items() if name != "version"}
            fields["workload"] = workload_from_json(data["workload"])
            fields["fingerprint"] = Fingerprint.from_json(data["fingerprint"])
            fields["blocks"] = tuple(Block.from_json(block) for block in data["blocks"])
            return Run(**fields)
        except (KeyError, TypeError, AttributeError) as error:
            raise NotAResult(f"a damaged result: {type(error).__name__}: {error}") from error


def file_name(label: str, now_s: float) -> str:
    """Return `<stamp>-<label>` with nothing in it that a file system minds."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
    return f"{stamp}-{''.join(c if c.isalnum() or c in '._-' else '_' for c in label)[:80]}"


def save(runs: Run | Sequence[Run], path: Path) -> Path:
    """Append runs to a JSON lines file, one a line, making its folder. OSError where the disk does not take it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(run.to_json(), ensure_ascii=False) for run in ([runs] if isinstance(runs, Run) else runs)]
    before = path.stat().st_size if path.exists() else 0
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
    except OSError:
        with suppress(OSError):  # the disk is full, not broken: half a line would make the whole file unreadable
            os.truncate(path, before)
        raise
    return path


def load(path: Path) -> tuple[Run, ...]:
    """Return the runs of a JSON lines file in order. Raises NotAResult naming the line, OSError for the file."""
    runs = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            runs.append(Run.from_json(json.loads(line)))
        except (ValueError, AttributeError, NotAResult) as error:
            raise NotAResult(f"{path}: line {number}: {error}", hint="only stored results can be read") from error
    return tuple(runs)


CSV_COLUMNS: Final = (
    *("time", "label", "endpoint", "durability", "kind", "sizes", "load", "commit", "block", "op"),
    *("seconds", "count", "failed", "throughput", "bytes_per_s", "mean_us", "p50_us", "p90_us", "p99_us", "p999_us"),
    *("max_us", "service_p50_us", "service_p99_us", "generator_cpu_share", "interrupted"),
)


def csv_rows(run: Run) -> list[dict[str, object]]:
    """Return one row for each block and operation, by the names of CSV_COLUMNS."""
    return [_csv_row(run, number, block, op) for number, block in enumerate(run.blocks, 1) for op in block.ops]


def _csv_row(run: Run, number: int, block: Block, op: OpStats) -> dict[str, object]:
    asked = {name: getattr(op.response, name) for name in ("mean_us", *_PERCENTILES, "max_us")}
    return {
        "time": round(block.started, 3),
        "label": run.label,
        "endpoint": run.endpoint,
        "durability": run.durability,
        "kind": run.workload.kind,
        "sizes": run.workload.sizes.text,
        "load": run.load,
        "commit": run.fingerprint.commit,
        "block": number,
        "op": op.name,
        "seconds": round(block.seconds, 6),
        "count": op.count,
        "failed": op.failed,
        "throughput": round((op.count - op.failed) / block.seconds, 3) if block.seconds else 0.0,
        "bytes_per_s": round(op.bytes / block.seconds, 1) if block.seconds else 0.0,
        **asked,
        "service_p50_us": op.service.p50_us,
        "service_p99_us": op.service.p99_us,
        "generator_cpu_share": round(block.generator_cpu_share, 4),
        "interrupted": int(block.interrupted),
    }


def write_csv(runs: Sequence[Run], path: Path) -> Path:
    """Write one row for each block and operation, headed; other tools read it (`time` is seconds since the epoch)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, CSV_COLUMNS)
        writer.writeheader()
        for run in runs:
            writer.writerows(csv_rows(run))
    return path


def write_hlog(runs: Sequence[Run], path: Path) -> Path:
    """Write every block's histograms as a HdrHistogram log (format 1.3: absolute seconds, maxima in milliseconds).

    Tags are `<op>` for times from the intended start and `<op>.service` for times from the real one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    head = [f"#[{VERSION}: values in microseconds]", "#[Histogram log format version 1.3]", _HLOG_LEGEND]
    lines = [line for run in runs for block in run.blocks for line in _intervals(block)]
    path.write_text("".join(f"{line}\n" for line in [*head, *lines]), encoding="utf-8")
    return path


_HLOG_LEGEND: Final = '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'


def _intervals(block: Block) -> Iterator[str]:
    for op in block.ops:
        for tag, latency in ((op.name, op.response), (f"{op.name}.service", op.service)):
            highest_ms = latency.max_us / 1000
            yield f"Tag={tag},{block.started:.3f},{block.seconds:.3f},{highest_ms:.3f},{latency.encoded}"

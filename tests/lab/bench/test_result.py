import csv
import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.lab.bench.fingerprint import take
from cybous3.lab.bench.result import (
    CSV_COLUMNS,
    Block,
    Latency,
    NotAResult,
    OpStats,
    Run,
    file_name,
    load,
    merged_ops,
    save,
    write_csv,
    write_hlog,
)
from cybous3.lab.bench.workload import Workload

times = st.lists(st.floats(1, 3e9), min_size=1, max_size=50)
FINGERPRINT = take()


def op(name: str = "get", count: int = 4, failed: int = 1) -> OpStats:
    latency = Latency.of(range(100, 100 * (count + 1), 100))
    return OpStats(name, count, {"SlowDown": failed} if failed else {}, 4096 * (count - failed), latency, latency)


def run(*blocks: Block, **more: object) -> Run:
    made = Run("a b/c", "http://h", "strict", Workload("get"), "closed loop, 2 clients", FINGERPRINT, blocks)
    return replace(made, **more)  # type: ignore[arg-type]  # the test's own words


@given(times)
def test_percentiles_are_those_of_the_values_to_three_digits(values: list[float]) -> None:
    latency, ordered = Latency.of(values), sorted(values)
    middle = ordered[max(int(len(values) * 0.5 + 0.5), 1) - 1]
    assert latency.count == len(values)
    assert latency.p50_us == pytest.approx(middle, rel=0.002, abs=1)
    assert latency.max_us == pytest.approx(ordered[-1], rel=0.002, abs=1)
    assert latency.mean_us == pytest.approx(sum(values) / len(values), rel=0.001, abs=1)
    assert latency.percentile_us(50) == latency.p50_us


@given(times, times)
def test_merging_loses_nothing(first: list[float], second: list[float]) -> None:
    merged, whole = Latency.merged([Latency.of(first), Latency.of(second)]), Latency.of(first + second)
    assert merged.encoded == whole.encoded
    assert merged.mean_us == pytest.approx(whole.mean_us, abs=0.01)


def test_a_distribution_of_nothing_is_zero_and_extremes_are_held() -> None:
    assert (Latency.of([]).p99_us, Latency.merged([]).count, Latency.merged([Latency.of([])]).max_us) == (0, 0, 0)
    assert Latency.of([0.0]).p50_us == 1
    assert Latency.of([1e12]).max_us == pytest.approx(3.6e9, rel=0.001)


def test_throughput_counts_what_succeeded_and_count_counts_everything() -> None:
    block = Block(0.0, 2.0, (op(count=4, failed=1), op("put", 6, 0)), warmup_s=2.0, generator_cpu_s=1.0)
    assert (block.count, block.failed, block.errors) == (10, 1, {"SlowDown": 1})
    assert (block.throughput, block.bytes_per_s) == (4.5, 4096 * 9 / 2)
    assert block.generator_cpu_share == 0.25
    assert block.op("put") == op("put", 6, 0)
    assert block.op("sing") is None
    assert (Block(0, 0, ()).throughput, Block(0, 0, ()).bytes_per_s, Block(0, 0, ()).generator_cpu_share) == (0, 0, 0)


def test_blocks_add_up_by_operation() -> None:
    one, two = Block(0, 1, (op(), op("put"))), Block(1, 1, (op("put"),))
    assert [(part.name, part.count, part.errors) for part in merged_ops([one, two])] == [
        ("get", 4, {"SlowDown": 1}),
        ("put", 8, {"SlowDown": 2}),
    ]


def test_runs_come_back_from_the_file_as_they_were(tmp_path: Path) -> None:
    first = run(Block(5.0, 1.0, (op(),), server_cpu_s=0.5), Block(6.0, 1.0, ()))
    second = run(completed=False, note="interrupted")
    path = tmp_path / "new" / "x.jsonl"
    save(first, path)
    save([second], path)
    assert load(path) == (first, second)
    assert (first.started, second.started) == (5.0, 0.0)


def test_a_disk_that_fills_up_leaves_the_runs_before_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(run(), tmp_path / "x.jsonl")
    real = Path.open

    def small(self: Path, *arguments: str, **more: str) -> IO[str]:
        with real(self, "a") as file:
            file.write("{half a li")
        return real(Path("/dev/full"), *arguments, **more)  # type: ignore[call-overload, no-any-return]  # passed on

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", small)
        with pytest.raises(OSError, match="No space left"):
            save(run(), path)
    assert load(path) == (run(),)


@pytest.mark.parametrize(
    "line", ["not json", "[]", "{}", '{"version": "cybous3.bench/2"}', '{"version": "cybous3.bench/1"}']
)
def test_what_is_no_result_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    path = save(run(), tmp_path / "x.jsonl")
    path.write_text(path.read_text() + "\n" + line + "\n")
    with pytest.raises(NotAResult, match="line 3"):
        load(path)


def test_a_result_with_a_field_too_many_is_refused() -> None:
    with pytest.raises(NotAResult, match="damaged"):
        Run.from_json({**run().to_json(), "surprise": 1})


def test_a_table_for_other_tools(tmp_path: Path) -> None:
    path = write_csv([run(Block(5.0, 2.0, (op(), op("put"))), Block(7.0, 0.0, (op(),)))], tmp_path / "n" / "x.csv")
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [*rows[0]] == [*CSV_COLUMNS]
    assert [(row["block"], row["op"], row["throughput"]) for row in rows] == [
        ("1", "get", "1.5"),
        ("1", "put", "1.5"),
        ("2", "get", "0.0"),
    ]


def test_the_histogram_log_is_read_by_its_own_library(tmp_path: Path) -> None:
    from hdrh.histogram import HdrHistogram  # noqa: PLC0415  # the library that reads it
    from hdrh.log import HistogramLogReader  # noqa: PLC0415  # likewise

    path = write_hlog([run(Block(1_700_000_000.5, 2.0, (op(),)))], tmp_path / "n" / "x.hlog")
    reader = HistogramLogReader(str(path), HdrHistogram(1, 3_600_000_000, 3))
    with closing(reader):
        first, second, end = (reader.get_next_interval_histogram() for _ in range(3))
    assert [(one.get_tag(), one.get_total_count()) for one in (first, second)] == [("get", 4), ("get.service", 4)]
    assert first.get_value_at_percentile(100) == 400
    assert first.get_start_time_stamp() == pytest.approx(1_700_000_000_500)
    assert end is None


def test_file_names_are_harmless() -> None:
    assert file_name("a b/../c:9", 0) == "19700101T000000Z-a_b_.._c_9"
    assert json.loads(json.dumps(run().to_json()))["version"] == "cybous3.bench/1"

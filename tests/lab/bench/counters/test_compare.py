"""The gate's judgement: figures in, differences out."""

import json

import pytest

from cybous3.lab.bench.counters.compare import RENEW, Difference, StaleFormat, Stored, differences, report, within

PUT = {"PUT": {"files.fsync": 2, "sql.select": 100, "calls.ours": 200}}


def found(counted: dict[str, int], *loose: str) -> list[Difference]:
    return differences(PUT, {"PUT": counted}, {"PUT": loose})


def test_what_is_stored_passes() -> None:
    assert found({"files.fsync": 2, "sql.select": 100, "calls.ours": 200}) == []


@pytest.mark.parametrize("fsyncs", [0, 1, 3])
def test_one_more_or_less_of_anything_is_found(fsyncs: int) -> None:
    counted = {"files.fsync": fsyncs, "sql.select": 100, "calls.ours": 200}
    assert found({name: value for name, value in counted.items() if value}) == [
        Difference("PUT", "files.fsync", 2, fsyncs)
    ]


def test_a_regression_of_one_percent_in_statements_is_found() -> None:
    assert [one.change for one in found({"files.fsync": 2, "sql.select": 101, "calls.ours": 200})] == ["+1"]


def test_what_nobody_stored_is_a_difference() -> None:
    new = {"files.fsync": 2, "sql.select": 100, "calls.ours": 200, "files.rename": 1}
    assert found(new) == [Difference("PUT", "files.rename", 0, 1)]
    assert differences({}, {"GET": {"sql.select": 1}}, {}) == [Difference("GET", "sql.select", 0, 1)]


def test_calls_may_move_by_two_percent_and_no_more() -> None:
    assert within("calls.ours", 200, 204)
    assert within("calls.ours", 200, 196)
    assert not within("calls.ours", 200, 205)
    assert not within("sql.select", 200, 201)


def test_loose_counters_do_not_gate_and_all_others_do() -> None:
    assert found({"sql.select": 100, "calls.ours": 200}, "files.") == []
    assert len(found({"calls.ours": 200}, "files.")) == 1


def test_scenarios_that_were_not_counted_are_not_judged() -> None:
    assert differences(PUT, {}, {}) == []


def test_the_report_is_a_table_that_says_what_changed() -> None:
    lines = report([Difference("PUT 16 MiB", "files.written_bytes", 1024, 4096)]).splitlines()
    assert lines[0].split() == ["scenario", "counter", "stored", "counted", "change"]
    assert lines[1].split() == ["PUT", "16", "MiB", "files.written_bytes", "1,024", "4,096", "+3,072"]
    assert len({len(line) for line in lines}) == 1


def test_what_is_stored_comes_back_and_a_change_of_one_counter_is_one_line() -> None:
    stored = Stored("3.11", {"work": PUT, "kernel": {}})
    assert Stored.load(stored.dump()) == stored
    other = Stored("3.11", {"work": {"PUT": PUT["PUT"] | {"files.fsync": 3}}, "kernel": {}})
    assert len(set(stored.dump().splitlines()) ^ set(other.dump().splitlines())) == 2
    assert RENEW in stored.dump()


def test_another_format_is_refused() -> None:
    with pytest.raises(StaleFormat):
        Stored.load(json.dumps({"format": "cybous3.counters/0"}))

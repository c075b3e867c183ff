"""`make bench`: its exit code is the gate, its table is what a reviewer reads."""

import pytest

from cybous3.lab.bench.counters.compare import RENEW, Difference
from cybous3.lab.bench.counters.gate import Counted
from cybous3.lab.bench.counters.measure import Cost
from tools.bench import judge, show

MORE = [Difference("PUT 4 KiB", "files.fsync", 0, 1)]


def test_a_difference_ends_with_1_and_tells_how_to_store_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert judge(MORE, update=False) == 1
    said = capsys.readouterr().out
    assert "files.fsync" in said
    assert RENEW in said


def test_storing_shows_the_same_table_and_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert judge(MORE, update=True) == 0
    assert "files.fsync" in capsys.readouterr().out


def test_no_difference_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert judge([], update=False) == 0
    assert capsys.readouterr().out.count("\n") == 1


def test_the_whole_table_marks_what_does_not_gate() -> None:
    lines = show(Counted({"work": {"PUT": Cost({"a": 1, "files.write": 9}, ("files.write",))}})).splitlines()
    assert lines[1].split() == ["PUT", "a", "1"]
    assert lines[2].split() == ["PUT", "files.write", "9", "not", "gated"]

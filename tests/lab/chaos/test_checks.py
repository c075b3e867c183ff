"""Figures in, verdict out: each check says what was found and what was allowed."""

import pytest

from cybous3.lab.chaos.checks import Figures, error_rate, judge, percentile, phase_checks
from cybous3.lab.chaos.faults.registry import CATALOGUE
from cybous3.lab.chaos.load import Record
from cybous3.lab.chaos.oracle import Verdict, Violation
from cybous3.lab.chaos.scenario import Bounds, read

SCENARIO = read("[steady]\nready = '5s'\nleaked = 0\n[after]\ndamaged = 1", CATALOGUE)


def records(*errors: str, seconds: float = 0.1) -> list[Record]:
    return [Record(n, 0, "put", float(n), seconds, error, 1) for n, error in enumerate(errors)]


def failed(**figures: object) -> list[str]:
    whole = {"recovered_s": 1.0, "leaked": [], **figures}
    return [check.name for check in judge(SCENARIO, Figures(**whole)) if not check.passed]  # type: ignore[arg-type]  # as given


def test_a_run_in_which_all_went_well_passes() -> None:
    assert failed() == []


@pytest.mark.parametrize(
    ("figures", "name"),
    [
        ({"recovered_s": None}, "recovery"),
        ({"recovered_s": 5.1}, "recovery"),
        ({"damaged": ["a", "b"]}, "unreadable"),
        ({"races": ["k: 2 winners"]}, "one-winner"),
        ({"leaked": ["blobs/00/x"]}, "leaks"),
        ({"not_injected": ["process.kill"]}, "faults-injected"),
        ({"out_of_bounds": ["the disk"]}, "blast-radius"),
        ({"exit_code": None}, "orderly-end"),
        ({"exit_code": 1}, "orderly-end"),
    ],
)
def test_each_broken_promise_has_its_name(figures: dict[str, object], name: str) -> None:
    assert failed(**figures) == [name]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("lost", "acknowledged-durable"),
        ("ghost", "unacknowledged-whole"),
        ("old-or-new", "old-or-new"),
        ("wrong-bytes", "no-wrong-bytes"),
    ],
)
def test_each_violation_breaks_one_promise(kind: Verdict, name: str) -> None:
    assert failed(violations=[Violation(kind, "k", "detail")] * 7) == [name]


def test_what_was_not_measured_is_not_judged() -> None:
    assert phase_checks("during", Bounds(), records("x")) == []
    names = [check.name for check in judge(SCENARIO, Figures(recovered_s=1.0, own=False))]
    assert "orderly-end" not in names
    assert "leaks" not in names


def test_rates_and_percentiles_are_compared_with_their_bounds() -> None:
    bounds = Bounds(error_rate=0.5, p99_s=0.2)
    assert [one.passed for one in phase_checks("during", bounds, records("", "x"))] == [True, True]
    assert [one.passed for one in phase_checks("during", bounds, records("x", ""))] == [True, True]
    assert [one.passed for one in phase_checks("during", bounds, records("x", "x", ""))] == [False, True]
    assert [one.passed for one in phase_checks("during", bounds, records("", seconds=0.3))] == [True, False]
    assert error_rate([]) == percentile([], 0.99) == 0.0
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0


def test_a_phase_in_which_nothing_was_measured_shows_nothing_and_does_not_pass() -> None:
    bounds = Bounds(error_rate=1.0, p99_s=9.0)
    none = phase_checks("after", bounds, [])
    assert [(one.passed, one.found) for one in none] == [
        (False, "not shown: no operation in this phase"),
        (False, "not shown: no successful operation in this phase"),
    ]
    assert [one.passed for one in phase_checks("after", bounds, records("x"))] == [True, False]

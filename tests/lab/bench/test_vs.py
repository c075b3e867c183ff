"""The table: medians of rounds, ratios of pairs, nothing dropped; and for real, short, beside rclone."""

import math
from pathlib import Path

import pytest

from cybous3.core.errors import CybousError
from cybous3.lab.bench import vs
from cybous3.lab.bench.plots import contest
from cybous3.lab.bench.rivals.lane import Lane, Measured, Row, judged
from cybous3.lab.bench.rivals.port import Program, Rival, Shelf, Unavailable
from cybous3.lab.bench.rivals.table import RIVALS, chosen
from cybous3.lab.bench.streams import StreamFailed
from cybous3.lab.bench.vs import Arena, Comparison, Contender, Effort, Figure, Syncs, compare, rows, times
from cybous3.lab.bench.wrk import Sample

PUT, GET = Row("PUT 4K", "PUT", large=False), Row("GET 64M", "GET", large=True)


def figure(*values: float) -> Figure:
    return Figure(dict(enumerate(values, 1)))


OURS = Contender(
    *("cybous3", "this program", "1", "strict"),
    figures={"PUT 4K": figure(30, 33, 27, 30, 31), "GET 64M": figure(500, 500)},
    syncs=Syncs((1.0, 0.214)),
    strong=True,
)
OTHER = Contender(
    *("rclone", "PyPI", "2", "none (no fsync)"),
    figures={"PUT 4K": figure(10, 11, 9, 10, 10.2), "GET 64M": Figure({1: 50.0}, ("cut off",))},
    syncs=Syncs(reason="strace is not installed"),
)
FILES = Contender("nginx", "Debian", "3", "n/a", figures={"GET 64M": figure(600, 700)}, writes=False)
ABSENT = Contender("moto", "PyPI", "", "memory", reason="could not be installed: no network")
FOUND = Comparison((PUT, GET), (OURS, OTHER, FILES, ABSENT), 5)


def test_ratios_are_of_pairs_of_one_round() -> None:
    """Both were three times as slow in round 4: the ratio does not move."""
    mine, theirs = figure(30, 30, 30, 10, 30), figure(10, 10, 10, 10 / 3, 10)
    pair = Comparison(
        (PUT,),
        (
            Contender("a", "", "", "", figures={"PUT 4K": mine}, strong=True),
            Contender("b", "", "", "", figures={"PUT 4K": theirs}),
        ),
        5,
    )
    assert pair.ratio(PUT, pair.contenders[1]) == pytest.approx((3, 3, 3))


def test_few_pairs_give_a_ratio_and_claim_no_interval() -> None:
    estimate, low, high = times([math.log(2)] * 3) or (0, 0, 0)
    assert estimate == pytest.approx(2)
    assert math.isnan(low)
    assert math.isnan(high)
    assert times([]) is None


def test_the_table_says_everything() -> None:
    lines = contest.lines(FOUND)
    assert lines[0] == ("cybous3", "1", "strict", "1 / 0.21", "30.0", "500")
    assert lines[1] == ("rclone", "2", "none (no fsync)", "-", "10.0", "50.0*")
    assert lines[2] == ("nginx", "3", "n/a", "-", "n/a", "650")
    assert lines[3] == ("moto", "-", "memory", "-", "not measured", "-")
    assert len(contest.columns(FOUND)) == len(lines[0])
    notes = contest.notes(FOUND)
    assert "rclone, GET 64M: cut off" in notes
    assert "rclone: syncs not counted: strace is not installed" in notes


def test_ratios_stand_beside_those_who_have_figures() -> None:
    rclone, nginx = contest.ratio_lines(FOUND)
    assert rclone[1].startswith("3.0")
    assert ".." in rclone[1]
    assert rclone[2] == "10.00"
    assert nginx == ("nginx", "n/a", "0.77")


def test_the_page_has_a_chart_a_row_and_a_line_a_server() -> None:
    page = contest.page(FOUND, [("machine", "this")])
    assert [chart.title for chart in page.charts] == ["PUT 4K", "GET 64M"]
    assert [len(chart.table.rows) for chart in page.charts] == [4, 4]
    assert "moto: could not be installed: no network" in page.notes
    assert page.verdict == "3 servers, 5 interleaved rounds, medians"
    failed = Contender("x", "", "", "", figures={"PUT 4K": Figure({}, ("all",))})
    assert contest.value(failed, PUT) == "failed"
    assert contest.value(failed, GET) == "-"


def test_sizes_name_the_rows() -> None:
    assert [row.name for row in rows(Effort(small=100, large=2**21))][::2] == ["PUT 100 c=1", "GET 100 c=1", "PUT 2M"]
    assert rows(Effort())[3].name == "GET 4K c=16"
    assert rows(Effort())[5].unit == "MiB/s"
    assert rows(Effort())[5].generator == "stream"


def test_errors_of_wrk_are_told_and_missing_bytes_are_no_figure() -> None:
    assert judged(Sample(10, 50_000, 1, 1, 10), Row("g", "GET", large=False), 4096) == Measured(10)
    told = judged(Sample(10, 0, 1, 1, 12, {"status": 2}), PUT, 4096)
    assert told == Measured(10, "of 12 requests failed 2 (status)")
    with pytest.raises(StreamFailed, match="fewer bytes"):
        judged(Sample(10, 100, 1, 1, 10), Row("g", "GET", large=False), 4096)


def arena(tmp_path: Path) -> Arena:
    return Arena(tmp_path, Shelf(tmp_path / "cache", install=False, say=lambda _text: None), lambda _text: None)


def absent(name: str, *, strong: bool = False) -> Rival:
    def provide(shelf: Shelf) -> Program:
        raise Unavailable("not on this machine", hint=f"look in {shelf.folder.name}")

    return Rival(name, "nowhere", "none", provide, RIVALS[0].launch, strong=strong)


def test_absent_ones_are_rows_with_their_reasons(tmp_path: Path) -> None:
    found = compare([absent("ours", strong=True), absent("b")], Effort(rounds=1), arena(tmp_path))
    assert [item.reason for item in found.contenders] == ["not on this machine (look in cache)"] * 2
    assert found.ratio(found.rows[0], found.contenders[1]) is None


def test_an_interrupt_while_starting_is_told(tmp_path: Path) -> None:
    def provide(_shelf: Shelf) -> Program:
        raise KeyboardInterrupt

    late = Rival("ours", "here", "none", provide, RIVALS[0].launch, strong=True)
    found = compare([late], Effort(rounds=1), arena(tmp_path))
    assert found.interrupted
    assert found.contenders[0].reason == "interrupted before it was up"
    assert "INTERRUPTED" in contest.verdict(found)


def test_a_short_round_for_real_with_the_fallback_generator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without wrk and strace: threads of Python make the figures, and the syncs say why they are not there."""
    monkeypatch.setattr("cybous3.lab.bench.wrk.available", lambda: None)
    monkeypatch.setattr("cybous3.lab.bench.rivals.syncs.tracer", lambda: None)
    monkeypatch.setattr("cybous3.lab.bench.rivals.lane.FRESH_KEYS", 64)
    two = [RIVALS[0], RIVALS[1]] if chosen(("rclone",)) == RIVALS[:2] else []
    short = [row for row in rows(Effort(large=100_000)) if row.clients == 1 and row.name != "GET 4K c=1"]
    monkeypatch.setattr(vs, "rows", lambda _effort: tuple(short))
    monkeypatch.setattr(Lane, "_by_python", _once(Lane._by_python))
    found = compare(two, Effort(rounds=1, seconds=1, large=100_000, objects=3), arena(tmp_path))
    assert [item.reason for item in found.contenders] == ["", ""]
    for item in found.contenders:
        assert all((item.figures[row.name].median or 0) > 0 for row in found.rows), item
        assert item.syncs.reason == "strace is not installed"
    assert found.rounds == 1


def _once(measure: object) -> object:
    """Return the same measurement over a twentieth of the time."""

    def shorter(self: Lane, row: Row, seconds: float, number: int) -> float:
        rate: float = measure(self, row, seconds / 20, number)  # type: ignore[operator]  # a method
        return rate

    return shorter


def test_what_fails_in_one_round_is_told_and_the_rest_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(_lane: Lane, row: Row, _seconds: int, number: int, _scratch: Path) -> Measured:
        if row.large:
            raise CybousError("no large ones today")
        if number == 2:
            raise KeyboardInterrupt
        return Measured(100.0, "of 9 requests failed 1 (status)")

    monkeypatch.setattr(Lane, "measure", measure)
    monkeypatch.setattr(Lane, "fill", lambda _lane: None)
    monkeypatch.setattr(Lane, "check", lambda _lane: None)
    found = compare(RIVALS[:1], Effort(rounds=3), arena(tmp_path))
    assert found.interrupted
    assert found.rounds == 1
    figures = found.ours.figures
    assert figures["PUT 4K c=1"] == Figure({1: 100.0}, ("of 9 requests failed 1 (status)",))
    assert figures["PUT 64M"] == Figure({}, ("no large ones today",))

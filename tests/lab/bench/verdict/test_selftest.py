"""The promise of the whole detector, on real figures: few false alarms, and a slow-down of a tenth is found."""

import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from math import log

import pytest

from cybous3.lab.bench.verdict import report
from cybous3.lab.bench.verdict.compare import Plan, Word, series
from cybous3.lab.bench.verdict.recording import NotARecording, Recording, load
from cybous3.lab.bench.verdict.selftest import RUN_PAIRS, Row, as_recorded, draw, examine, kept, slowed
from tests.support.blocks import MACHINE, noisy_pairs

SHIPPED = load()


@pytest.mark.slow
@pytest.mark.parametrize("one", SHIPPED, ids=lambda one: one.label)
def test_the_detector_keeps_its_promises_on_recorded_figures(one: Recording) -> None:
    """200 comparisons of equal sides: at most 1 % alarms. 200 with 10 % injected: at least 95 % REGRESSION."""
    rows = [examine(one, slowdown, Plan()) for slowdown in (0.0, 0.10)]
    assert [row.comparisons for row in rows] == [200, 200]
    assert kept(rows) == [], report.power(rows)


@pytest.mark.parametrize("one", SHIPPED, ids=lambda one: one.label)
def test_the_recorded_sides_are_equal_as_they_stand(one: Recording) -> None:
    """Without any drawing: two servers of one build raise no alarm."""
    words = {finding.word for finding in as_recorded(one, Plan())}
    assert words <= {Word.PASS, Word.INCONCLUSIVE}


def recording(slower: float = 0.0, pairs: int = 200) -> Recording:
    made = tuple(noisy_pairs(slower, spread=0.02)[:pairs])
    return Recording(
        label="get",
        equal=True,
        load="closed loop",
        durability="strict",
        block_s=0.25,
        command="made up",
        fingerprint=MACHINE,
        pairs=made,
    )


def test_a_slow_down_is_injected_as_what_it_says() -> None:
    pair = noisy_pairs(0)[0]
    plain, slow = series([pair]), series([slowed(pair, 0.1)])
    assert [slow[metric][0] - plain[metric][0] for metric in plain] == pytest.approx([log(1.1)] * 2)
    assert slowed(pair, 0.1).a == pair.a


def test_drawn_comparisons_are_runs_of_recorded_pairs_either_way_round() -> None:
    one, dice = recording(), random.Random(3)  # noqa: S311  # which blocks are drawn
    drawn = draw(one, Plan(pairs_max=80), dice)
    assert len(drawn) == 80
    places = {pair.a.throughput: (number, False) for number, pair in enumerate(one.pairs)}
    places |= {pair.b.throughput: (number, True) for number, pair in enumerate(one.pairs)}
    for start in range(0, 80, RUN_PAIRS):
        found = [places[pair.a.throughput] for pair in drawn[start : start + RUN_PAIRS]]
        assert len({traded for _number, traded in found}) == 1
        steps = {(after[0] - before[0]) % 200 for before, after in pairwise(found)}
        assert steps == {1}
    assert {places[pair.a.throughput][1] for pair in drawn} == {True, False}


def test_quiet_figures_are_judged_at_once_and_right() -> None:
    assert examine(recording(), 0.0, Plan(), 50).words == {Word.PASS: 50}
    slow = examine(recording(), 0.2, Plan(), 50)
    assert slow.words == {Word.REGRESSION: 50}
    assert (slow.differs, slow.pairs) == (1.0, Plan().pairs)


def test_the_same_seed_gives_the_same_row() -> None:
    assert examine(recording(), 0.05, Plan(seed=4), 20) == examine(recording(), 0.05, Plan(seed=4), 20)


@pytest.mark.parametrize("bad", [replace(recording(), equal=False), recording(pairs=10)])
def test_what_cannot_carry_the_test_is_refused(bad: Recording) -> None:
    with pytest.raises(NotARecording, match="equal sides"):
        examine(bad, 0.0, Plan())


def test_broken_promises_are_named() -> None:
    def row(slowdown: float, **words: int) -> Row:
        return Row("get", slowdown, 200, Counter({Word[name]: count for name, count in words.items()}), 0.0, 40)

    good = [row(0.0, PASS=198, REGRESSION=2), row(0.05, PASS=200), row(0.1, REGRESSION=190, PASS=10)]
    assert kept(good) == []
    bad = [row(0.0, PASS=197, REGRESSION=1, IMPROVEMENT=2), row(0.1, REGRESSION=189, INCONCLUSIVE=11)]
    assert kept(bad) == [
        "get: 1.5% false alarms, more than 1%",
        "get: a slow-down of 10% found in 94.5%, less than 95%",
    ]


def test_doubt_does_not_count_as_found() -> None:
    def row(slowdown: float, **words: int) -> Row:
        return Row("put", slowdown, 200, Counter({Word[name]: count for name, count in words.items()}), 0.0, 400)

    noisy = [row(0.0, PASS=180, INCONCLUSIVE=20), row(0.1, INCONCLUSIVE=190, REGRESSION=10)]
    assert kept(noisy) == ["put: a slow-down of 10% found in 5.0%, less than 95%"]

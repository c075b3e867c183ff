"""Pairs in, verdict out: the rule, the stopping, the failures, the calibration. Nothing is started here."""

from collections.abc import Iterator
from math import log

import pytest

from cybous3.lab.bench.result import Block
from cybous3.lab.bench.verdict.bootstrap import Interval
from cybous3.lab.bench.verdict.compare import (
    EXIT_CODES,
    SHARP,
    Interleaver,
    Outcome,
    Pair,
    Plan,
    Word,
    calibrated,
    compare,
    decided,
    failing,
    figures,
    judge,
    outcome,
    overall,
    series,
)
from tests.support.blocks import Recorded, block, noisy_pairs, side

DELTA = log(1.1)


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (-0.01, 0.02, Word.PASS),
        (0.01, 0.05, Word.PASS),  # a difference that is there, and smaller than what matters
        (0.07, 0.12, Word.REGRESSION),
        (0.20, 0.90, Word.REGRESSION),  # wide, and wholly beyond
        (-0.12, -0.07, Word.IMPROVEMENT),
        (-0.90, -0.20, Word.IMPROVEMENT),
        (-0.05, 0.15, Word.INCONCLUSIVE),
        (0.12, 0.60, Word.INCONCLUSIVE),  # wide, and not beyond twice the minimum
        (0.01, 0.30, Word.INCONCLUSIVE),  # misses 0 by being wide: how false alarms arise
        (-0.30, 0.30, Word.INCONCLUSIVE),
    ],
)
def test_the_rule(low: float, high: float, word: Word) -> None:
    assert judge(Interval((low + high) / 2, low, high), DELTA) is word


def test_a_sharp_interval_always_has_a_verdict() -> None:
    """Wherever it lies: there is no place left for doubt once the width is small enough."""
    half = SHARP * DELTA
    for step in range(-300, 300):
        centre = step / 1000
        found = Interval(centre, centre - half, centre + half * 0.999)
        assert decided(found, DELTA)
        assert judge(found, DELTA) is not Word.INCONCLUSIVE


def test_a_metric_is_oriented_so_that_positive_is_worse() -> None:
    slow, fast = block(2000, count=50), block(1000, count=100)
    found = series([Pair(figures(fast), figures(slow))])
    assert found == {"median get": [log(2)], "throughput": [log(2)]}


def test_a_stall_is_slow_and_a_missing_median_is_no_figure() -> None:
    stalled = figures(block(0, count=0))
    found = series([Pair(figures(block(1000, count=100)), stalled)])
    assert found == {"throughput": [log(200)]}


def test_looks_grow_and_end_at_the_budget() -> None:
    looks = Plan(pairs=40, pairs_max=200).looks()
    assert looks[0] == 40
    assert looks[-1] == 200
    assert looks == sorted(set(looks))
    assert Plan(pairs=40, pairs_max=10).looks() == [10]


def play(pairs: list[Pair], which: int) -> Iterator[Block]:
    for pair in pairs:
        median = pair[which].medians_us["get"]
        yield block(median, count=round(1e5 / median * 100), whole=False)


def run(slower: float, *, spread: float = 0.05, pairs_max: int = 400) -> Outcome:
    pairs = noisy_pairs(slower, spread=spread)
    plan = Plan(pairs_max=pairs_max)
    return compare(Recorded(play(pairs, 0)), Recorded(play(pairs, 1)), plan, looked=lambda _pairs: None)


@pytest.mark.parametrize(
    ("slower", "word"),
    [(0.0, Word.PASS), (0.03, Word.PASS), (0.15, Word.REGRESSION), (-0.15, Word.IMPROVEMENT), (0.6, Word.REGRESSION)],
)
def test_recorded_blocks_get_their_verdict(slower: float, word: Word) -> None:
    found = run(slower)
    assert found.word is word
    assert [finding.metric for finding in found.findings] == ["median get", "throughput"]
    assert all(finding.pairs == len(found.pairs) for finding in found.findings)
    assert EXIT_CODES[found.word] == (1 if word is Word.REGRESSION else 0)


def test_noise_is_answered_with_more_blocks_and_then_with_doubt() -> None:
    quiet, noisy, hopeless = run(0.0), run(0.0, spread=0.15), run(0.05, spread=0.4, pairs_max=60)
    assert len(quiet.pairs) == Plan().pairs < len(noisy.pairs) < 400
    assert noisy.word is Word.PASS
    assert hopeless.word is Word.INCONCLUSIVE
    assert EXIT_CODES[hopeless.word] == 3
    assert "too noisy" in hopeless.reason


def test_the_order_within_pairs_is_random_and_seeded() -> None:
    def order(seed: int) -> str:
        heard: list[str] = []

        def runner(name: str, blocks: Recorded) -> Recorded:
            class Heard(Recorded):
                def __call__(self, seconds: float, /) -> Block:
                    heard.append(name)
                    return blocks(seconds)

            return Heard(iter(()))

        blocks = [Recorded(play(noisy_pairs(0), which)) for which in (0, 1)]
        turns = Interleaver(runner("a", blocks[0]), runner("b", blocks[1]), Plan(seed=seed, block_s=0.125))
        turns.until(50)
        assert blocks[0].seconds == [0.125] * 50
        return "".join(heard)

    first = order(1)
    assert first == order(1) != order(2)
    begins_with_a = sum(first[2 * pair] == "a" for pair in range(50))
    assert 15 < begins_with_a < 35
    assert all(set(first[2 * pair : 2 * pair + 2]) == {"a", "b"} for pair in range(50))


def test_an_interruption_keeps_whole_pairs_and_gives_no_verdict() -> None:
    broken = iter([*[block(1000, whole=False)] * 30, block(1000, interrupted=True)])
    found = compare(
        Recorded(iter([block(1000, whole=False)] * 99)), Recorded(broken), Plan(), looked=lambda _pairs: None
    )
    assert found.interrupted
    assert found.word is Word.INCONCLUSIVE
    assert len(found.pairs) == 30
    assert "after 30 pairs" in found.reason


@pytest.mark.parametrize(
    ("a_failed", "b_failed", "word"),
    [(0, 0, None), (0, 5, Word.REGRESSION), (5, 0, Word.INCONCLUSIVE), (5, 5, Word.INCONCLUSIVE)],
)
def test_failed_operations_speak_before_speed_does(a_failed: int, b_failed: int, word: Word | None) -> None:
    """Refusing is quick: a side that fails is never called better."""
    pairs = (Pair(side(1000, failed=a_failed), side(500, failed=b_failed)),) * 40
    told = failing(pairs)
    assert (told and told[0]) is word
    if word is not None:
        assert outcome((), pairs, Plan()).word is word


def test_the_worst_metric_decides() -> None:
    words = [Word.PASS, Word.IMPROVEMENT, Word.INCONCLUSIVE, Word.REGRESSION]
    for count, word in enumerate(words, 1):
        assert overall(words[:count]) is word


@pytest.mark.parametrize("word", list(Word))
def test_an_alarm_between_equal_sides_takes_every_verdict_back(word: Word) -> None:
    calibration, found = Outcome(word, "why", (), ()), run(0.15)
    judged = calibrated(calibration, found)
    if word in {Word.REGRESSION, Word.IMPROVEMENT}:
        assert judged.word is Word.INCONCLUSIVE
        assert "A against itself" in judged.reason
        assert judged.findings == found.findings
    else:
        assert judged is found

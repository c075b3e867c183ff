"""Stored results against each other: judged block by block, calibrated within A, and refused where nothing fits."""

from dataclasses import replace

import pytest

from cybous3.lab.bench.result import Run
from cybous3.lab.bench.verdict.bootstrap import TooFewPairs
from cybous3.lab.bench.verdict.compare import Plan, Word
from cybous3.lab.bench.verdict.history import NoHistory, UnlikeMachines
from cybous3.lab.bench.verdict.saved import calibrate, judged, subjects
from tests.support.blocks import MACHINE, block, noisy_pairs, run


def stored(slower: float = 0.0, blocks: int = 40) -> Run:
    medians = [pair.b.medians_us["get"] for pair in noisy_pairs(slower, spread=0.02, seed=round(100 * slower))[:blocks]]
    return run(*(block(median, count=round(1e5 / median)) for median in medians))


@pytest.mark.parametrize(("slower", "word"), [(0.0, Word.PASS), (0.2, Word.REGRESSION), (-0.2, Word.IMPROVEMENT)])
def test_two_runs_are_judged_block_by_block(slower: float, word: Word) -> None:
    found = judged(stored(), stored(slower), Plan())
    assert found.word is word
    assert len(found.pairs) == 40


def test_the_calibration_sees_a_machine_that_flickers() -> None:
    assert calibrate(stored(), Plan()).word is Word.PASS
    flicker = run(*(block(1000 if number % 2 else 1300, count=100) for number in range(40)))
    assert calibrate(flicker, Plan()).word is Word.IMPROVEMENT


def test_few_blocks_say_how_to_get_more() -> None:
    with pytest.raises(TooFewPairs) as refused:
        judged(stored(blocks=3), stored(blocks=3), Plan())
    assert "--blocks 20" in str(refused.value.hint)


def test_the_newest_completed_run_of_what_both_have_is_taken() -> None:
    old, new, broken = stored(blocks=5), stored(blocks=6), replace(stored(blocks=7), completed=False)
    other = replace(stored(), load="open loop, 200/s")
    [(name, first, second)] = subjects([old, new, broken, other], [new])
    assert name == "get 4KiB, closed loop, 16 clients"
    assert (first, second) == (new, new)
    with pytest.raises(NoHistory) as refused:
        subjects([other], [new])
    assert "A: get 4KiB, open loop, 200/s. B: get 4KiB, closed loop" in str(refused.value.hint)


def test_unlike_machines_need_force() -> None:
    elsewhere = replace(stored(), fingerprint=replace(MACHINE, kernel="7.0"))
    with pytest.raises(UnlikeMachines, match="kernel"):
        subjects([elsewhere], [stored()])
    assert len(subjects([elsewhere], [stored()], force=True)) == 1

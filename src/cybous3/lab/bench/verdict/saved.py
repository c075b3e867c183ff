"""Two files of stored results against each other: what can still be said when nothing can be run any more.

Weaker than a live comparison, and said so in every outcome: the blocks of two runs were not taken in turns, so a
machine that was slower on the second day looks like a slower program. All that can be calibrated is the noise within
A's own run: its odd blocks against its even ones.
"""

from collections.abc import Sequence
from dataclasses import replace

from cybous3.lab.bench.result import Block, Run
from cybous3.lab.bench.verdict.bootstrap import PAIRS_MIN, TooFewPairs
from cybous3.lab.bench.verdict.compare import Outcome, Pair, Plan, decide, figures, outcome, series
from cybous3.lab.bench.verdict.history import NoHistory, check_alike, described

CAVEAT = "stored runs were not taken in turns: only the noise within A's run was calibrated, not what lay between them"


def subjects(a: Sequence[Run], b: Sequence[Run], *, force: bool = False) -> list[tuple[str, Run, Run]]:
    """Return the newest run of each side for every workload and load that both have.

    Raises NoHistory where there is none, UnlikeMachines unless `force` is given.
    """
    newest = [{f"{described(run)}, {run.load}": run for run in runs if run.completed} for runs in (a, b)]
    common = [name for name in newest[0] if name in newest[1]]
    if not common:
        raise NoHistory(
            "the two files have no completed run of the same workload and load",
            hint=f"A: {'; '.join(newest[0]) or 'none'}. B: {'; '.join(newest[1]) or 'none'}",
        )
    found = [(name, newest[0][name], newest[1][name]) for name in common]
    if not force:
        for _name, first, second in found:
            check_alike([first, second])
    return found


def calibrate(a: Run, plan: Plan) -> Outcome:
    """Return what A's odd blocks say against its even ones. Raises TooFewPairs."""
    return _judged(a.blocks[0::2], a.blocks[1::2], plan)


def judged(a: Run, b: Run, plan: Plan) -> Outcome:
    """Return the verdict on two runs, block by block. Raises TooFewPairs."""
    return _judged(a.blocks, b.blocks, plan)


def _judged(a: Sequence[Block], b: Sequence[Block], plan: Plan) -> Outcome:
    pairs = tuple(Pair(figures(first), figures(second)) for first, second in zip(a, b, strict=False))
    if len(pairs) < PAIRS_MIN:
        raise TooFewPairs(
            f"{len(pairs)} blocks a side are too few for an interval",
            hint=f"store more: `cybs3 performance benchmark --blocks {4 * PAIRS_MIN}`",
        )
    whole = series(pairs)
    plain = replace(plan, pairs=len(pairs), pairs_max=len(pairs))
    [findings] = decide(1, plain, lambda _numbers, _count: [whole])
    return outcome(findings, pairs, plan)

"""Two sides, run in turns: pairs of blocks in, a verdict out. Nothing here starts a server or knows one.

Why pairs: on a shared machine the same server is 20 % faster or slower from one second to the next, and the blocks of
a pair, run directly after one another in random order, see nearly the same machine. So pairs are compared, never
totals ("duet benchmarking", Bulej et al., arXiv 2001.05811). Each metric becomes a series of log-ratios, oriented so
that positive means that B is worse, and the series becomes an interval (see `bootstrap`).

The rule, with the minimum effect delta (as a logarithm) that a person cares about:

    PASS          the interval lies inside +-delta: whatever the difference is, it is smaller than what matters
    REGRESSION    the interval lies above 0 and reaches delta: B is worse, and not shown to be worse by less than delta
    IMPROVEMENT   the same, below 0
    INCONCLUSIVE  anything else

Read so, a slow-down of exactly delta is a regression. Were the estimate itself to reach delta, such a slow-down would
be missed every second time, however long one measures.

A wide interval that happens to miss 0 is how false alarms arise (a 95 % interval misses it in 5 % of all cases). An
alarm is therefore raised only by an interval that is sharp (half its width at most SHARP of delta, so that at 0 it
cannot reach delta except by an error of more than three standard errors) or that lies as a whole beyond BEYOND times
delta. Blocks are run until every metric is sharp or beyond, or the budget ends. The decision to stop looks at the
width, not at the place of the interval, which keeps its coverage honest (fixed-width sequential intervals: Chow &
Robbins 1965).
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import log
from typing import Final, NamedTuple, Protocol

from cybous3.lab.bench.result import Block
from cybous3.lab.bench.verdict.bootstrap import Interval, intervals

SHARP: Final = 0.35
BEYOND: Final = 2.0
MINIMUM_EFFECT: Final = 0.10
PAIRS_MIN: Final = 40
LOOK_GROWTH: Final = 1.25
FAILED_SHARE_MAX: Final = 0.001
"""Of a thousand operations one may fail before its side is called failing."""
THROUGHPUT: Final = "throughput"
_STALLED: Final = 0.5
"""A block in which nothing succeeded counts as half an operation, so that a stall is slow and not undefined."""


class Word(StrEnum):
    """The verdicts."""

    PASS = "PASS"  # noqa: S105  # a verdict
    REGRESSION = "REGRESSION"
    IMPROVEMENT = "IMPROVEMENT"
    INCONCLUSIVE = "INCONCLUSIVE"


EXIT_CODES: Final[Mapping[Word, int]] = {
    Word.PASS: 0,
    Word.IMPROVEMENT: 0,
    Word.REGRESSION: 1,
    Word.INCONCLUSIVE: 3,
}
_WORST_FIRST: Final = (Word.REGRESSION, Word.INCONCLUSIVE, Word.IMPROVEMENT, Word.PASS)
ALARMS: Final = frozenset({Word.REGRESSION, Word.IMPROVEMENT})


class Runner(Protocol):
    """Runs one block of so many seconds on one side: `Session.run`, or blocks that were recorded."""

    def __call__(self, seconds: float, /) -> Block:
        """Run one block."""
        ...


@dataclass(frozen=True, slots=True)
class Figures:
    """What a verdict needs of one block. Medians are of the response time, in microseconds, by operation."""

    started: float
    throughput: float
    medians_us: Mapping[str, float]
    count: int
    failed: int


class Pair(NamedTuple):
    """Two blocks run directly after one another."""

    a: Figures
    b: Figures


Series = Mapping[str, Sequence[float]]
"""Log-ratios by metric; positive: B is worse."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is run, and what counts. `minimum_effect` is a share: 0.1 is 10 %."""

    minimum_effect: float = MINIMUM_EFFECT
    pairs: int = PAIRS_MIN
    pairs_max: int = 400
    block_s: float = 0.25
    seed: int = 0

    @property
    def delta(self) -> float:
        """The minimum effect as a log-ratio."""
        return log(1 + self.minimum_effect)

    def looks(self) -> list[int]:
        """Return after how many pairs the figures are looked at: growing steps, and at the end of the budget."""
        counts = [max(1, min(self.pairs, self.pairs_max))]
        while counts[-1] < self.pairs_max:
            counts.append(min(int(counts[-1] * LOOK_GROWTH) + 1, self.pairs_max))
        return counts


@dataclass(frozen=True, slots=True)
class Finding:
    """What one metric says."""

    metric: str
    word: Word
    interval: Interval
    pairs: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict and everything it stands on."""

    word: Word
    reason: str
    findings: tuple[Finding, ...]
    pairs: tuple[Pair, ...] = field(repr=False)
    interrupted: bool = False


def figures(block: Block) -> Figures:
    """Return what a verdict needs of a block. An operation that never succeeded has no median."""
    medians = {op.name: op.response.p50_us for op in block.ops if op.count > op.failed}
    succeeded = max(block.count - block.failed, _STALLED)
    return Figures(block.started, succeeded / block.seconds, medians, block.count, block.failed)


def series(pairs: Iterable[Pair]) -> dict[str, list[float]]:
    """Return the log-ratios of each metric. A pair adds to the median of an operation that both of its blocks have."""
    found: dict[str, list[float]] = {}
    for a, b in pairs:
        found.setdefault(THROUGHPUT, []).append(log(a.throughput / b.throughput))
        for name in a.medians_us.keys() & b.medians_us.keys():
            found.setdefault(f"median {name}", []).append(log(b.medians_us[name] / a.medians_us[name]))
    return dict(sorted(found.items()))


def judge(found: Interval, delta: float) -> Word:
    """Return the verdict on one interval: the rule at the head of this file."""
    if -delta < found.low and found.high < delta:
        return Word.PASS
    if not decided(found, delta):
        return Word.INCONCLUSIVE
    # Sharp and not inside +-delta: 0 lies outside, and the interval reaches delta on its side.
    return Word.REGRESSION if found.low > 0 else Word.IMPROVEMENT


def decided(found: Interval, delta: float) -> bool:
    """Whether more blocks would not change the verdict: the interval is sharp, or far beyond the minimum effect."""
    return found.half_width <= SHARP * delta or found.low >= BEYOND * delta or found.high <= -BEYOND * delta


def decide(count: int, plan: Plan, measure: Callable[[list[int], int], list[Series]]) -> list[tuple[Finding, ...]]:
    """Look at `count` comparisons after more and more pairs, until each is decided or the budget ends.

    `measure(undecided, pairs)` returns the series of those comparisons at that many pairs. A real comparison is a
    count of one; the detector's own test hands in hundreds at once, through the same lines.
    """
    done: dict[int, tuple[Finding, ...]] = {}
    wanted = dict.fromkeys(range(count), 0.0)
    for pairs in plan.looks():
        due = [number for number, need in wanted.items() if need <= pairs or pairs >= plan.pairs_max]
        if not due:
            continue
        for number, found in zip(due, _findings(measure(due, pairs), plan), strict=True):
            wanted[number] = _pairs_wanted(found, pairs, plan)
            if wanted[number] <= pairs or pairs >= plan.pairs_max:
                done[number] = found
                del wanted[number]
    return [done[number] for number in range(count)]


def _pairs_wanted(findings: Sequence[Finding], pairs: int, plan: Plan) -> float:
    """Return how many pairs it should take until all is decided: widths shrink with the root of the pairs.

    A tenth less than that, since the estimate of the width is itself uncertain.
    """
    open_ = [finding.interval.half_width for finding in findings if not decided(finding.interval, plan.delta)]
    return max(pairs + 1, 0.9 * pairs * (max(open_) / (SHARP * plan.delta)) ** 2) if open_ else 0.0


def _findings(measured: Sequence[Series], plan: Plan) -> list[tuple[Finding, ...]]:
    """Judge each comparison's metrics; series of equal length go through the bootstrap together."""
    groups: dict[int, list[tuple[int, str]]] = {}
    for number, one in enumerate(measured):
        for metric, ratios in one.items():
            groups.setdefault(len(ratios), []).append((number, metric))
    found: list[dict[str, Finding]] = [{} for _ in measured]
    for length, members in groups.items():
        rows = intervals([measured[number][metric] for number, metric in members])
        for (number, metric), row in zip(members, rows, strict=True):
            found[number][metric] = Finding(metric, judge(row, plan.delta), row, length)
    return [tuple(one[metric] for metric in sorted(one)) for one in found]


def overall(words: Iterable[Word]) -> Word:
    """Return the verdict over several: one regression is a regression, and doubt in one is doubt."""
    given = set(words)
    return next(word for word in _WORST_FIRST if word in given)


def failing(pairs: Sequence[Pair]) -> tuple[Word, str] | None:
    """Return what failed operations say, before any figure of speed: a side that refuses quickly is not fast."""
    shares = [_failed_share([pair[side] for pair in pairs]) for side in (0, 1)]
    if max(shares) <= FAILED_SHARE_MAX:
        return None
    told = f"failed operations: A {shares[0]:.2%}, B {shares[1]:.2%}"
    worse = shares[1] > shares[0] + FAILED_SHARE_MAX
    return (Word.REGRESSION if worse else Word.INCONCLUSIVE), told


def _failed_share(blocks: Sequence[Figures]) -> float:
    return sum(block.failed for block in blocks) / max(1, sum(block.count for block in blocks))


class Interleaver:
    """Runs pairs of blocks, one on each side, in a random order that the seed fixes; keeps them all."""

    def __init__(self, a: Runner, b: Runner, plan: Plan) -> None:
        self._sides = (a, b)
        self._plan = plan
        self._order = random.Random(plan.seed)  # noqa: S311  # an order of blocks, no secret
        self.pairs: list[Pair] = []
        self.interrupted = False

    def until(self, count: int) -> list[Pair]:
        """Run until there are `count` pairs; Ctrl-C ends it earlier and drops the pair that it broke."""
        while len(self.pairs) < count and not self.interrupted:
            blocks: dict[int, Figures] = {}
            for side in self._order.sample((0, 1), 2):
                block = self._sides[side](self._plan.block_s)
                if block.interrupted:
                    self.interrupted = True
                    return self.pairs
                blocks[side] = figures(block)
            self.pairs.append(Pair(blocks[0], blocks[1]))
        return self.pairs


class _Interrupted(Exception):
    """Ctrl-C: the way out of `decide`, caught a few lines below."""


def compare(a: Runner, b: Runner, plan: Plan, *, looked: Callable[[int], object]) -> Outcome:
    """Run pairs until there is a verdict or the budget ends; `looked` hears how many pairs there are before a look."""
    turns = Interleaver(a, b, plan)

    def measure(_undecided: list[int], count: int) -> list[Series]:
        pairs = turns.until(count)
        if turns.interrupted:
            raise _Interrupted
        looked(len(pairs))
        return [series(pairs)]

    try:
        [findings] = decide(1, plan, measure)
    except _Interrupted:
        told = f"interrupted after {len(turns.pairs)} pairs"
        return Outcome(Word.INCONCLUSIVE, told, (), tuple(turns.pairs), interrupted=True)
    return outcome(findings, tuple(turns.pairs), plan)


def outcome(findings: tuple[Finding, ...], pairs: tuple[Pair, ...], plan: Plan) -> Outcome:
    """Put failures and figures together into one verdict with its reason."""
    failed = failing(pairs)
    if failed is not None:
        return Outcome(*failed, findings, pairs)
    word = overall(finding.word for finding in findings)
    return Outcome(word, _reason(word, findings, plan), findings, pairs)


def _reason(word: Word, findings: Sequence[Finding], plan: Plan) -> str:
    names = ", ".join(finding.metric for finding in findings if finding.word is word)
    effect = f"{100 * plan.minimum_effect:g} %"
    return {
        Word.PASS: f"every interval lies inside +-{effect}",
        Word.REGRESSION: f"B is worse, by {effect} or not shown to be less: {names}",
        Word.IMPROVEMENT: f"B is better, by {effect} or not shown to be less: {names}",
        Word.INCONCLUSIVE: f"too noisy to tell within the budget: {names}",
    }[word]


def calibrated(calibration: Outcome, found: Outcome) -> Outcome:
    """Return the verdict in the light of the A/A run: where equal sides raise an alarm, none can be believed."""
    if calibration.word not in ALARMS:
        return found
    told = f"A against itself gave {calibration.word} ({calibration.reason}): the machine does not allow a verdict"
    return Outcome(Word.INCONCLUSIVE, told, found.findings, found.pairs, interrupted=found.interrupted)

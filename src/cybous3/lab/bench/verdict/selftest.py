"""The detector on the bench: how often it cries wolf, and how often it sees a slow-down that is there.

The material are pairs of blocks of two equal servers, as they were recorded: whatever this kind of machine does to
figures is in them. A comparison is made of runs of consecutive pairs, drawn with replacement; a run keeps its order,
so that what lasts longer than a pair lasts here too. Within a run both sides may trade places as a whole, which is
what "equal" means; what the recording says as it stands, without drawing or trading, is told beside it. A slow-down is
injected into side B: its medians grow by the factor, its throughput shrinks by it. Then the comparison goes through
`compare.decide`, the lines that every real one goes through, with the plan's looks and budget.

The method is that of the Hunter paper (Fleming et al., arXiv 2301.03034): real series, injected changes, published
power. Not covered: what differs between two starts of one build (the A/A run before each comparison looks at that).
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from cybous3.lab.bench.verdict.compare import ALARMS, Finding, Pair, Plan, Series, Word, decide, overall, series
from cybous3.lab.bench.verdict.recording import NotARecording, Recording

COMPARISONS: Final = 200
SLOWDOWNS: Final = (0.0, 0.05, 0.07, 0.10, 0.20)
RUN_PAIRS: Final = 8
"""Pairs drawn together: about two to four seconds of one recording."""
FALSE_ALARMS_MAX: Final = 0.01
FOUND_MIN: Final = 0.95
FOUND_AT: Final = 0.10
_PAIRS_MIN: Final = 5 * RUN_PAIRS


@dataclass(frozen=True, slots=True)
class Row:
    """What came of many comparisons of one recording with one injected slow-down; shares are of all comparisons."""

    recording: str
    slowdown: float
    comparisons: int
    words: Counter[Word]
    differs: float
    pairs: int  # the median of what the comparisons needed

    def share(self, *words: Word) -> float:
        """Return how many of the comparisons ended with one of the words."""
        return sum(self.words[word] for word in words) / self.comparisons


def draw(recording: Recording, plan: Plan, dice: random.Random) -> list[Pair]:
    """Return one comparison's worth of pairs: runs of consecutive ones, drawn with replacement, sides traded by run."""
    pool, drawn = recording.pairs, list[Pair]()
    while len(drawn) < plan.pairs_max:
        start, trade = dice.randrange(len(pool)), dice.random() < 0.5  # noqa: PLR2004  # a fair coin
        run = [pool[(start + step) % len(pool)] for step in range(RUN_PAIRS)]
        drawn += [Pair(pair.b, pair.a) if trade else pair for pair in run]
    return drawn[: plan.pairs_max]


def slowed(pair: Pair, slowdown: float) -> Pair:
    """Return the pair with side B slower by a share: 0.1 makes each time 10 % longer."""
    factor = 1 + slowdown
    medians = {name: value * factor for name, value in pair.b.medians_us.items()}
    return Pair(pair.a, replace(pair.b, medians_us=medians, throughput=pair.b.throughput / factor))


def examine(recording: Recording, slowdown: float, plan: Plan, comparisons: int = COMPARISONS) -> Row:
    """Run so many comparisons with one slow-down and count the verdicts. Raises NotARecording for too few pairs."""
    if not recording.equal or len(recording.pairs) < _PAIRS_MIN:
        raise NotARecording(f"{recording.label}: not {_PAIRS_MIN} or more pairs of two equal sides")
    dice = random.Random(plan.seed)  # noqa: S311  # which blocks are drawn, no secret
    drawn = [[slowed(pair, slowdown) for pair in draw(recording, plan, dice)] for _ in range(comparisons)]
    whole = [series(pairs) for pairs in drawn]

    def measure(undecided: list[int], count: int) -> list[Series]:
        return [{metric: row[:count] for metric, row in whole[number].items()} for number in undecided]

    return _row(recording.label, slowdown, decide(comparisons, plan, measure))


def _row(label: str, slowdown: float, found: Sequence[tuple[Finding, ...]]) -> Row:
    differs = sum(any(finding.interval.low > 0 for finding in findings) for findings in found)
    needed = median(max(finding.pairs for finding in findings) for findings in found)
    words = Counter(overall(finding.word for finding in findings) for findings in found)
    return Row(label, slowdown, len(found), words, differs / len(found), round(needed))


def as_recorded(recording: Recording, plan: Plan) -> tuple[Finding, ...]:
    """Return what the detector says of the recording as it stands."""
    whole = series(recording.pairs)
    plain = replace(plan, pairs=len(recording.pairs), pairs_max=len(recording.pairs))
    return decide(1, plain, lambda _numbers, _count: [whole])[0]


def kept(rows: Sequence[Row]) -> list[str]:
    """Return the promises that the rows break, as sentences; none: the detector may be believed.

    Equal sides may raise at most FALSE_ALARMS_MAX alarms, and a slow-down of FOUND_AT is found in FOUND_MIN of all
    comparisons: doubt does not count as found.
    """
    broken = []
    for row in rows:
        alarms, found = row.share(*ALARMS), row.share(Word.REGRESSION)
        if row.slowdown == 0 and alarms > FALSE_ALARMS_MAX:
            broken.append(f"{row.recording}: {alarms:.1%} false alarms, more than {FALSE_ALARMS_MAX:.0%}")
        if row.slowdown == FOUND_AT and found < FOUND_MIN:
            told = f"found in {found:.1%}, less than {FOUND_MIN:.0%}"
            broken.append(f"{row.recording}: a slow-down of {FOUND_AT:.0%} {told}")
    return broken

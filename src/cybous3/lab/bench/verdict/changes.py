"""Where a series of figures changed its level: E-divisive, with a t-test where the original permutes.

E-divisive (Matteson & James, "A nonparametric approach for multiple change point analysis of multivariate data",
JASA 109, 2014) looks for the split of a series whose two parts differ most by energy distance,

    Q = mn/(m+n) * (2 E|X-Y| - E|X-X'| - E|Y-Y'|)

for m figures before and n behind it, and goes on within the parts. Whether a split is real, the original decides by
permuting the figures, so that two runs over the same history may disagree; Daly et al. ("The use of change point
detection to identify software performance regressions", ICPE 2020) made it a tool for performance, and Fleming et al.
("Hunter", arXiv 2301.03034) put a t-test in the permutations' place: the same history always gives the same changes.

Two passes, as Hunter does it. Splitting accepts weak evidence (P_WEAK), because a change hides while its part still
holds another one. Then the weakest change is taken away, and the others are tested anew between their neighbours,
until all of them hold at `p_max`. A split is the best of many, which flatters its p-value; so it is multiplied by the
number of places the split could have been at (Bonferroni), and at most a share of `p_max` of steady series shows a
change. A change needs MIN_PART figures on both sides: one bad night is no change, and a clear new level is seen at
its third figure, a small one at its fifth or so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from cybous3.lab.bench.extras import need

P_MAX: Final = 0.01
P_WEAK: Final = 0.05
MIN_PART: Final = 3
POINTS_MAX: Final = 2_000
"""Distances are kept for every two figures: 32 MB at most. Of a longer series the newest figures are looked at."""


@dataclass(frozen=True, slots=True)
class Change:
    """The level changed between the figures `index - 1` and `index`. Means are of the parts on both sides.

    `p_value` is how likely a steady series would show such a split anywhere between its neighbours.
    """

    index: int
    before: float
    after: float
    p_value: float


def changes(values: Sequence[float], *, p_max: float = P_MAX) -> list[Change]:
    """Return the changes of level in the order of the series; the same series always gives the same ones."""
    skipped = max(0, len(values) - POINTS_MAX)
    looked = [float(value) for value in values[skipped:]]
    found = _tested(looked, _weakest_away(looked, _splits(looked), p_max))
    return [Change(one.index + skipped, one.before, one.after, one.p_value) for one in found]


def _splits(values: Sequence[float]) -> list[int]:
    """Return every split that weak evidence speaks for, sorted."""
    sums = _distance_sums(values)
    found, waiting = list[int](), [(0, len(values))]
    while waiting:
        start, end = waiting.pop()
        if end - start < 2 * MIN_PART:
            continue
        split = _best_split(sums, start, end)
        if p_value(values[start:split], values[split:end]) <= P_WEAK:
            found.append(split)
            waiting += [(start, split), (split, end)]
    return sorted(found)


def _distance_sums(values: Sequence[float]) -> Any:  # noqa: ANN401  # an array of numpy, imported when needed
    """Return S with S[i, j] = the sum of all distances between the first i and the first j figures."""
    numpy = need("numpy")
    row = numpy.asarray(values, dtype=float)
    sums = numpy.zeros((len(values) + 1, len(values) + 1))
    sums[1:, 1:] = numpy.abs(row[:, None] - row[None, :]).cumsum(axis=0).cumsum(axis=1)
    return sums


def _best_split(sums: Any, start: int, end: int) -> int:  # noqa: ANN401  # as above
    """Return the split of [start, end) with the largest energy distance between its parts."""
    numpy = need("numpy")
    at = numpy.arange(start + MIN_PART, end - MIN_PART + 1)
    left, right = at - start, end - at
    # Every sum over a rectangle of distances is four look-ups; within a part each pair is counted twice.
    before = sums[at, at] - sums[start, at] - sums[at, start] + sums[start, start]
    behind = sums[end, end] - sums[at, end] - sums[end, at] + sums[at, at]
    across = sums[at, end] - sums[at, at] - sums[start, end] + sums[start, at]
    within = before / (left * (left - 1)) + behind / (right * (right - 1))
    energy = left * right / (left + right) * (2 * across / (left * right) - within)
    return int(at[numpy.argmax(energy)])


def p_value(before: Sequence[float], behind: Sequence[float]) -> float:
    """Return how likely two such parts are at one level: the larger of Student's and Welch's answers.

    With Student's alone one bad night at the end is a change (it hides in the pooled variance); with Welch's alone
    three figures that happen to lie close together are one (they pass for a part without noise).
    """
    spread = max(max(before) - min(before), max(behind) - min(behind))
    if spread <= 1e-9 * max(abs(value) for value in (*before, *behind)):
        return 1.0 if before[0] == behind[0] else 0.0  # no noise at all: whatever differs, changed
    test = need("scipy.stats").ttest_ind
    return max(float(test(before, behind, equal_var=pooled).pvalue) for pooled in (True, False))


def _weakest_away(values: Sequence[float], splits: list[int], p_max: float) -> list[int]:
    """Take away the weakest split until every one of them holds between its neighbours."""
    kept = list(splits)
    while kept:
        weakest = max(_tested(values, kept), key=lambda change: change.p_value)
        if weakest.p_value <= p_max:
            break
        kept.remove(weakest.index)
    return kept


def _tested(values: Sequence[float], splits: Sequence[int]) -> list[Change]:
    ends = [0, *splits, len(values)]
    found = []
    for start, split, end in zip(ends, ends[1:], ends[2:], strict=False):
        before, behind = values[start:split], values[split:end]
        means = sum(before) / len(before), sum(behind) / len(behind)
        places = end - start - 2 * MIN_PART + 1
        found.append(Change(split, *means, min(1.0, p_value(before, behind) * places)))
    return found

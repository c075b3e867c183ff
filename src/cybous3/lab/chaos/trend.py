"""Is a series flat? The rule a soak judges memory and descriptors by. Pure.

1. Warm-up is left out: the first third of the samples of each process.
2. The slope is Theil-Sen's: the median of the slopes between all pairs of samples, so that peaks, and a quarter of
   samples that are off, do not move it.
3. It is judged over the time that was watched: what the process would gain at this slope from the first sample kept
   to the last. That may be at most the greater of a share of the first third's level and an absolute amount, below
   which nothing can be told from noise.

So a leak is found when it gains more than the allowance during the run, and a run of ten minutes sees smaller leaks
than one of twenty seconds. A process that lived for less than `SAMPLES_MIN` samples is not judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

SAMPLES_MIN: Final = 9
WARM_UP: Final = 1 / 3
_HOUR_S: Final = 3600.0

Sample = tuple[float, float]
"""Seconds, and the value then."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a series may gain over a run: a share of its level, or so much, whichever is more."""

    share: float
    amount: float


MEMORY: Final = Allowance(0.15, 16 * 1024 * 1024)
DESCRIPTORS: Final = Allowance(0.10, 16)


@dataclass(frozen=True, slots=True)
class Trend:
    """One series, judged. `first` and `last` are the levels after warm-up and at the end (medians of a quarter)."""

    first: float
    last: float
    slope_per_hour: float
    gained: float
    allowed: float

    @property
    def flat(self) -> bool:
        """Whether it gained no more than it may."""
        return self.gained <= self.allowed


def judge(samples: Sequence[Sample], allowance: Allowance) -> Trend | None:
    """Return the trend of a series after its warm-up, None for one too short to tell."""
    kept = list(samples[int(len(samples) * WARM_UP) :])
    if len(samples) < SAMPLES_MIN:
        return None
    slope = theil_sen(kept)
    seconds = kept[-1][0] - kept[0][0]
    quarter = max(1, len(kept) // 4)
    first = median(value for _, value in kept[:quarter])
    last = median(value for _, value in kept[-quarter:])
    allowed = max(allowance.share * first, allowance.amount)
    return Trend(first, last, slope * _HOUR_S, slope * seconds, allowed)


def theil_sen(samples: Sequence[Sample], pairs_max: int = 20_000) -> float:
    """Return the median slope between pairs of samples, a second; of evenly chosen ones where there are many pairs."""
    stride = max(1, len(samples) * len(samples) // (2 * pairs_max))
    slopes = [(y - v) / (x - u) for i, (u, v) in enumerate(samples) for x, y in samples[i + 1 :: stride] if x > u]
    return median(slopes) if slopes else 0.0

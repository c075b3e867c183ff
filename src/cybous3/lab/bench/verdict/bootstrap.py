"""From the log-ratios of pairs to an interval: a trimmed mean and its BCa bootstrap interval.

Kept true here: the same figures give the same interval (the resampling is seeded), one series or many go through the
same code, and a series without any spread has an interval without width instead of an error.

The estimate is the mean without the lowest and the highest fifth of the pairs. On shared machines a few pairs are hit
by something else (a stall of the disk, a neighbour), and the plain mean follows them; the median throws away a third
of the information when nothing of that kind happens, and its bootstrap distribution is lumpy. The interval is
bias-corrected and accelerated (Efron 1987, "Better bootstrap confidence intervals", JASA 82), as scipy computes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import Any, Final

from cybous3.core.errors import CybousError
from cybous3.lab.bench.extras import need

CONFIDENCE: Final = 0.95
RESAMPLES: Final = 1_000
TRIM: Final = 0.2
PAIRS_MIN: Final = 5
"""Fewer pairs cannot carry a bootstrap: there are too few different resamples."""
SEED: Final = 20_260_101
_BATCH_FIGURES: Final = 250_000
"""At most so many resampled figures are held at once (2 MB): they stay in the cache."""


class TooFewPairs(CybousError):
    """There are not enough pairs of blocks for an interval."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate of a log-ratio and the interval around it; positive is worse, 0 is equal."""

    estimate: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half of the distance between the ends: how sharp the picture is."""
        return (self.high - self.low) / 2

    @property
    def percent(self) -> tuple[float, float, float]:
        """Estimate, low and high as a change in percent: log(1.1) is 10."""
        estimate, low, high = (100 * (exp(value) - 1) for value in (self.estimate, self.low, self.high))
        return estimate, low, high


def interval(series: Sequence[float], *, confidence: float = CONFIDENCE, resamples: int = RESAMPLES) -> Interval:
    """Return the interval of one series of log-ratios. Raises TooFewPairs."""
    return intervals([series], confidence=confidence, resamples=resamples)[0]


def intervals(
    rows: Sequence[Sequence[float]], *, confidence: float = CONFIDENCE, resamples: int = RESAMPLES
) -> list[Interval]:
    """Return the interval of each row; rows are equally long. Raises TooFewPairs."""
    numpy = need("numpy")
    table = numpy.asarray(rows, dtype=float)
    if table.shape[-1] < PAIRS_MIN:
        raise TooFewPairs(f"{table.shape[-1]} pairs of blocks are too few", hint=f"at least {PAIRS_MIN} are needed")
    estimates = _trimmed(table, axis=-1)
    # Where all pairs are equal there is nothing to resample, and scipy would answer "not a number".
    flat = numpy.ptp(table, axis=-1) == 0
    lows, highs = estimates.copy(), estimates.copy()
    if not flat.all():
        lows[~flat], highs[~flat] = _bca(table[~flat], confidence, resamples)
    return [Interval(*map(float, ends)) for ends in zip(estimates, lows, highs, strict=True)]


def _trimmed(table: Any, axis: int = -1) -> Any:  # noqa: ANN401  # arrays of numpy, which is imported when needed
    """Return the mean along the last axis without the lowest and the highest fifth."""
    numpy = need("numpy")
    count = table.shape[axis]
    cut = int(TRIM * count)
    ordered = numpy.sort(numpy.moveaxis(table, axis, -1), axis=-1)
    return ordered[..., cut : count - cut].mean(axis=-1)


def _bca(table: Any, confidence: float, resamples: int) -> tuple[Any, Any]:  # noqa: ANN401  # likewise
    done = (
        need("scipy.stats")
        .bootstrap(
            (table,),
            _trimmed,
            axis=-1,
            n_resamples=resamples,
            batch=max(1, _BATCH_FIGURES // table.size),
            vectorized=True,
            method="BCa",
            confidence_level=confidence,
            rng=need("numpy").random.default_rng(SEED),
        )
        .confidence_interval
    )
    return done.low, done.high

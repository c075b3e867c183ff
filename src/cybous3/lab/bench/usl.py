"""The Universal Scalability Law: how throughput grows with load, and where it stops growing.

    X(N) = lambda * N / (1 + sigma * (N - 1) + kappa * N * (N - 1))

`lambda` is the throughput of one, `sigma` the share of the work that waits in a queue (contention), `kappa` the price
that each pays to agree with each other (coherency). Source: N. J. Gunther, "A General Theory of Computational
Scalability Based on Rational Functions" (2008). Pure: points in, a fit out. The residuals are relative, because the
noise of a throughput grows with it; without that the small loads, which tell lambda, would not count.

A fit describes the loads it was made from. A peak beyond them is an extrapolation, and `Fit.within` says so.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cybous3.core.errors import CybousError
from cybous3.lab.bench.extras import need

POINTS_MIN: Final = 4
"""Different loads below which three parameters describe noise."""

SIGMA_MAX: Final = 1.0
KAPPA_MAX: Final = 1.0
_NEVER: Final = 1e-9
"""A kappa below this bends nothing at any load that one machine can make."""

Point = tuple[float, float]
"""A load (clients, workers) and the throughput it gave, in operations a second."""


class TooFewLoads(CybousError):
    """There are not enough different loads to fit a curve through."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted curve. `error` is the root mean square of the relative residuals, `loads` the range it was made from."""

    lambda_: float
    sigma: float
    kappa: float
    error: float
    loads: tuple[float, float]

    def throughput(self, load: float) -> float:
        """Return the throughput that the curve gives for a load."""
        return curve(load, self.lambda_, self.sigma, self.kappa)

    @property
    def peak(self) -> float | None:
        """The load at which throughput is greatest; None if it only ever grows, or levels off."""
        if self.kappa <= _NEVER:
            return None
        return max(1.0, math.sqrt((1 - self.sigma) / self.kappa))

    @property
    def within(self) -> bool:
        """Whether the peak lies among the loads that were measured."""
        return self.peak is not None and self.peak <= self.loads[1]

    def efficiency(self, load: float) -> float:
        """Return the throughput at a load as a share of what `load` times one would be."""
        return self.throughput(load) / (self.lambda_ * load)


def curve(load: float, lambda_: float, sigma: float, kappa: float) -> float:
    """Return the law's throughput."""
    return lambda_ * load / (1 + sigma * (load - 1) + kappa * load * (load - 1))


def fit(points: Sequence[Point]) -> Fit:
    """Fit the law by least squares, with sigma and kappa kept in 0..1. Raises TooFewLoads."""
    used = sorted((load, rate) for load, rate in points if load > 0 and rate > 0)
    if len({load for load, _ in used}) < POINTS_MIN:
        raise TooFewLoads(
            f"{POINTS_MIN} different loads with a throughput are needed for a curve",
            hint="ramp further, or in finer steps",
        )
    first = max(rate / load for load, rate in used)

    def residuals(parameters: Sequence[float]) -> list[float]:
        scale, sigma, kappa = parameters
        return [curve(load, scale * first, sigma, kappa) / rate - 1 for load, rate in used]

    solved = need("scipy.optimize").least_squares(
        residuals,
        x0=[1.0, 0.05, 0.0005],
        bounds=([1e-6, 0.0, 0.0], [100.0, SIGMA_MAX, KAPPA_MAX]),
        x_scale=[1, 0.1, 0.001],
    )
    scale, sigma, kappa = (float(value) for value in solved.x)
    error = math.sqrt(2 * float(solved.cost) / len(used))
    return Fit(scale * first, sigma, kappa, error, (used[0][0], used[-1][0]))

"""From values to places on an axis: limits, round ticks, and short words for numbers. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cybous3.lab.bench.plots.chart import Axis

_TICKS: Final = 5
_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
_ROOM: Final = 0.05
"""Share of the axis left free beyond the outermost values."""
_DENSE_DECADES: Final = 2.2
"""Below so many decades the powers of ten alone are too few ticks."""
_POWERS_MIN: Final = 3
_LETTERS: Final = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_DIGITS: Final = 3


@dataclass(frozen=True, slots=True)
class Scale:
    """One axis made ready: `place` maps a value to 0..1."""

    low: float
    high: float
    log: bool
    ticks: tuple[tuple[float, str], ...]

    def place(self, value: float) -> float:
        """Return where a value lies between the ends; what lies beyond them is put on them."""
        low, high, at = (_bent(item, log=self.log) for item in (self.low, self.high, max(value, _floor(log=self.log))))
        return min(1.0, max(0.0, (at - low) / (high - low)))


def _floor(*, log: bool) -> float:
    return 1e-12 if log else -math.inf


def _bent(value: float, *, log: bool) -> float:
    return math.log10(value) if log else value


def scale_for(axis: Axis, values: Iterable[float]) -> Scale:
    """Choose limits and ticks that show all the values (positive ones only where the axis is logarithmic)."""
    seen = [value for value in values if math.isfinite(value) and (value > 0 or not axis.log)]
    low, high = (min(seen), max(seen)) if seen else (1.0, 10.0)
    low, high = _log_limits(low, high) if axis.log else _limits(low, high, zero=axis.zero)
    ticks = axis.ticks or tuple((tick, short(tick)) for tick in _ticks(low, high, log=axis.log))
    return Scale(low, high, axis.log, tuple(tick for tick in ticks if _inside(tick[0], low, high)))


def _inside(value: float, low: float, high: float) -> bool:
    slack = (high - low) * 1e-9
    return low - slack <= value <= high + slack


def _limits(low: float, high: float, *, zero: bool) -> tuple[float, float]:
    if zero:
        low, high = min(0.0, low), max(0.0, high)
    spread = (high - low) or abs(high) or 1.0
    below = 0.0 if zero and low >= 0 else _ROOM
    return low - spread * below, high + spread * _ROOM


def _log_limits(low: float, high: float) -> tuple[float, float]:
    room = 10 ** (max(math.log10(high / low), 0.3) * _ROOM)
    return low / room, high * room


def _ticks(low: float, high: float, *, log: bool) -> list[float]:
    if not log:
        return _round_steps(low, high)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    dense = math.log10(high / low) < _DENSE_DECADES
    for factors in ((1, 2, 5),) if dense else ((1,), (1, 2, 5)):
        places = [factor * 10.0**decade for decade in decades for factor in factors]
        powers = [place for place in places if low <= place <= high]
        if len(powers) >= _POWERS_MIN:
            return powers
    # Less than a decade is so nearly straight that round steps serve it better.
    return _round_steps(low, high)


def _round_steps(low: float, high: float) -> list[float]:
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in _STEPS if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def short(value: float) -> str:
    """Return a number with up to three digits that count: 950, 1.2k, 3.4M, 0.025."""
    if value == 0:
        return "0"
    size = abs(value)
    for limit, letter in _LETTERS:
        if size >= limit:
            return f"{_digits(value / limit)}{letter}"
    return _digits(value)


def _digits(value: float) -> str:
    text = f"{value:.{_DIGITS}g}"
    return f"{float(text):g}" if "e" in text else text


def spread(places: Iterable[float], gap: float) -> list[float]:
    """Return heights for labels that would cover each other: same order, at least `gap` apart, none moved in vain."""
    wanted = list(places)
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    placed = [wanted[index] for index in order]
    for at in range(1, len(placed)):
        placed[at] = max(placed[at], placed[at - 1] + gap)
    result = wanted[:]
    for index, place in zip(order, placed, strict=True):
        result[index] = place
    return result

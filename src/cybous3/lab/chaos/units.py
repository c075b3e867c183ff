"""Quantities as a scenario writes them, and as the program uses them: one parser each, which says what it expects.

A number without its unit is refused wherever a unit exists, so that nobody's seconds become somebody's milliseconds.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cybous3.lab.bench.workload import Sizes, parse_size, parse_sizes
from cybous3.lab.chaos.errors import BadScenario

_SECONDS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION: Final = re.compile(r"([+-]?)([0-9]+(?:\.[0-9]+)?)\s*(us|ms|s|min|m|h|d)")
_COUNT: Final = re.compile(r"([0-9]{1,9})\s*(?:operations?|ops)")
_RATE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*/\s*s")
_SHARE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%")
_FACTOR: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*x")
_WHOLE: Final = 100.0

Parse = Callable[[object], object]


@dataclass(frozen=True, slots=True)
class Moment:
    """A point or a length of the run: in seconds, or in operations begun. Exactly one of the two is set."""

    seconds: float | None = None
    operations: int | None = None

    def __str__(self) -> str:
        return f"{self.seconds:g}s" if self.operations is None else f"{self.operations} operations"


def _wrong(value: object, wanted: str) -> BadScenario:
    return BadScenario(f"not {wanted}: {value!r}")


def duration(value: object) -> float:
    """Return the seconds of `"150ms"`, `"2s"`, `"20min"`, `"-1h"`. BadScenario."""
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise _wrong(value, 'a time with its unit, such as "150ms", "2s" or "20min"')
    return (-1 if match[1] == "-" else 1) * float(match[2]) * _SECONDS[match[3]]


def span(value: object) -> float:
    """Return the seconds of a time that is not negative. BadScenario."""
    seconds = duration(value)
    if seconds < 0:
        raise _wrong(value, "a time that lasts")
    return seconds


def moment(value: object) -> Moment:
    """Return `"2s"` or `"200 operations"`. BadScenario."""
    match = _COUNT.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is not None:
        return Moment(operations=int(match[1]))
    try:
        return Moment(seconds=span(value))
    except BadScenario:
        raise _wrong(value, 'a time or a count, such as "2s" or "200 operations"') from None


def rate(value: object) -> float:
    """Return the operations a second of `"200/s"`. BadScenario."""
    match = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or float(match[1]) <= 0:
        raise _wrong(value, 'a rate such as "200/s"')
    return float(match[1])


def share(value: object) -> float:
    """Return the part of one of `"5%"`. BadScenario."""
    match = _SHARE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or float(match[1]) > _WHOLE:
        raise _wrong(value, 'a share such as "5%"')
    return float(match[1]) / _WHOLE


def factor(value: object) -> float:
    """Return the number of `"1.5x"`. BadScenario."""
    match = _FACTOR.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise _wrong(value, 'a factor such as "1.5x"')
    return float(match[1])


def size(value: object) -> int:
    """Return the bytes of `"64MiB"`. BadScenario."""
    if not isinstance(value, str) or value.strip().isdigit():
        raise _wrong(value, 'a size with its unit, such as "64MiB"')
    return parse_size(value)


def sizes(value: object) -> Sizes:
    """Return sizes with their weights, as `cybs3 performance` writes them: `"1KiB:60,64KiB:30"`. BadScenario."""
    if not isinstance(value, str):
        raise _wrong(value, 'sizes, such as "4KiB" or "1KiB:60,64KiB:30"')
    return parse_sizes(value)


def whole(low: int, high: int) -> Callable[[object], int]:
    """Return a parser of whole numbers between two bounds, both allowed."""

    def parse(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _wrong(value, f"a whole number from {low} to {high}")
        return value

    return parse


def word(*allowed: str) -> Callable[[object], str]:
    """Return a parser of one of these words."""

    def parse(value: object) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise _wrong(value, f"one of {', '.join(allowed)}")
        return value

    return parse


def text(value: object) -> str:
    """Return text that says something. BadScenario."""
    if not isinstance(value, str) or not value.strip():
        raise _wrong(value, "a text")
    return value


def words(value: object) -> tuple[str, ...]:
    """Return a list of texts. BadScenario."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _wrong(value, "a list of texts")
    return tuple(value)

"""Delta debugging, pure: the least of a list, and of a number, that still fails.

`fails` is asked about every candidate and is assumed to be what a run says; where runs differ from time to time, it
asks more than once itself. Both stop at the budget of whoever asks, which raises `Enough`: the best so far stands.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


class Enough(Exception):
    """The budget is spent: what was found so far is the answer."""


def least(items: Sequence[T], fails: Callable[[Sequence[T]], bool], keep: Callable[[Sequence[T]], None]) -> list[T]:
    """Return a part of `items`, in order, of which nothing can be left out (Zeller's ddmin, by complements).

    `items` itself fails. `keep` is told every smaller list that fails, before the next is tried. Raises what `fails`
    raises.
    """
    best, pieces = list(items), 2
    if best and fails([]):
        keep([])
        return []
    while len(best) > 1:
        smaller = _first_that_fails(best, pieces, fails)
        if smaller is not None:
            best, pieces = smaller, max(pieces - 1, 2)
            keep(best)
        elif pieces >= len(best):
            break
        else:
            pieces = min(len(best), pieces * 2)
    return best


def _first_that_fails(items: list[T], pieces: int, fails: Callable[[Sequence[T]], bool]) -> list[T] | None:
    size = -(-len(items) // pieces)
    # The last pieces go first: what comes after the failure is most often of no account.
    for start in reversed(range(0, len(items), size)):
        rest = items[:start] + items[start + size :]
        if rest and fails(rest):
            return rest
    return None


def smallest(value: int, low: int, fails: Callable[[int], bool]) -> int:
    """Return a number from `low` to `value` that fails, found by halving; `value` itself fails."""
    while value > low:
        middle = (low + value) // 2
        if fails(middle):
            value = middle
        else:
            low = middle + 1
    return value

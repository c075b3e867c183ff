"""One page of a listing over any ordered source that can seek.

Keys are compared by their UTF-8 bytes. No byte of UTF-8 is 0xFF, so `prefix + 0xFF` lies behind every key that begins
with `prefix` and before all others: the end of a listing, and the place to go on behind a common prefix. A position is
inclusive; `key + 0x00` is the first position behind `key`.

The cost is the page's. Behind a common prefix the walk seeks instead of reading, and it fetches in portions that shrink
when most of a portion fell under one prefix and grow when most of it was shown.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

P = TypeVar("P")
R = TypeVar("R", bound=tuple[Any, ...])  # the key, as text, stands first

PORTION_FIRST: Final = 16
PORTION_MIN: Final = 2
PORTION_SHRINK: Final = 4
PORTION_GROW: Final = 2
BEYOND: Final = b"\xff"


@dataclass(frozen=True, slots=True)
class Source(Generic[P, R]):
    """Where the rows are: how to fetch from a position, and which positions lie behind a row or a common prefix."""

    fetch: Callable[
        [P, int], Sequence[R]
    ]  # up to n rows at or behind the position, in order, within the listing's bounds
    behind_row: Callable[[R], P]
    behind_prefix: Callable[[str], P]


@dataclass(slots=True)
class Walked(Generic[R]):
    """What a page holds.

    `last` is what it ends with, a row or a common prefix, and `more` whether something follows.
    """

    rows: list[R] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    last: R | str | None = None
    more: bool = False

    @property
    def count(self) -> int:
        """Rows and common prefixes together."""
        return len(self.rows) + len(self.prefixes)


def first_position(prefix: str, delimiter: str, after: str) -> bytes:
    """Return where a listing begins that shows only what lies behind `after`."""
    if after < prefix or not after:
        return prefix.encode()
    if is_common_prefix(after, prefix, delimiter):
        return after.encode() + BEYOND
    return after.encode() + b"\0"


def is_common_prefix(key: str, prefix: str, delimiter: str) -> bool:
    """Return whether `key` is itself what a listing by `delimiter` would show for the keys below it."""
    if not delimiter or not key.startswith(prefix):
        return False
    cut = key.find(delimiter, len(prefix))
    return cut >= 0 and cut + len(delimiter) == len(key)


def walk(source: Source[P, R], start: P, prefix: str, delimiter: str, limit: int) -> Walked[R]:
    """Return the page of at most `limit` entries that begins at `start`.

    0 gives an empty page with nothing behind it.
    """
    if limit <= 0:
        return Walked()
    return _grouped(source, start, prefix, delimiter, limit) if delimiter else _plain(source, start, limit)


def _plain(source: Source[P, R], start: P, limit: int) -> Walked[R]:
    rows = list(source.fetch(start, limit + 1))
    more = len(rows) > limit
    del rows[limit:]
    return Walked(rows=rows, last=rows[-1] if rows else None, more=more)


def _grouped(source: Source[P, R], start: P, prefix: str, delimiter: str, limit: int) -> Walked[R]:
    page: Walked[R] = Walked()
    position, portion = start, min(PORTION_FIRST, limit + 1)
    while True:
        rows = source.fetch(position, portion)
        shown_before = page.count
        inside = _take(page, rows, prefix, delimiter, limit)
        if page.more or len(rows) < portion:
            return page
        position = source.behind_row(rows[-1]) if inside is None else source.behind_prefix(inside)
        portion = _next_portion(portion, page.count - shown_before, limit)


def _next_portion(portion: int, shown: int, limit: int) -> int:
    if shown * PORTION_SHRINK <= portion:
        return max(PORTION_MIN, portion // PORTION_SHRINK)
    return min(limit + 1, portion * PORTION_GROW)


def _take(page: Walked[R], rows: Sequence[R], prefix: str, delimiter: str, limit: int) -> str | None:
    """Add what fits and return the common prefix that the last row stands under, if it does."""
    common: str | None = None
    for row in rows:
        key: str = row[0]
        if common is not None and key.startswith(common):
            continue
        common = None
        if page.count == limit:
            page.more = True
            return None
        cut = key.find(delimiter, len(prefix))
        if cut < 0:
            page.rows.append(row)
            page.last = row
        else:
            common = key[: cut + len(delimiter)]
            page.prefixes.append(common)
            page.last = common
    return common

"""What was read a moment ago, for as long as it is what a read would find now.

The mark (`stamp`) tells that something was committed, not what. Of our own commits we know: whoever commits says before
what it is about to touch, and as it holds the write lock, the next transaction is its own. So a write costs the
memory of what it wrote. Any other change of the mark costs all of it.
"""

import struct
from collections.abc import Iterable
from typing import Any, Final

from cybous3.server.meta.sqlite.stamp import Stamp
from cybous3.server.model.objects import ObjectRecord

Name = tuple[str, ...]
"""Of a row: ("object", bucket, key), ("bucket", name), ("key", access key)."""

BYTES_MAX: Final = 16 * 1024 * 1024
TOUCHED_MAX: Final = 65_536
_ENTRY_BYTES: Final = 1024  # about what a record without content takes
_PIECE_BYTES: Final = 256  # about what one extent or one part takes: an object may have 10,000 of each
_CHANGE: Final = struct.Struct("=8xI")  # WAL-index header: iChange, "counter incremented each transaction"
_NEITHER: Final = (-1, -1)


class Remembered:
    """Values by name. Kept true: `recall` gives what a read that begins now would give, or None.

    Bounded by BYTES_MAX; the oldest go first. Belongs to one event loop.
    """

    def __init__(self, stamp: Stamp) -> None:
        self._read_stamp = stamp.read
        self._stamp = b""
        self._values: dict[Name, Any] = {}
        self._bytes = 0
        self._era = 0  # grows whenever all is forgotten
        self._touched: dict[Name, int] = {}  # by our own commits, in this era
        self._expected: tuple[Name, ...] | None = None  # what the transaction after `_stamp` touches, if it is ours

    def recall(self, name: Name) -> Any:  # noqa: ANN401  # whatever was kept under the name
        """Return what was kept under `name`, if it still holds."""
        if self._read_stamp() != self._stamp:
            self._follow()
        return self._values.get(name)

    def keep(self, name: Name, value: object) -> None:
        """Keep `value`, read after `recall` had nothing under its name and before anything else was recalled."""
        if not self._stamp:
            return
        self._bytes += _size(value)
        self._values[name] = value
        while self._bytes > BYTES_MAX:
            self._drop(next(iter(self._values)))

    def mark(self, name: Name) -> tuple[int, int] | None:
        """Return what stays equal for as long as `name` and all that is not an object are unchanged; None: unknown."""
        stamp = self._read_stamp()
        if stamp != self._stamp:
            self._follow()
        return (self._era, self._touched.get(name, 0)) if stamp else None

    def expect(self, names: Iterable[Name] | None) -> None:
        """Take note that the next transaction is ours and changes these names.

        Call with SQLite's write lock held by a transaction that has changed something: one that has not does not move
        the mark, and somebody else's would be taken for it. None: there is no such transaction, or it may change
        anything. Call with None as soon as the transaction has ended, before anybody else may write.
        """
        if self._read_stamp() != self._stamp:
            self._follow()
        self._expected = None if names is None else tuple(names)

    def _follow(self) -> None:
        """Take note that the mark has changed."""
        stamp = self._read_stamp()
        expected, self._expected = self._expected, None
        if expected is not None and _changes(stamp) == _next(self._stamp):
            self._touch(expected)
        else:
            self._forget()
        # What is read from now on is at least as new as this, and goes as soon as there is another.
        self._stamp = stamp

    def _touch(self, names: tuple[Name, ...]) -> None:
        for name in names:
            self._touched[name] = self._touched.get(name, 0) + 1
            self._drop(name)
        if len(self._touched) > TOUCHED_MAX:
            self._forget()

    def _drop(self, name: Name) -> None:
        if name in self._values:
            self._bytes -= _size(self._values.pop(name))

    def _forget(self) -> None:
        self._era += 1
        self._bytes = 0
        self._values.clear()
        self._touched.clear()


def _changes(stamp: bytes) -> tuple[int, int]:
    """Return the counter of both copies of the header."""
    if not stamp:
        return _NEITHER
    half = len(stamp) // 2
    return _CHANGE.unpack_from(stamp)[0], _CHANGE.unpack_from(stamp, half)[0]


def _next(stamp: bytes) -> tuple[int, int]:
    first, second = _changes(stamp)
    if first != second or first < 0:
        return -2, -2  # was being written, or there was none: nothing follows it
    following = (first + 1) % 2**32
    return following, following


def _size(value: object) -> int:
    """Return about how many bytes of memory an entry takes; the same each time it is asked."""
    if not isinstance(value, ObjectRecord):
        return _ENTRY_BYTES
    pieces = len(value.extents) + len(value.parts)
    told = sum(map(len, value.user.values())) if value.user else 0
    return _ENTRY_BYTES + len(value.inline or b"") + pieces * _PIECE_BYTES + told

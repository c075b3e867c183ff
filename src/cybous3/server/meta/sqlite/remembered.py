"""What was read a moment ago, as long as nothing was committed since."""

from typing import Any, Final

from cybous3.server.meta.sqlite.stamp import Stamp
from cybous3.server.model.objects import ObjectRecord

BYTES_MAX: Final = 8 * 1024 * 1024
_ENTRY_BYTES: Final = 1024  # about what a record without content takes


class Remembered:
    """Values by name. Kept true: `recall` gives what a read that begins now would give, or None.

    Bounded by BYTES_MAX; the oldest go first. Belongs to one event loop.
    """

    def __init__(self, stamp: Stamp) -> None:
        self._stamp = stamp
        self._mark = b""
        self._values: dict[object, Any] = {}
        self._bytes = 0

    def recall(self, name: object) -> Any:  # noqa: ANN401  # whatever was kept under the name
        """Return what was kept under `name`, if it still holds."""
        mark = self._stamp.read()
        if mark != self._mark:
            # What is read from now on is at least as new as this mark, and goes as soon as there is another.
            self._mark, self._bytes = mark, 0
            self._values.clear()
        return self._values.get(name)

    def keep(self, name: object, value: object) -> None:
        """Keep `value`, which was read after `recall` was asked for it and before anything else was."""
        if not self._mark:
            return
        self._bytes += _size(value)
        self._values[name] = value
        while self._bytes > BYTES_MAX:
            self._bytes -= _size(self._values.pop(next(iter(self._values))))


def _size(value: object) -> int:
    return _ENTRY_BYTES + (len(value.inline) if isinstance(value, ObjectRecord) and value.inline else 0)

"""How much room a file system has, and how much of it is kept for what must go on when it is full.

Deleting takes room first: the index logs the change, and copies its log into its tables sooner or later; so does a
start. Writes that make the data grow therefore end at a reserve, and the log is never longer than a part of it.
"""

import errno
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MIB: Final = 1024 * 1024
RESERVE_MIN: Final = 4 * MIB
RESERVE_MAX: Final = 64 * MIB
RESERVE_SHARE: Final = 20  # one part in so many: 5 %

NO_SPACE: Final = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})  # not every platform has quotas


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes of a file system: all, and those that this process may still use."""

    total: int
    free: int

    @property
    def reserve(self) -> int:
        """The bytes that growing data must leave."""
        return max(RESERVE_MIN, min(RESERVE_MAX, self.total // RESERVE_SHARE))


def measure(path: Path) -> Space | None:
    """Return the space of the file system of `path`; None where it cannot be told (some network file systems)."""
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return None
    return Space(usage.total, usage.free) if usage.total > 0 else None

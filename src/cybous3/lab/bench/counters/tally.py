"""Named whole numbers that only grow, and what they grew by between two looks."""

import threading
from collections.abc import Mapping

Counts = Mapping[str, int]


class Tally:
    """Counters of one process, safe for all its threads."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()

    def add(self, name: str, amount: int = 1) -> None:
        """Count."""
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + amount

    def snapshot(self) -> dict[str, int]:
        """Return what was counted so far."""
        with self._lock:
            return dict(self._counts)


def growth(before: Counts, after: Counts) -> dict[str, int]:
    """Return by how much each counter grew; those that did not are left out."""
    grown = {name: value - before.get(name, 0) for name, value in after.items()}
    return {name: value for name, value in sorted(grown.items()) if value}

"""What a proxy did to whom: exact counts, and a bounded log in the order of the deeds. Safe from many threads."""

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

DEEDS_MAX: Final = 100_000
"""Older deeds leave the log; the counts stay exact."""


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing done. `connection` is the number of the connection, from 1; `what` says it in a few words."""

    connection: int
    fault: str
    what: str
    method: str = ""
    operation: str = ""
    target: str = ""

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it, without what does not apply."""
        return {name: value for name, value in asdict(self).items() if value != ""}


class Journal:
    """The log and the counts of one proxy."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._deeds: deque[Deed] = deque(maxlen=DEEDS_MAX)
        self._counts: Counter[str] = Counter()

    def did(self, deed: Deed) -> None:
        """Note a deed, and count it under its fault."""
        with self._lock:
            self._deeds.append(deed)
            self._counts[deed.fault] += 1

    def count(self, name: str, amount: int = 1) -> None:
        """Count something that is not a deed: connections, requests, bytes."""
        with self._lock:
            self._counts[name] += amount

    @property
    def deeds(self) -> tuple[Deed, ...]:
        """What was done, oldest first."""
        with self._lock:
            return tuple(self._deeds)

    @property
    def counts(self) -> Mapping[str, int]:
        """How often, by the name of the fault; and `connections`, `requests`, `bytes up`, `bytes down`."""
        with self._lock:
            return dict(self._counts)

"""The gate, pure: what is stored, what was counted, and where they differ.

Every counter must be exactly what is stored, better ones too: a gain that is not stored could be lost again unnoticed.
Calls of functions may move by 2 %, so that a line of code moved to a helper of its own is not an event.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from cybous3.core.errors import CybousError

CALLS: Final = "calls."
CALLS_TOLERANCE: Final = 0.02
_WORDS: Final = 2  # columns of words; the others hold figures
FORMAT: Final = "cybous3.counters/1"
RENEW: Final = "make bench UPDATE=1"
SECTIONS: Final = ("work", "kernel")
"""`work`: counted at the program's own borders, needs nothing. `kernel`: by strace, where there is one."""

Table = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Difference:
    """One counter of one scenario that is not what is stored. A counter that does not exist is 0."""

    scenario: str
    counter: str
    stored: int
    counted: int

    @property
    def change(self) -> str:
        """Say by how much: "+1", "-1,024"."""
        return f"{self.counted - self.stored:+,}"


class StaleFormat(CybousError):
    """The stored counters were written by another version of this tool."""


def within(counter: str, stored: int, counted: int) -> bool:
    """Tell whether a counter is what it should be."""
    tolerance = CALLS_TOLERANCE * stored if counter.startswith(CALLS) else 0
    return abs(counted - stored) <= tolerance


def differences(stored: Table, counted: Table, loose: Mapping[str, tuple[str, ...]]) -> list[Difference]:
    """Return what differs, scenario by scenario; only scenarios that were counted. `loose` prefixes do not gate."""
    found = []
    for scenario, counts in counted.items():
        before = stored.get(scenario, {})
        for counter in sorted(before.keys() | counts.keys()):
            if counter.startswith(loose.get(scenario) or (" ",)):
                continue
            one = Difference(scenario, counter, before.get(counter, 0), counts.get(counter, 0))
            if not within(counter, one.stored, one.counted):
                found.append(one)
    return found


def report(found: Iterable[Difference]) -> str:
    """Return the differences as a table."""
    rows = [("scenario", "counter", "stored", "counted", "change")]
    rows += [(one.scenario, one.counter, f"{one.stored:,}", f"{one.counted:,}", one.change) for one in found]
    return aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as columns: the first two to the left, figures to the right."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = (
        "  ".join(
            text.ljust(width) if at < _WORDS else text.rjust(width)
            for at, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


@dataclass(frozen=True, slots=True)
class Stored:
    """The stored counters, and the Python that function calls were counted under ("3.11")."""

    python: str = ""
    sections: Mapping[str, Table] = field(default_factory=dict)

    def dump(self) -> str:
        """Return the stored form: one counter a line, so that a change of it reads as a table of what changed."""
        head = {"format": FORMAT, "renew with": RENEW, "python": self.python}
        tables = {name: self.sections.get(name, {}) for name in SECTIONS}
        return json.dumps(head | tables, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def load(cls, text: str) -> Self:
        """Return what `dump` wrote. StaleFormat."""
        document: dict[str, Any] = json.loads(text)
        if document.get("format") != FORMAT:
            raise StaleFormat(
                f"the stored counters have the format {document.get('format')!r}, this is {FORMAT!r}", hint=RENEW
            )
        return cls(document["python"], {name: document[name] for name in SECTIONS})

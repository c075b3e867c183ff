"""Which file a descriptor means, and where it stands in it: the part of a process that a log does not repeat.

Threads share one table, children begin with a copy of it whose entries share offsets with their parent's, as fork(2)
and dup(2) have it. A child may be seen before the call that made it returned; it is given its table when it is met.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cybous3.lab.chaos.powercut.calls import Call

_MAKERS: Final = frozenset({"clone", "clone3", "fork", "vfork"})
_SHARED: Final = re.compile(r"CLONE_FILES")


@dataclass(slots=True)
class Opened:
    """An open file description: its number (None: not below the directory that is watched), flags and offset."""

    target: int | None
    append: bool = False
    synced: bool = False
    offset: int = 0


class Descriptors:
    """The tables of all processes of a log."""

    def __init__(self, calls: Sequence[Call]) -> None:
        made = [call for call in calls if call.name in _MAKERS and call.result > 0]
        self._parents: dict[int, tuple[int, bool]] = {
            call.result: (call.process, bool(_SHARED.search(call.words))) for call in made
        }
        self._tables: dict[int, dict[int, Opened]] = {}

    def get(self, process: int, descriptor: int) -> Opened | None:
        """Return what a process has open under a number."""
        return self._table(process).get(descriptor)

    def put(self, process: int, descriptor: int, opened: Opened) -> None:
        """Note what was opened, or made to mean the same as another."""
        self._table(process)[descriptor] = opened

    def drop(self, process: int, descriptor: int) -> None:
        """Forget what was closed."""
        self._table(process).pop(descriptor, None)

    def met(self, process: int) -> None:
        """Give a process that was just made its table before its parent's goes on."""
        self._table(process)

    def _table(self, process: int) -> dict[int, Opened]:
        table = self._tables.get(process)
        if table is None:
            parent, shared = self._parents.get(process, (process, False))
            known = self._table(parent) if parent != process else {}
            table = known if shared else dict(known)
            self._tables[process] = table
        return table

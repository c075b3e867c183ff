"""Why a history is rejected, in as few operations as can be, and in words.

Forgetting an answer only ever allows more. So if a history is still rejected with an answer forgotten, that answer was
no part of the contradiction; what is left in the end contradicts itself whatever became of all the others. First the
history is cut at the earliest moment at which it is rejected: nothing later is to blame.

Every forgotten write doubles what has to be searched, so an attempt that grows too hard is given up: the contradiction
that is told is always one, and mostly the smallest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

from cybous3.lab.chaos.linear.checker import TooHard, check
from cybous3.lab.chaos.linear.history import C, Model, O, Operation, S

_NS_PER_MS = 1_000_000
_CONFIGURATIONS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Contradiction(Generic[C, O]):
    """The operations whose answers no order explains, and how many others may have changed the register besides."""

    key: str
    core: tuple[Operation[C, O], ...]
    others: int


def contradiction(model: Model[S, C, O], operations: Sequence[Operation[C, O]], key: str) -> Contradiction[C, O]:
    """Return the smallest contradiction found in the rejected register `key`."""
    its_own = _cut(model, sorted((o for o in operations if o.key == key), key=lambda o: o.begun))
    reading = {i for i, o in enumerate(its_own) if model.inert(o.call, None)}
    # Reads first: with nobody left who saw it, a forgotten write hardly adds to the search.
    for numbers in (sorted(reading), [i for i in range(len(its_own)) if i not in reading]):
        its_own = _forget(model, its_own, numbers)
    core = tuple(o for o in its_own if o.outcome is not None)
    return Contradiction(key, core, sum(o.outcome is None and i not in reading for i, o in enumerate(its_own)))


def _forget(model: Model[S, C, O], its_own: list[Operation[C, O]], numbers: Sequence[int]) -> list[Operation[C, O]]:
    """Forget as many of the answers with these numbers as can be, many at a time first."""
    width = max(1, len(numbers))
    while width:
        for at in range(0, len(numbers), width):
            chosen = {i for i in numbers[at : at + width] if its_own[i].outcome is not None}
            shorter = [o.forgotten() if i in chosen else o for i, o in enumerate(its_own)]
            if chosen and _rejected(model, shorter):
                its_own = shorter
        width //= 2
    return its_own


def _rejected(model: Model[S, C, O], its_own: Sequence[Operation[C, O]]) -> bool:
    try:
        return not check(model, its_own, configurations_max=_CONFIGURATIONS_MAX).linearizable
    except TooHard:
        return False


def _cut(model: Model[S, C, O], its_own: Sequence[Operation[C, O]]) -> list[Operation[C, O]]:
    """Return the history as it stood at the earliest end at which it is rejected."""
    ends = sorted(o.ended for o in its_own if o.outcome is not None)
    low, high = 0, len(ends) - 1
    while low < high:
        middle = (low + high) // 2
        if check(model, _until(its_own, ends[middle])).linearizable:
            low = middle + 1
        else:
            high = middle
    return _until(its_own, ends[low])


def _until(its_own: Sequence[Operation[C, O]], moment: int) -> list[Operation[C, O]]:
    return [o if o.ended <= moment else o.forgotten() for o in its_own if o.begun <= moment]


def words(model: Model[S, C, O], found: Contradiction[C, O]) -> list[str]:
    """Say it to a person: one line an operation, in the order in which they began. Times are read as nanoseconds."""
    start = min(o.begun for o in found.core)
    lines = [f"no order explains these {len(found.core)} answers about {found.key!r}:"]
    for o in found.core:
        begun, ended = ((moment - start) / _NS_PER_MS for moment in (o.begun, o.ended))
        lines.append(f"  {begun:9.3f} to {ended:9.3f} ms  client {o.client:<3} {model.words(o.call, o.outcome)}")
    if found.others:
        lines.append(f"  whatever became of {found.others} other operations that began before the last of them ended")
    return lines

"""Looks for an order of operations, agreeing with their times and answers, in which each happens at one instant.

The search of Wing and Gong (1993) with Lowe's cache of configurations (2016): all begins and ends stand in one linked
list in the order of time. An operation may come next if no other one that is still open ended before it began, that is,
if its begin stands before the first end in the list. Taking it lifts it out of the list; reaching an end means that
this operation should have been taken before, so the last choice is undone. A set of operations taken together with a
state is never searched twice.

Three cuts, none of which loses an order that exists:
- A read or a refusal whose answer agrees is taken at once and for good: whatever comes later is as possible after it
  as before. (Not so a deletion of nothing: it may be needed later, when there is something.)
- An operation without an answer has no end in the list. It is taken only where it changes the state, and an order is
  found as soon as all that have answers are placed.
- Of equal calls without an answer the one that began first is taken first: it can stand wherever a later one could.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic

from cybous3.core.errors import CybousError
from cybous3.lab.chaos.linear.history import C, Model, O, Operation, S, by_key

CONFIGURATIONS_MAX: Final = 2_000_000
_NOBODY: Final = -1


class TooHard(CybousError):
    """More configurations than allowed would have to be searched: the history is neither accepted nor rejected."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`rejected` is the first register (by name) whose operations no order explains, None if all can be explained."""

    rejected: str | None
    configurations: int  # how many were looked at

    @property
    def linearizable(self) -> bool:
        """Whether every register's operations can be put in order."""
        return self.rejected is None


def check(
    model: Model[S, C, O], operations: Sequence[Operation[C, O]], *, configurations_max: int = CONFIGURATIONS_MAX
) -> Verdict:
    """Judge a history, register by register. Raises TooHard."""
    looked_at = 0
    for key, its_own in sorted(by_key(operations).items()):
        search = Search(model, its_own, configurations_max)
        accepted = search.run()
        looked_at += len(search.seen)
        if not accepted:
            return Verdict(key, looked_at)
    return Verdict(None, looked_at)


class Search(Generic[S, C, O]):
    """One register's search. `seen` are the configurations met: which operations were taken (as bits), and a state."""

    def __init__(self, model: Model[S, C, O], operations: Sequence[Operation[C, O]], configurations_max: int) -> None:
        operations = model.merged(operations)
        self._model, self._operations, self._max = model, operations, configurations_max
        self._left = sum(operation.outcome is not None for operation in operations)
        self._twin = _twins(operations)
        self._build()
        self._state = model.initial
        self._taken = 0
        self._choices: list[tuple[int, S, bool]] = []
        self.seen: set[tuple[int, S]] = set()

    def run(self) -> bool:
        """Return whether an order exists. Raises TooHard."""
        at = self._next[self._head]
        while self._left:
            if at & 1:
                undone = self._undo()
                if undone == _NOBODY:
                    return False
                at = self._next[undone]
            else:
                at = self._next[self._head if self._take(at >> 1) else at]
        return True

    def _build(self) -> None:
        """Link the begins (2i) and ends (2i + 1) in order of time; at the same time begins come first: they overlap."""
        events = [(operation.begun, 0, 2 * i) for i, operation in enumerate(self._operations)]
        events += [(o.ended, 1, 2 * i + 1) for i, o in enumerate(self._operations) if o.outcome is not None]
        order = [node for _, _, node in sorted(events)]
        self._head = 2 * len(self._operations)
        self._next = [self._head] * (self._head + 1)
        self._previous = [self._head] * (self._head + 1)
        for before, after in zip([self._head, *order], [*order, self._head], strict=True):
            self._next[before], self._previous[after] = after, before

    def _take(self, number: int) -> bool:
        """Take an operation as the next in order if that is right and new; tell whether it was taken."""
        operation, twin = self._operations[number], self._twin[number]
        if twin != _NOBODY and not self._taken >> twin & 1:
            return False
        agrees, state = self._model.step(self._state, operation.call, operation.outcome)
        known = operation.outcome is not None
        if not agrees or not (known or state != self._state):
            return False
        taken = self._taken | 1 << number
        if (taken, state) in self.seen:
            return False
        self.seen.add((taken, state))
        if len(self.seen) > self._max:
            raise TooHard(f"more than {self._max:,} configurations on the register {operation.key!r}")
        self._choices.append((number, self._state, not self._model.inert(operation.call, operation.outcome)))
        self._state, self._taken, self._left = state, taken, self._left - known
        self._lift(number, known=known)
        return True

    def _undo(self) -> int:
        """Undo the last choice that could have been another one; return its begin, or _NOBODY if there was none."""
        while self._choices:
            number, self._state, chosen = self._choices.pop()
            known = self._operations[number].outcome is not None
            self._unlift(number, known=known)
            self._taken &= ~(1 << number)
            self._left += known
            if chosen:
                return 2 * number
        return _NOBODY

    def _lift(self, number: int, *, known: bool) -> None:
        for node in (2 * number, 2 * number + 1) if known else (2 * number,):
            self._next[self._previous[node]] = self._next[node]
            self._previous[self._next[node]] = self._previous[node]

    def _unlift(self, number: int, *, known: bool) -> None:
        for node in (2 * number + 1, 2 * number) if known else (2 * number,):
            self._next[self._previous[node]] = node
            self._previous[self._next[node]] = node


def _twins(operations: Sequence[Operation[C, O]]) -> list[int]:
    """Return for each operation without an answer the one before it with the same call and no answer."""
    twins, last = [_NOBODY] * len(operations), dict[C, int]()
    for number in sorted(range(len(operations)), key=lambda number: operations[number].begun):
        if operations[number].outcome is None:
            twins[number] = last.get(operations[number].call, _NOBODY)
            last[operations[number].call] = number
    return twins

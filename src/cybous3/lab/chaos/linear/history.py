"""What was seen of operations on named registers: who asked what when, and what the answer said. Values, no I/O."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

NEVER: Final = (1 << 63) - 1
"""The end of an operation whose answer never came: it may take effect at any moment after its begin, or not at all."""

C = TypeVar("C", bound=Hashable)
O = TypeVar("O", bound=Hashable)  # noqa: E741  # outcome
S = TypeVar("S", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Operation(Generic[C, O]):
    """One call and what became of it.

    `begun` and `ended` are on one clock, in any unit; the call took effect between them, or, where `outcome` is None,
    at any time after `begun` or never. `client` is for people: nothing is concluded from it.
    """

    key: str
    client: int
    call: C
    outcome: O | None
    begun: int
    ended: int = NEVER

    def forgotten(self) -> "Operation[C, O]":
        """Return the same call with its answer unknown: it explains whatever the operation itself explains."""
        return Operation(self.key, self.client, self.call, None, self.begun)


@dataclass(frozen=True, slots=True)
class Model(Generic[S, C, O]):
    """What one register may do, as values.

    `step(state, call, outcome)` tells whether the outcome is right in this state, and the state after it. With the
    outcome None it returns the state after the call took effect, and True. A state that a call leaves as it was must be
    equal to the one before. `inert(call, outcome)` tells whether the call can have changed no state whatever, given its
    outcome (None: unknown): a read, a refusal. `words(call, outcome)` says it to a person. `merged` returns one
    register's operations in the same order and number, with calls made equal that nothing can tell apart: it may only
    save work.
    """

    initial: S
    step: Callable[[S, C, O | None], tuple[bool, S]]
    inert: Callable[[C, O | None], bool]
    words: Callable[[C, O | None], str]
    merged: Callable[[Sequence[Operation[C, O]]], Sequence[Operation[C, O]]] = tuple


def by_key(operations: Iterable[Operation[C, O]]) -> dict[str, list[Operation[C, O]]]:
    """Return the operations of each register: registers do not know each other, so each is judged alone."""
    found: dict[str, list[Operation[C, O]]] = {}
    for operation in operations:
        found.setdefault(operation.key, []).append(operation)
    return found

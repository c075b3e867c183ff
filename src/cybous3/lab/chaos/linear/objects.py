"""An S3 object as a register: PUT, GET, HEAD and DELETE with their conditions. A state is a value, None for no object.

A value names a body. ETags are translated into the values they were seen with before a history is judged, so that a
condition speaks of a value too. What an answer may mean is a table; a status that is not in it cannot be explained.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Literal, NamedTuple

from cybous3.lab.chaos.linear.history import Model, Operation

Verb = Literal["put", "get", "head", "delete"]


class Call(NamedTuple):
    """One request. `match`: only if the object has this value. `absent`: only if there is none."""

    verb: Verb
    value: str | None = None
    match: str | None = None
    absent: bool = False

    @property
    def conditional(self) -> bool:
        """Whether there is a condition at all."""
        return self.absent or self.match is not None


class Outcome(NamedTuple):
    """One answer: its status, and what a read found."""

    status: int
    value: str | None = None


State = str | None
Judge = Callable[[State, Call, Outcome], bool]


def _holds(state: State, call: Call) -> bool:
    if call.absent and state is not None:
        return False
    return call.match is None or call.match == state


# Which answers are right in which state. 409: S3 may refuse a conditional request because of another one under way.
_WRITES: Final[dict[int, Judge]] = {
    200: lambda state, call, _: _holds(state, call),
    204: lambda state, call, _: _holds(state, call),
    404: lambda state, call, _: call.match is not None and state is None,
    409: lambda _, call, __: call.conditional,
    412: lambda state, call, _: not _holds(state, call),
}
_READS: Final[dict[int, Judge]] = {
    200: lambda state, _, outcome: state is not None and state == outcome.value,
    404: lambda state, _, __: state is None,
}
_JUDGES: Final[dict[Verb, dict[int, Judge]]] = {"put": _WRITES, "delete": _WRITES, "get": _READS, "head": _READS}
_DONE: Final = frozenset({200, 204})


def _step(state: State, call: Call, outcome: Outcome | None) -> tuple[bool, State]:
    done = _holds(state, call) if outcome is None else outcome.status in _DONE
    after = state if call.verb in {"get", "head"} or not done else call.value
    if outcome is None:
        return True, after
    judge = _JUDGES[call.verb].get(outcome.status)
    return judge is not None and judge(state, call, outcome), after


def _inert(call: Call, outcome: Outcome | None) -> bool:
    return call.verb in {"get", "head"} or (outcome is not None and outcome.status not in _DONE)


def _words(call: Call, outcome: Outcome | None) -> str:
    asked = call.verb.upper() + (f" {call.value}" if call.value is not None else "")
    if call.absent:
        asked += " if there is none"
    if call.match is not None:
        asked += f" if it is {call.match}"
    if outcome is None:
        return asked
    return f"{asked}: {outcome.status}" + (f" {outcome.value}" if outcome.value is not None else "")


def _merged(operations: Sequence[Operation[Call, Outcome]]) -> Sequence[Operation[Call, Outcome]]:
    """Give all values that no answer and no condition names one name: which of them is there makes no difference."""
    named = {o.outcome.value for o in operations if o.outcome is not None} | {o.call.match for o in operations}
    return [
        o if o.call.value is None or o.call.value in named else replace(o, call=o.call._replace(value="<unseen>"))
        for o in operations
    ]


OBJECT: Final[Model[State, Call, Outcome]] = Model(None, _step, _inert, _words, _merged)

"""A register of one number with read, write and compare-and-set, as the published etcd histories have it."""

from typing import Final, Literal, NamedTuple

from cybous3.lab.chaos.linear.history import Model


class Call(NamedTuple):
    """`read`, `write value`, or `swap expected for value`."""

    verb: Literal["read", "write", "swap"]
    value: int | None = None
    expected: int | None = None


class Outcome(NamedTuple):
    """Whether it was done; what a read found (None: nothing was ever written)."""

    done: bool = True
    value: int | None = None


def _step(state: int | None, call: Call, outcome: Outcome | None) -> tuple[bool, int | None]:
    if call.verb == "read":
        return outcome is None or outcome.value == state, state
    if call.verb == "write":
        return True, call.value
    fits = state == call.expected
    return outcome is None or outcome.done == fits, call.value if fits else state


def _inert(call: Call, outcome: Outcome | None) -> bool:
    return call.verb == "read" or (outcome is not None and not outcome.done)


def _words(call: Call, outcome: Outcome | None) -> str:
    if call.verb == "read":
        return "read" if outcome is None else f"read {'nothing' if outcome.value is None else outcome.value}"
    asked = f"write {call.value}" if call.verb == "write" else f"swap {call.expected} for {call.value}"
    return asked if outcome is None else f"{asked}: {'done' if outcome.done else 'refused'}"


REGISTER: Final[Model[int | None, Call, Outcome]] = Model(None, _step, _inert, _words)

"""What the server owes: every value a key may have now, given what was acknowledged and what nobody knows.

Each key has one writer at a time, so its states form one sequence. `possible` is the set of states it may be in: one
after an acknowledged write, two (before and after) when the outcome is unknown. A state is the number of a write, or
ABSENT. Whoever reads is told what was possible at any moment of the read; anything else is a violation.

Told apart, since they break different promises (durability-and-chaos: invariants 1, 2, 3 and 5):

- `wrong-bytes`: what came is no write of this key at all, neither old nor new (a mixture, a foreign object, a flip);
- `old-or-new`: it is a write of this key that was not the state at any moment of the read (stale, or come back);
- `lost`: nothing is there although every possible state is something; `ghost`: the other way round.

Safe for many threads. Contents are made again for comparison and never kept.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from cybous3.lab.chaos.plan import content

ABSENT: Final = 0
Verdict = Literal["wrong-bytes", "old-or-new", "lost", "ghost"]
Outcome = Literal["done", "refused", "unknown", "late"]
"""`refused`: it certainly did not happen. `unknown`: it did or did not. `late`: likewise, and it may yet happen."""


class Violation(NamedTuple):
    """One broken promise, and everything needed to look at it again."""

    check: Verdict
    key: str
    detail: str


@dataclass(slots=True)
class _Key:
    sizes: list[int] = field(default_factory=lambda: [0])  # of each write, by number; number 0 is ABSENT
    possible: frozenset[int] = frozenset({ABSENT})
    pending: int | None = None
    acknowledged: int = 0
    unknown: int = 0
    retired: bool = False  # an operation may still arrive late: nobody writes here any more
    readers: list[set[int]] = field(default_factory=list)


class Write(NamedTuple):
    """A write that has begun."""

    key: str
    number: int
    state: int  # what the key will be in: `number`, or ABSENT for a delete


class Read(NamedTuple):
    """A read that has begun: what the key may have been in since."""

    key: str
    allowed: set[int]


class Oracle:
    """The expected contents of everything the load wrote."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._keys: dict[str, _Key] = {}
        self._lock = threading.Lock()

    def begin_write(self, key: str, size: int | None) -> tuple[Write, bytes]:
        """Note that a put of `size` bytes begins, or a delete (None), and return it with the bytes to send."""
        with self._lock:
            known = self._keys.setdefault(key, _Key())
            number = ABSENT
            if size is not None:
                known.sizes.append(size)
                number = len(known.sizes) - 1
            known.pending = number
            for reader in known.readers:
                reader.add(number)
        return Write(key, number, number), b"" if size is None else content(self._seed, key, number, size)

    def settle(self, write: Write, outcome: Outcome) -> None:
        """Note how a write ended."""
        with self._lock:
            known = self._keys[write.key]
            known.pending = None
            if outcome == "done":
                known.possible = frozenset({write.state})
                known.acknowledged += 1
            elif outcome != "refused":
                known.possible |= {write.state}
                known.unknown += 1
                known.retired |= outcome == "late"

    def retire(self, key: str) -> None:
        """Note that an earlier attempt of an acknowledged write may yet arrive: it would bring the same bytes again."""
        with self._lock:
            self._keys[key].retired = True

    def retired(self, key: str) -> bool:
        """Tell whether nobody is to write here any more."""
        with self._lock:
            return key in self._keys and self._keys[key].retired

    def begin_read(self, key: str) -> Read:
        """Note that a read begins."""
        with self._lock:
            known = self._keys.setdefault(key, _Key())
            allowed = set(known.possible) | ({known.pending} if known.pending is not None else set())
            known.readers.append(allowed)
        return Read(key, allowed)

    def end_read(self, read: Read, body: bytes | None) -> Violation | None:
        """Judge what a read brought; None for `body` is "not found"."""
        allowed, sizes = self._ended(read)
        if body is None:
            return None if ABSENT in allowed else Violation("lost", read.key, f"not found, wanted {_shown(allowed)}")
        states = [state for state in range(1, len(sizes)) if sizes[state] == len(body)]
        found = [state for state in states if content(self._seed, read.key, state, len(body)) == body]
        if not found:
            return Violation("wrong-bytes", read.key, f"{len(body)} bytes that nobody wrote there")
        if allowed.intersection(found):
            return None
        kind: Verdict = "ghost" if allowed == {ABSENT} else "old-or-new"
        return Violation(kind, read.key, f"found {_shown(found)}, wanted {_shown(allowed)}")

    def drop_read(self, read: Read) -> None:
        """Forget a read that failed: an error is no lie."""
        self._ended(read)

    def listed(self, present: Iterable[str], prefix: str) -> list[Violation]:
        """Judge a complete listing of `prefix`, taken while nothing else happened."""
        there = set(present)
        with self._lock:
            known = {key: one.possible for key, one in self._keys.items() if key.startswith(prefix)}
        lost = [Violation("lost", k, "not listed") for k, p in known.items() if k not in there and ABSENT not in p]
        ghosts = [
            Violation("ghost", k, "listed, and deleted") for k, p in known.items() if k in there and p == {ABSENT}
        ]
        strange = [Violation("ghost", k, "listed, and never written") for k in sorted(there - known.keys())]
        return [*lost, *ghosts, *strange]

    def keys(self) -> list[str]:
        """Return every key that was ever touched, in order."""
        with self._lock:
            return sorted(self._keys)

    def acknowledged(self, key: str) -> bool:
        """Tell whether the state of a key is certain, so that it is the acknowledged write that is read back."""
        with self._lock:
            return len(self._keys[key].possible) == 1

    def counts(self) -> Mapping[str, int]:
        """Return how many writes were acknowledged, how many ended unknown, and how many objects there must be."""
        with self._lock:
            known = list(self._keys.values())
        return {
            "acknowledged": sum(one.acknowledged for one in known),
            "unknown": sum(one.unknown for one in known),
            "objects": sum(ABSENT not in one.possible for one in known),
            "retired_keys": sum(one.retired for one in known),
        }

    def _ended(self, read: Read) -> tuple[set[int], list[int]]:
        with self._lock:
            known = self._keys[read.key]
            known.readers = [reader for reader in known.readers if reader is not read.allowed]
            return set(read.allowed), list(known.sizes)


class Claims:
    """Races for one key each, by writes that may only create: at most one wins, and the object is the winner's."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._asked: dict[str, dict[int, tuple[Outcome, int]]] = {}
        self._lock = threading.Lock()

    def body(self, key: str, client: int, size: int) -> bytes:
        """Return what `client` writes at `key`, and note that it tries."""
        with self._lock:
            self._asked.setdefault(key, {})[client] = ("unknown", size)
        return content(self._seed, key, client + 1, size)

    def settle(self, key: str, client: int, outcome: Outcome) -> None:
        """Note how it ended."""
        with self._lock:
            self._asked[key][client] = (outcome, self._asked[key][client][1])

    def keys(self) -> list[str]:
        """Return what was raced for."""
        with self._lock:
            return sorted(self._asked)

    def judge(self, read: Callable[[str], bytes | None]) -> list[str]:
        """Return what is wrong with any of the races; `read` brings what lies there now."""
        return [said for key in self.keys() if (said := self._judge(key, read(key)))]

    def _judge(self, key: str, body: bytes | None) -> str:
        asked = self._asked[key]
        winners = [client for client, (outcome, _) in asked.items() if outcome == "done"]
        maybe = [client for client, (outcome, _) in asked.items() if outcome in {"done", "unknown", "late"}]
        if len(winners) > 1:
            return f"{key}: {len(winners)} winners, {winners}"
        if body is None:
            return f"{key}: the winner's object is gone" if winners else ""
        owners = [client for client in maybe if content(self._seed, key, client + 1, asked[client][1]) == body]
        if not owners:
            return f"{key}: the object is nobody's who may have won"
        return (
            "" if not winners or winners == owners else f"{key}: {winners[0]} won, and {owners[0]}'s object lies there"
        )


def _shown(states: Iterable[int]) -> str:
    return " or ".join("nothing" if state == ABSENT else f"write {state}" for state in sorted(states))

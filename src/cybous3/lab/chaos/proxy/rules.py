"""What is done to which request, as values: a plan of rules, and the choice between them from a seed. Pure.

A rule says whom it is for (method, operation, key) and when: to the n-th of them, or with a probability, and how often
at most. The dice of a probability belong to the rule, the request's method and target, and how often that
very request was seen: threads that come in another order do not change who is hit.
"""

import fnmatch
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from cybous3.lab.chaos.proxy.messages import Asked

ANY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Match:
    """Whom a rule is for. Empty sets mean every one; `key` is a pattern with * and ?."""

    methods: frozenset[str] = ANY
    operations: frozenset[str] = ANY
    key: str = "*"

    def fits(self, asked: Asked) -> bool:
        """Tell whether the request is one of them."""
        return (
            (not self.methods or asked.method in self.methods)
            and (not self.operations or asked.operation in self.operations)
            and fnmatch.fnmatchcase(asked.key, self.key)
        )


@dataclass(frozen=True, slots=True)
class When:
    """When it strikes: at these (from 1) of its requests, or with a probability; at most so often in all."""

    nth: frozenset[int] = frozenset()
    probability: float = 1.0
    times_max: int | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with an error. `forward`: the server does it all the same, and the client is told otherwise."""

    status: int
    code: str
    forward: bool = False
    after_s: int | None = None  # Retry-After


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Deliver the request so many times; the client gets the last answer, or the first."""

    times: int = 2
    first: bool = False


@dataclass(frozen=True, slots=True)
class DropAnswer:
    """Let the server do it and close the connection without a word."""

    reset: bool = False


@dataclass(frozen=True, slots=True)
class DropRequest:
    """Close the connection; the server never hears of it."""


@dataclass(frozen=True, slots=True)
class WrongEtag:
    """Change the ETag of the answer, in its head and in a document."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Hold the answer back."""

    seconds: float


@dataclass(frozen=True, slots=True)
class CutAnswer:
    """Send the answer's head and the first `at` bytes of its body, and close."""

    at: int


@dataclass(frozen=True, slots=True)
class CutRequest:
    """Deliver the request's head and the first `at` bytes of its body, and close both ends."""

    at: int


Act = Refuse | Duplicate | DropAnswer | DropRequest | WrongEtag | Delay | CutAnswer | CutRequest


@dataclass(frozen=True, slots=True)
class Rule:
    """One sentence of a plan. Names are unique within it."""

    name: str
    act: Act
    match: Match = field(default_factory=Match)
    when: When = field(default_factory=When)


class Choice:
    """Decides, request by request, what happens: the first rule that fits and strikes. Not for two threads at once."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.rules: tuple[Rule, ...] = ()
        self._met: Counter[str] = Counter()
        self._struck: Counter[str] = Counter()
        self._seen: Counter[tuple[str, str, str]] = Counter()

    def of(self, asked: Asked) -> Rule | None:
        """Return the rule that strikes this request."""
        for rule in self.rules:
            if rule.match.fits(asked) and self._strikes(rule, asked):
                self._struck[rule.name] += 1
                return rule
        return None

    def remove(self, name: str) -> None:
        """Forget the rule of this name and what it has counted."""
        self.rules = tuple(rule for rule in self.rules if rule.name != name)
        for counts in (self._met, self._struck):
            counts.pop(name, None)
        self._seen = Counter({this: count for this, count in self._seen.items() if this[0] != name})

    def _strikes(self, rule: Rule, asked: Asked) -> bool:
        when, this = rule.when, (rule.name, asked.method, asked.target)
        self._met[rule.name] += 1
        self._seen[this] += 1
        if when.times_max is not None and self._struck[rule.name] >= when.times_max:
            return False
        if when.nth:
            return self._met[rule.name] in when.nth
        dice = random.Random(f"{self._seed}/{'/'.join(this)}/{self._seen[this]}")  # noqa: S311  # a dice, not a key
        return when.probability >= 1 or dice.random() < when.probability

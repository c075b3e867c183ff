"""From a scenario that fails to a small one that still fails, in the same check, ready to be kept as a regression.

It works on the document: every candidate is a changed document that is read again like any other, so a shrunken
scenario is exactly what a person could have written. In this order, each step on what the one before left:

1. faults are left out;
2. the load becomes a list of steps, and as many clients, operations and faults as possible are left out of it;
3. sizes become small, and what only tunes the load goes.

A fault that stands at an operation moves with the operations before it. Runs of several clients may differ from time
to time: a candidate with several gets `TRIES` chances to fail.
"""

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cybous3.core.errors import CybousError
from cybous3.lab.chaos import plan
from cybous3.lab.chaos.ddmin import Enough, least, smallest
from cybous3.lab.chaos.description import Catalogue
from cybous3.lab.chaos.scenario import Scenario, Step, from_document
from cybous3.lab.chaos.toml import dump
from cybous3.lab.chaos.units import moment

TRIES: Final = 2
STEPS_MAX: Final = 4000
_SMALL: Final = (0, 100, 20_000, 70_000)
_TUNING: Final = ("rate", "keys", "mix", "sizes", "for", "operations", "tries", "timeout")

Document = dict[str, Any]
Failing = Callable[[Scenario], Sequence[str]]
"""Runs a scenario and returns the names of the checks that failed; none if it passed or could not begin."""


@dataclass
class Shrinker:
    """One shrinking. `seconds_max` bounds it; the best so far stands when the time is over."""

    original: Scenario
    failed: frozenset[str]
    failing: Failing
    catalogue: Catalogue
    seconds_max: float = 600.0
    say: Callable[[str], None] = lambda _: None
    clock: Callable[[], float] = time.monotonic
    runs: int = 0
    best: Document = field(init=False)

    def __post_init__(self) -> None:
        self.best = copy.deepcopy(dict(self.original.document))
        self.best["seed"] = self.original.seed
        self._end = self.clock() + self.seconds_max

    def shrink(self) -> Document:
        """Return the smallest document found that fails in one of the checks the original failed in."""
        try:
            self._faults()
            self._lasting()
            self._materialise()
            self._clients()
            self._steps()
            self._faults()
            self._sizes()
            self._tuning()
        except Enough:
            self.say("the time for shrinking is over; this is the smallest so far")
        return self.best

    def text(self) -> str:
        """Return the best so far as a file, with what it is above it."""
        said = ", ".join(sorted(self.failed))
        comment = (
            f"Shrunken from {self.original.title!r}, seed {self.original.seed}, in {self.runs} runs.\nFails: {said}"
        )
        return dump(self.best, comment)

    # --- asking

    def _fails(self, document: Document) -> bool:
        try:
            scenario = from_document(document, self.catalogue)
        except CybousError:
            return False  # no scenario at all
        # One client does everything in order: what did not fail then would not fail the next time.
        for _ in range(1 if scenario.load.clients == 1 else TRIES):
            if self.clock() > self._end:
                raise Enough
            self.runs += 1
            if self.failed.intersection(self.failing(scenario)):
                return True
        return False

    def _take(self, document: Document) -> bool:
        """Try a document; it becomes the best when it fails."""
        if not self._fails(document):
            return False
        self.best = document
        self.say(_measure(document))
        return True

    def _with(self, **sections: Any) -> Document:  # noqa: ANN401  # whatever a document holds
        return {**copy.deepcopy(self.best), **sections}

    # --- the moves

    def _faults(self) -> None:
        faults = self.best.get("faults", [])
        least(faults, lambda some: self._take(self._with(faults=list(some))), lambda _: None)

    def _lasting(self) -> None:
        """Let faults happen once where once is enough."""
        for number, fault in enumerate(self.best.get("faults", [])):
            if "times" in fault:
                once = {name: value for name, value in fault.items() if name not in {"times", "every"}}
                faults = copy.deepcopy(self.best["faults"])
                faults[number] = once
                self._take(self._with(faults=faults))

    def _materialise(self) -> None:
        """Write the steps out, as the seed gives them."""
        load = from_document(self.best, self.catalogue).load
        if load.steps or load.seconds is not None or load.operations > STEPS_MAX or load.kind != "mixed":
            return
        written = [str(step) for step in plan.steps(load, self.original.seed)]
        self._take(self._with(load={**self.best.get("load", {}), "steps": written}))

    def _clients(self) -> None:
        """Let one client do everything, one after the other: then the order is certain."""
        steps = self._parsed_steps()
        if not steps:
            return
        keys = max(step.key for step in steps) + 1
        single = [str(Step(0, step.kind, step.client * keys + step.key, step.size)) for step in steps]
        self._take(self._with(load={**self.best["load"], "clients": 1, "steps": single}))

    def _steps(self) -> None:
        steps = self._parsed_steps()
        if not steps:
            return
        count = smallest(len(steps), 1, lambda upto: self._take(self._only(range(upto))))
        indexes = list(range(min(count, len(self._parsed_steps()))))
        base = copy.deepcopy(self.best)
        least(indexes, lambda some: self._take(_kept(base, some)) if some else False, lambda _: None)

    def _only(self, indexes: Sequence[int]) -> Document:
        return _kept(copy.deepcopy(self.best), [i for i in indexes if i < len(self.best["load"]["steps"])])

    def _sizes(self) -> None:
        """Give every step the smallest size that still fails."""
        for number, step in enumerate(self._parsed_steps()):
            for size in (size for size in _SMALL if size < step.size):
                steps = list(self.best["load"]["steps"])
                steps[number] = str(Step(step.client, step.kind, step.key, size))
                if self._take(self._with(load={**self.best["load"], "steps": steps})):
                    break

    def _tuning(self) -> None:
        """Leave out what the steps make pointless, and bounds that play no part."""
        load = {name: value for name, value in self.best.get("load", {}).items() if name not in _TUNING}
        if "steps" in load and load != self.best["load"]:
            self._take(self._with(load=load))
        for section in ("during", "after", "steady", "blast"):
            if section in self.best:
                self._take({name: value for name, value in self.best.items() if name != section})

    def _parsed_steps(self) -> tuple[Step, ...]:
        return from_document(self.best, self.catalogue).load.steps


def _kept(document: Document, indexes: Sequence[int]) -> Document:
    """Return the document with only these steps; faults placed by operations move with the steps before them."""
    steps = document["load"]["steps"]
    load = {**document["load"], "steps": [steps[i] for i in indexes]}
    faults = [_moved(fault, indexes) for fault in document.get("faults", [])]
    return {**document, "load": load, "faults": faults}


def _moved(fault: Mapping[str, Any], indexes: Sequence[int]) -> Document:
    at = moment(fault["at"]) if "at" in fault else None
    if at is None or at.operations is None:
        return dict(fault)
    return {**fault, "at": f"{sum(i < at.operations for i in indexes)} operations"}


def _measure(document: Document) -> str:
    load = document.get("load", {})
    operations = len(load.get("steps", ())) or load.get("operations", "a time of")
    return f"fails with {len(document.get('faults', []))} faults and {operations} operations"

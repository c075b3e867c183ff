"""Figures in, verdict out: the named checks of a run. Pure.

Each check is one promise, with the number it has among the invariants (docs/guides/chaos.md), what was found, and what
was allowed. Nothing is judged that was not measured: a bound the scenario leaves out gives no check.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Final

from cybous3.lab.chaos.load import Record
from cybous3.lab.chaos.oracle import Violation
from cybous3.lab.chaos.scenario import Bounds, Scenario

_SHOWN_MAX: Final = 5
_P99: Final = 0.99


@dataclass(frozen=True, slots=True)
class Check:
    """One promise and whether it was kept. `phase` is before, during or after."""

    name: str
    phase: str
    passed: bool
    found: str
    bound: str
    invariant: int = 0


@dataclass
class Figures:
    """What a run measured. Times in seconds; `recovered_s` None: never, or not looked at."""

    before: Sequence[Record] = ()
    during: Sequence[Record] = ()
    after: Sequence[Record] = ()
    violations: Sequence[Violation] = ()
    read_back: int = 0
    uncertain: int = 0
    damaged: Sequence[str] = ()
    races: Sequence[str] = ()
    races_held: int = 0
    tree: Sequence[str] | None = None
    recovered_s: float | None = None
    leaked: Sequence[str] | None = None
    not_injected: Sequence[str] = ()
    out_of_bounds: Sequence[str] = field(default_factory=list)
    exit_code: int | None = 0
    own: bool = True


def percentile(seconds: Sequence[float], share: float) -> float:
    """Return the value that `share` of all do not exceed (nearest rank); 0 of none."""
    ordered = sorted(seconds)
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else 0.0


def error_rate(records: Sequence[Record]) -> float:
    """Return the share of operations that ended with an error."""
    return sum(bool(record.error) for record in records) / len(records) if records else 0.0


def judge(scenario: Scenario, figures: Figures) -> list[Check]:
    """Return every check there is something to say about."""
    checks = [
        *phase_checks("before", scenario.steady, figures.before),
        *phase_checks("during", scenario.during, figures.during),
        *phase_checks("after", scenario.after, figures.after),
        *_contents(figures, scenario.after.damaged),
        _listed("one-winner", 4, figures.races, f"{figures.races_held} races, none with two winners"),
        _recovery(scenario.after, figures),
        *_leaks(scenario.after, figures),
        *_tree(figures),
        _listed("faults-injected", 0, figures.not_injected, "every fault happened"),
        _listed("blast-radius", 0, figures.out_of_bounds, "kept"),
    ]
    if figures.own:
        ended = "killed" if figures.exit_code is None else f"exit code {figures.exit_code}"
        checks.append(Check("orderly-end", "after", figures.exit_code == 0, ended, "exit code 0", 10))
    return checks


def phase_checks(phase: str, bounds: Bounds, records: Sequence[Record]) -> list[Check]:
    """Return how the operations of one phase compare with its bounds. What nothing was measured for is not kept."""
    checks = []
    if bounds.error_rate is not None:
        rate = error_rate(records)
        found, kept = f"{rate:.2%} of {len(records)}", rate <= bounds.error_rate
        checks.append(_shown("error-rate", phase, len(records), kept, found, f"at most {bounds.error_rate:.2%}"))
    if bounds.p99_s is not None:
        timed = [record.seconds for record in records if not record.error]
        slow = percentile(timed, _P99)
        kept = slow <= bounds.p99_s
        checks.append(_shown("p99", phase, len(timed), kept, f"{slow:.3f} s", f"at most {bounds.p99_s:g} s"))
    return checks


def _shown(name: str, phase: str, measured: int, kept: bool, found: str, bound: str) -> Check:  # noqa: FBT001  # a row
    """Return a check of figures; of no figures it is not passed, and says so."""
    if not measured:
        which = "no operation" if name == "error-rate" else "no successful operation"
        return Check(name, phase, passed=False, found=f"not shown: {which} in this phase", bound=bound)
    return Check(name, phase, kept, found, bound)


_KINDS: Final[Sequence[tuple[str, int, Callable[[Violation], bool]]]] = (
    ("acknowledged-durable", 1, lambda one: one.check == "lost"),
    ("unacknowledged-whole", 2, lambda one: one.check == "ghost"),
    ("old-or-new", 3, lambda one: one.check == "old-or-new"),
    ("no-wrong-bytes", 5, lambda one: one.check == "wrong-bytes"),
)


def _contents(figures: Figures, damaged_max: int) -> list[Check]:
    read = f"{figures.read_back} keys read back, {figures.uncertain} of unknown outcome"
    checks = [
        _listed(name, number, [f"{one.key}: {one.detail}" for one in figures.violations if mine(one)], read)
        for name, number, mine in _KINDS
    ]
    enough = len(figures.damaged) <= damaged_max
    found = _some(figures.damaged) or "none"
    checks.append(Check("unreadable", "after", enough, found, f"at most {damaged_max}", 5))
    return checks


def _listed(name: str, invariant: int, wrong: Sequence[str], fine: str) -> Check:
    return Check(name, "all", not wrong, _some(wrong) or fine, "none", invariant)


def _some(wrong: Sequence[str]) -> str:
    more = f" and {len(wrong) - _SHOWN_MAX} more" if len(wrong) > _SHOWN_MAX else ""
    return "; ".join(wrong[:_SHOWN_MAX]) + more


def _recovery(bounds: Bounds, figures: Figures) -> Check:
    limit = READY_S if bounds.ready_s is None else bounds.ready_s
    found = figures.recovered_s
    passed = found is not None and found <= limit
    return Check("recovery", "after", passed, "never" if found is None else f"{found:.2f} s", f"within {limit:g} s", 9)


READY_S: Final = 30.0
"""Within this the steady state is back after the last fault, unless the scenario says otherwise."""


def _tree(figures: Figures) -> list[Check]:
    if figures.tree is None:
        return []
    return [_listed("no-key-lost", 8, figures.tree, "a second run completed; the words alone brought all files back")]


def _leaks(bounds: Bounds, figures: Figures) -> list[Check]:
    if bounds.leaked is None or figures.leaked is None:
        return []
    found = _some(figures.leaked) or "none, after everything was deleted"
    return [Check("leaks", "after", len(figures.leaked) <= bounds.leaked, found, f"at most {bounds.leaked} files", 2)]

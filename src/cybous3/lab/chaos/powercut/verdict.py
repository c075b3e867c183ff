"""What the cuts came to: figures, and the first few examples of every kind of broken promise. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from cybous3.lab.chaos.powercut.check import CHECKS, LEAKED, Finding
from cybous3.lab.chaos.powercut.replay import Outcome

EXAMPLES_MAX: Final = 3
"""How many broken promises of one kind are shown."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The sum of some cuts. `cuts_broken`: at how many of them anything was wrong."""

    name: str
    cuts: int
    cuts_broken: int
    found: dict[str, int]
    examples: tuple[dict[str, str], ...]
    recovery_s_max: float
    processes: int
    boundaries: int | None = None  # where every place was cut: how many there are

    @property
    def passed(self) -> bool:
        """Whether every promise was kept at every cut, and there was a cut at all."""
        return (self.cuts > 0 or self.boundaries == 0) and not self.cuts_broken

    def to_json(self) -> dict[str, Any]:
        """Return plain values; one figure for each check, zeros too."""
        figures = {check.replace(" ", "_"): self.found.get(check, 0) for check in CHECKS}
        return {
            "name": self.name,
            **({} if self.boundaries is None else {"boundaries": self.boundaries}),
            "cuts": self.cuts,
            "cuts_broken": self.cuts_broken,
            **figures,
            "recovery_s_max": round(self.recovery_s_max, 3),
            "opened_by_process": self.processes,
            "passed": self.passed,
            "examples": list(self.examples),
        }


def sum_up(name: str, outcomes: Sequence[Outcome], boundaries: int | None = None, mode: str = "strict") -> Verdict:
    """Return the verdict on some cuts. In a mode of less than `strict` leaks are counted and break no promise.

    There the mark of a write is not synced before its name, so a cut may leave the one without the other: room is
    lost, which `server fsck` gives back, and no object.
    """
    found = Counter(finding.check for outcome in outcomes for finding in outcome.findings)
    return Verdict(
        name,
        cuts=len(outcomes),
        cuts_broken=sum(any(_breaks(finding, mode) for finding in outcome.findings) for outcome in outcomes),
        found=dict(found),
        examples=_examples(outcomes),
        recovery_s_max=max((outcome.recovery_s or 0.0 for outcome in outcomes), default=0.0),
        processes=sum(outcome.process for outcome in outcomes),
        boundaries=boundaries,
    )


def _breaks(finding: Finding, mode: str) -> bool:
    return mode == "strict" or finding.check != LEAKED


def _examples(outcomes: Sequence[Outcome]) -> tuple[dict[str, str], ...]:
    shown: Counter[str] = Counter()
    examples = []
    for outcome in sorted(outcomes, key=lambda outcome: outcome.cut.before):
        for finding in outcome.findings:
            shown[finding.check] += 1
            if shown[finding.check] <= EXAMPLES_MAX:
                told = {"check": finding.check, "subject": finding.subject, "detail": finding.detail}
                examples.append({**told, "cut": str(outcome.cut)})
    return tuple(examples)

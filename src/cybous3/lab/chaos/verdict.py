"""What a run ends with: a value, its JSON document, and what a terminal shows of it. Pure.

The document (`format` 1) is described in docs/guides/chaos.md. Times are in seconds since the run began; `began` is in
seconds since the epoch.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from cybous3.lab.chaos.checks import Check, error_rate, percentile
from cybous3.lab.chaos.injecting import Happened
from cybous3.lab.chaos.load import Record
from cybous3.lab.chaos.scenario import Scenario

FORMAT: Final = 1
_COLUMNS: Final = 120  # how finely the timeline is cut
_DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class Phase:
    """One part of a run."""

    name: str
    began_s: float
    ended_s: float


@dataclass(frozen=True)
class Verdict:
    """One run, judged."""

    scenario: Scenario
    fingerprint: str
    began: float
    seconds: float
    checks: Sequence[Check]
    phases: Sequence[Phase]
    faults: Sequence[Happened]
    records: Sequence[Record]
    counts: Mapping[str, int]
    extra: Mapping[str, Any] | None = None
    server_log: str = field(default="", repr=False)

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def failed(self) -> list[Check]:
        """The checks that did not."""
        return [check for check in self.checks if not check.passed]

    def document(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {
            "format": FORMAT,
            "title": self.scenario.title,
            "verdict": "passed" if self.passed else "failed",
            "seed": self.scenario.seed,
            "plan": {"fingerprint": self.fingerprint, "operations": len(self.records), "faults": len(self.faults)},
            "began": round(self.began, 3),
            "seconds": round(self.seconds, 3),
            "checks": [asdict(check) for check in self.checks],
            "phases": [_rounded(asdict(phase)) for phase in self.phases],
            "faults": [_fault(one) for one in self.faults],
            "operations": _by_kind(self.records),
            "errors": dict(Counter(record.error for record in self.records if record.error).most_common()),
            "contents": dict(self.counts),
            "timeline": timeline(self.records, self.seconds),
            "scenario": dict(self.scenario.document),
            **(self.extra or {}),
        }

    def lines(self) -> list[str]:
        """Return what a person is told at the end."""
        counts = self.counts
        summary = (
            f"{len(self.records)} operations, {counts['acknowledged']} writes acknowledged, "
            f"{counts['unknown']} of unknown outcome, {len(self.faults)} faults, {self.seconds:.1f} s"
        )
        return [f"{'PASSED' if self.passed else 'FAILED'}  {self.scenario.title}  (seed {self.scenario.seed})", summary]

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return the checks as a table: mark, name, found, bound."""
        return [
            ("ok" if check.passed else "FAIL", f"{check.name} ({check.phase})", check.found, check.bound)
            for check in self.checks
        ]


COLUMNS: Final = ("", "check", "found", "allowed")


def timeline(records: Sequence[Record], seconds: float, columns: int = _COLUMNS) -> list[dict[str, float]]:
    """Return the load over time: how many operations began in each slice, how many failed, and their 99th percentile.

    Slices in which nothing began are there too: a gap is what one looks for.
    """
    width = max(seconds, 1e-9) / columns
    slices: list[list[Record]] = [[] for _ in range(columns)]
    for record in records:
        slices[min(columns - 1, max(0, int(record.begun_s / width)))].append(record)
    return [
        {
            "at_s": round(number * width, _DIGITS),
            "operations": len(inside),
            "errors": sum(bool(record.error) for record in inside),
            "p99_s": round(percentile([record.seconds for record in inside], 0.99), _DIGITS),
        }
        for number, inside in enumerate(slices)
    ]


def _by_kind(records: Sequence[Record]) -> dict[str, dict[str, float]]:
    kinds = sorted({record.kind for record in records})
    return {kind: _figures([record for record in records if record.kind == kind]) for kind in kinds}


def _figures(records: Sequence[Record]) -> dict[str, float]:
    seconds = [record.seconds for record in records if not record.error]
    return {
        "count": len(records),
        "error_rate": round(error_rate(records), _DIGITS),
        "p50_s": round(percentile(seconds, 0.5), _DIGITS),
        "p99_s": round(percentile(seconds, 0.99), _DIGITS),
        "max_s": round(max(seconds, default=0.0), _DIGITS),
    }


def _fault(one: Happened) -> dict[str, Any]:
    placed = one.placed
    return _rounded(
        {
            "name": placed.injection.fault,
            "on": placed.injection.on,
            "at": str(placed.at),
            "at_operation": one.at_operation,
            "began_s": one.began_s,
            "ended_s": one.ended_s,
            "did": one.did,
            "ended_why": one.ended_why,
            "problem": one.problem,
        }
    )


def _rounded(plain: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, _DIGITS) if isinstance(value, float) else value for name, value in plain.items()}

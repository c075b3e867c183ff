"""What a check is, and what becomes of it. A requirement's verdict follows from those of its checks."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from cybous3.lab.chaos.s3contract.ground import Ground, Untestable
from cybous3.lab.chaos.s3contract.requirements import REQUIREMENTS, Requirement

Verdict = Literal["pass", "fail", "not testable"]


class Check(NamedTuple):
    """One concrete check. `look` returns a line about what it did; it raises to fail, Untestable to say why not."""

    requirement: str
    name: str
    look: Callable[[Ground], str]


@dataclass(frozen=True, slots=True)
class Result:
    """One check's outcome."""

    requirement: str
    name: str
    verdict: Verdict
    detail: str
    seconds: float


def run(checks: Iterable[Check], ground: Ground) -> Iterator[Result]:
    """Yield each check's outcome, in order. Nothing is tried again; a defect in a check is its failure, and named."""
    for check in checks:
        begun = time.monotonic()
        verdict: Verdict = "pass"
        try:
            detail = check.look(ground)
        except Untestable as reason:
            verdict, detail = "not testable", str(reason)
        except Exception as error:  # noqa: BLE001  # whatever goes wrong is this check's outcome
            verdict, detail = "fail", str(error) or type(error).__name__
            ground.me.close()
        yield Result(check.requirement, check.name, verdict, detail, time.monotonic() - begun)


def verdict_of(results: Sequence[Result], requirement: Requirement) -> Verdict | None:
    """Return fail if any check failed, pass if any passed, else not testable; None: nothing was looked at."""
    verdicts = {result.verdict for result in results if result.requirement == requirement.id}
    order: tuple[Verdict, ...] = ("fail", "pass", "not testable")
    return next((verdict for verdict in order if verdict in verdicts), None)


def summary(results: Sequence[Result]) -> dict[str, Verdict]:
    """Return the verdict of every requirement that was looked at, in order."""
    found = ((requirement.id, verdict_of(results, requirement)) for requirement in REQUIREMENTS)
    return {number: verdict for number, verdict in found if verdict is not None}

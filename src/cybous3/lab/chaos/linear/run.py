"""What `cybs3 chaos linear` does: histories of one endpoint, recorded, judged and explained; and races counted.

Works below a prefix of a bucket that somebody else makes and removes. Nothing is repeated, nothing is retried: one
history that no order explains is a fault of the endpoint.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from cybous3.lab.chaos.caller import Site
from cybous3.lab.chaos.linear.checker import check
from cybous3.lab.chaos.linear.explain import contradiction, words
from cybous3.lab.chaos.linear.objects import OBJECT
from cybous3.lab.chaos.linear.record import Plan, Recorded, record


@dataclass(frozen=True, slots=True)
class Judged:
    """One history's outcome. `unknown`: operations whose answer never came. `why` is empty if it is in order."""

    seed: int
    operations: int
    unknown: int
    keys: int
    crashed: bool
    record_s: float
    check_s: float
    configurations: int
    why: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether an order explains everything that was answered."""
        return not self.why


def histories(
    site: Site, plan: Plan, count: int, *, crash: Callable[[], None] | None = None, crash_every: int = 0
) -> Iterator[Judged]:
    """Yield `count` histories, each with a seed and keys of its own; in every `crash_every`th, `crash` runs beside.

    Raises CannotRecord, TooHard.
    """
    for number in range(count):
        crashing = crash if crash_every and number % crash_every == crash_every - 1 else None
        seed = plan.seed + number
        mine = replace(plan, seed=seed, prefix=f"{plan.prefix}{seed}/")
        begun = time.monotonic()
        recorded = record(site, mine, crashing)
        yield judge(recorded, seed, crashed=crashing is not None, record_s=time.monotonic() - begun)


def judge(recorded: Recorded, seed: int, *, crashed: bool, record_s: float) -> Judged:
    """Judge a recorded history. Raises TooHard."""
    begun = time.monotonic()
    verdict = check(OBJECT, recorded.operations)
    why = list(recorded.problems)
    if verdict.rejected is not None:
        why += words(OBJECT, contradiction(OBJECT, recorded.operations, verdict.rejected))
    return Judged(
        seed,
        len(recorded.operations),
        recorded.unknown,
        len({operation.key for operation in recorded.operations}),
        crashed,
        record_s,
        time.monotonic() - begun,
        verdict.configurations,
        tuple(why),
    )

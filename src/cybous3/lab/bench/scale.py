"""How far it goes: load is raised until a promise breaks, and a law is fitted through what was measured on the way.

Four ramps. `clients` doubles the clients of a closed loop; `rate` raises the rate of an open loop and then closes in on
the last rate that holds; `workers` starts our own server with more and more processes; `objects` lets the bucket grow
by tens and looks whether GET, PUT and a page of LIST stay flat.

The knee is the last load within the objective (p99, share of errors). Every step is told, the ones beyond the knee
too. Deciding what comes next is pure; measuring is done by what the caller hands in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from cybous3.lab.bench.result import Block, Latency, merged_ops
from cybous3.lab.bench.usl import POINTS_MIN, Fit, fit

RATE_STEP_MIN: Final = 1.1
"""A knee is known well enough when the next rate that breaks is within a tenth."""

DROP: Final = 0.7
"""A ramp of clients ends when throughput stays below this share of its best: further load only costs time."""

FALLEN: Final = 2
"""In so many steps after each other."""

FLAT: Final = 1.5
"""A median at many objects may be this many times that at few and still count as flat."""


@dataclass(frozen=True, slots=True)
class Objective:
    """What must hold: the 99th percentile below `p99_ms`, and at most `errors` of all operations failed."""

    p99_ms: float = 50.0
    errors: float = 0.001

    def broken_by(self, step: "Step") -> str:
        """Return what is not held, "" if all is."""
        if step.errors > self.errors:
            return f"errors {step.errors:.2%} > {self.errors:.2%}"
        if step.p99_us > self.p99_ms * 1000:
            return f"p99 {step.p99_us / 1000:.1f} ms > {self.p99_ms:g} ms"
        return ""


@dataclass(frozen=True, slots=True)
class Step:
    """What one load gave. Times count from the intended start; `errors` is the share of all operations that failed.

    `generator` is the share of a core that the load generator used: near 1 the figures are its own.
    """

    load: float
    throughput: float
    p50_us: float
    p99_us: float
    errors: float = 0.0
    generator: float = 0.0
    interrupted: bool = False


def step_of(load: float, blocks: Sequence[Block]) -> Step:
    """Return the blocks of one load as a step: median throughput, times and errors of all of them."""
    times = Latency.merged([op.response for op in merged_ops(blocks)])
    count, failed = sum(block.count for block in blocks), sum(block.failed for block in blocks)
    return Step(
        load,
        median(block.throughput for block in blocks),
        times.p50_us,
        times.p99_us,
        failed / count if count else 1.0,
        max(block.generator_cpu_share for block in blocks),
        any(block.interrupted for block in blocks),
    )


@dataclass(frozen=True, slots=True)
class Ramp:
    """One ramp: its steps in order of load, and what they say. `fitted` None: too few steps for a curve."""

    over: str
    steps: tuple[Step, ...]
    objective: Objective
    fitted: Fit | None = None

    @property
    def knee(self) -> Step | None:
        """The last step within the objective below the first that breaks it; None if even the first breaks it."""
        found = None
        for step in self.steps:
            if self.objective.broken_by(step):
                return found
            found = step
        return found

    @property
    def broke(self) -> str:
        """What ended it; "" where no step broke the objective."""
        return next((why for step in self.steps if (why := self.objective.broken_by(step))), "")

    @property
    def interrupted(self) -> bool:
        """Whether it ended before its time."""
        return any(step.interrupted for step in self.steps)


Measure = Callable[[float], Step]
"""Applies a load and returns what it gave."""

Next = Callable[[Sequence[Step], Objective], float | None]
"""From the steps so far, in the order they were made, to the next load; None ends the ramp."""


def climb(over: str, first: float, following: Next, objective: Objective, measure: Measure) -> Ramp:
    """Measure load after load, and fit the law where it says something."""
    steps = [measure(first)]
    while not steps[-1].interrupted and (load := following(steps, objective)) is not None:
        steps.append(measure(load))
    ordered = tuple(sorted(steps, key=lambda step: step.load))
    return Ramp(over, ordered, objective, law(over, ordered))


def law(over: str, steps: Sequence[Step]) -> Fit | None:
    """Return the fitted law over clients or workers; None for a rate (which says what came in) or too few steps."""
    points = [(step.load, step.throughput) for step in steps if step.throughput > 0 and not step.interrupted]
    if over not in {"clients", "workers"} or len({load for load, _ in points}) < POINTS_MIN:
        return None
    return fit(points)


def doubling(most: float) -> Next:
    """Double, up to `most`; end one step beyond the objective, or when throughput fell."""

    def following(steps: Sequence[Step], objective: Objective) -> float | None:
        last = steps[-1]
        if objective.broken_by(last) or fell(steps) or last.load >= most:
            return None
        return min(last.load * 2, most)

    return following


def fell(steps: Sequence[Step]) -> bool:
    """Whether throughput clearly fell: in the last two steps, since one may be a disturbance."""
    best = max(step.throughput for step in steps)
    return len(steps) > FALLEN and all(step.throughput < best * DROP for step in steps[-FALLEN:])


def closing_in(most: float) -> Next:
    """Double until a rate breaks, then halve the distance (of the logarithms) until it is within a tenth."""

    def following(steps: Sequence[Step], objective: Objective) -> float | None:
        bad = min((step.load for step in steps if objective.broken_by(step)), default=None)
        good = max((step.load for step in steps if not objective.broken_by(step) and _below(step, bad)), default=None)
        if bad is None:
            return None if good is None or good >= most else min(good * 2, most)
        if good is None:
            return bad / 4 if bad > 1 else None
        return None if bad / good <= RATE_STEP_MIN else float(round((bad * good) ** 0.5, 1))

    return following


def _below(step: Step, bad: float | None) -> bool:
    return bad is None or step.load < bad


def counted(loads: Sequence[float]) -> Next:
    """Take the loads one after the other, whatever happens: a curve over workers wants all its points."""

    def following(steps: Sequence[Step], objective: Objective) -> float | None:
        del objective
        return loads[len(steps)] if len(steps) < len(loads) else None

    return following


@dataclass(frozen=True, slots=True)
class Size:
    """Medians in a bucket of so many objects, in microseconds: GET, PUT, and a page of 1,000 keys."""

    objects: int
    get_us: float
    put_us: float
    list_us: float

    def times(self, first: "Size") -> dict[str, float]:
        """Return each median as a multiple of that in the smallest bucket."""
        pairs = {
            "GET": (self.get_us, first.get_us),
            "PUT": (self.put_us, first.put_us),
            "LIST": (self.list_us, first.list_us),
        }
        return {name: mine / theirs if theirs else float("nan") for name, (mine, theirs) in pairs.items()}


@dataclass(frozen=True, slots=True)
class Growth:
    """What a growing bucket costs."""

    sizes: tuple[Size, ...]
    interrupted: bool = False

    @property
    def worst(self) -> dict[str, float]:
        """For each operation the largest multiple of its median in the smallest bucket."""
        found: dict[str, float] = {}
        for size in self.sizes[1:]:
            for name, times in size.times(self.sizes[0]).items():
                found[name] = max(times, found.get(name, 0.0))
        return found

    @property
    def flat(self) -> bool | None:
        """Whether every median stays within FLAT; None with a single size, which says nothing."""
        return all(times <= FLAT for times in self.worst.values()) if self.worst else None


def tens(first: int, last: int) -> tuple[int, ...]:
    """Return first, ten times first, ... up to last, which is always the end."""
    counts = []
    while first < last:
        counts.append(first)
        first *= 10
    return (*counts, last)

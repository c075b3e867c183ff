"""A soak: minutes of mixed load with faults drawn from a seed, and every process watched for what it gathers.

Everything is judged as in any run. A soak is a scenario that is drawn instead of written: the same seed draws the same
faults at the same times. Between faults there is peace, so that the steady state is seen to come back again and again.
"""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import psutil

from cybous3.lab.chaos import trend
from cybous3.lab.chaos.checks import Check
from cybous3.lab.chaos.description import Catalogue
from cybous3.lab.chaos.engine import Around, run
from cybous3.lab.chaos.faults.registry import CATALOGUE, FAULTS
from cybous3.lab.chaos.gate import Gate
from cybous3.lab.chaos.scenario import Scenario, from_document
from cybous3.lab.chaos.site import Site
from cybous3.lab.chaos.verdict import Verdict

SAMPLES: Final = 240
_FIRST_S: Final = 0.1  # of the run: peace at the beginning, and at the end
_WORKERS: Final = 2

Document = dict[str, Any]
Draw = Callable[[random.Random], Document]

# What a soak draws from. Each lasts a moment; whatever needs more than a moment to show has a scenario of its own.
MENU: Final[Mapping[str, Draw]] = {
    "process.kill": lambda chance: {"on": chance.choice(["worker", "worker", "server"]), "for": "300ms"},
    "process.pause": lambda chance: {"on": "worker", "for": f"{chance.randrange(200, 1500)}ms"},
    "process.terminate": lambda _: {"on": "worker"},
    "process.descriptors": lambda _: {"on": "worker", "limit": 64, "for": "1s"},
    "disk.slow": lambda chance: {"delay": f"{chance.randrange(5, 60)}ms", "for": "1500ms"},
    "disk.fsync_error": lambda chance: {"every_nth": chance.randrange(2, 6), "for": "700ms"},
    "disk.error": lambda chance: {"every_nth": chance.randrange(2, 6), "for": "700ms"},
    "clock.jump": lambda chance: {"by": f"{chance.choice([-1200, 1200])}s", "for": "600ms"},
}


def drawn(seconds: float, seed: int, *, rate: str = "150/s", lacking: Sequence[str] = ()) -> Document:
    """Return the document of a soak: about one fault in five seconds, in the middle four fifths of the time."""
    chance = random.Random(f"{seed}/soak")  # noqa: S311  # a plan that can be repeated, not a secret
    names = [name for name in MENU if name not in lacking]
    count = max(2, round(seconds / 5))
    begin, room = seconds * _FIRST_S, seconds * (1 - 2 * _FIRST_S) / count
    faults = []
    for number in range(count):
        name = chance.choice(names)
        at = begin + room * number + chance.random() * room * 0.3
        faults.append({"name": name, "at": f"{at:.3f}s", **MENU[name](chance)})
    return {
        "title": f"A soak of {seconds:g} s",
        "seed": seed,
        "target": {"workers": _WORKERS},
        "load": {
            "clients": 4,
            "keys": 60,
            "for": f"{seconds:g}s",
            "rate": rate,
            "sizes": "1KiB:60,40KiB:30,300KiB:10",
            "mix": {"put": 25, "overwrite": 15, "get": 35, "delete": 12, "list": 3, "multipart": 5, "claim": 5},
        },
        "steady": {"error_rate": "0%", "p99": "5s", "ready": "30s", "leaked": 0},
        "blast": {"operations": 100_000},
        "faults": faults,
    }


def soak_scenario(seconds: float, seed: int, catalogue: Catalogue = CATALOGUE) -> Scenario:
    """Return the scenario of a soak with the faults that are possible on this machine."""
    lacking = [name for name in MENU if FAULTS[name].lacks()]
    return from_document(drawn(seconds, seed, lacking=lacking), catalogue)


@dataclass
class Watch:
    """Samples memory and descriptors of every process of the server, every `every_s` seconds.

    A process is told from another by its number and its start, and counted anew when it was replaced.
    """

    every_s: float
    clock: Callable[[], float] = time.monotonic
    memory: dict[str, list[trend.Sample]] = field(default_factory=lambda: defaultdict(list))
    descriptors: dict[str, list[trend.Sample]] = field(default_factory=lambda: defaultdict(list))
    _next: float = 0.0

    def __call__(self, site: Site, gate: Gate) -> None:
        """Take a sample when one is due."""
        del gate  # time is what counts here
        now = self.clock()
        if now < self._next or site.server is None:
            return
        self._next = now + self.every_s
        first = site.server.pids("supervisor")
        for pid in site.server.pids("server"):
            self._sample("supervisor" if pid in first else "worker", pid, now)
        self._own(now)

    def _own(self, now: float) -> None:
        self._sample("the load itself", psutil.Process().pid, now)

    def _sample(self, part: str, pid: int, now: float) -> None:
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                name = f"{part} {pid}"
                self.memory[name].append((now, float(process.memory_info().rss)))
                self.descriptors[name].append((now, float(process.num_fds())))
        except psutil.Error:  # it ended while it was looked at
            return


def flatness(watch: Watch) -> tuple[list[Check], list[Document]]:
    """Return a check for each thing that may grow, and the figures of every process that lived long enough."""
    checks, rows = [], []
    watched = (("memory", watch.memory, trend.MEMORY), ("descriptors", watch.descriptors, trend.DESCRIPTORS))
    for what, series, allowance in watched:
        judged = {name: found for name, samples in series.items() if (found := trend.judge(samples, allowance))}
        own = {name: one for name, one in judged.items() if not name.startswith("the load")}
        growing = [f"{name} gained {one.gained:,.0f}" for name, one in own.items() if not one.flat]
        fine = f"{len(own)} processes, none gained more than it may"
        wrong = growing or ([] if own else ["no process lived long enough to tell"])
        checks.append(Check(f"flat-{what}", "during", not wrong, "; ".join(wrong) or fine, _allowed(allowance), 10))
        rows += [_row(name, what, one) for name, one in judged.items()]
    return checks, rows


def _allowed(allowance: trend.Allowance) -> str:
    return f"a gain of {allowance.share:.0%} or {allowance.amount:,.0f}"


def _row(name: str, what: str, one: trend.Trend) -> Document:
    return {
        "process": name,
        "what": what,
        "first": round(one.first),
        "last": round(one.last),
        "slope_per_hour": round(one.slope_per_hour),
        "gained": round(one.gained),
        "allowed": round(one.allowed),
        "flat": one.flat,
    }


def soak(scenario: Scenario, around: Around, seconds: float) -> Verdict:
    """Run a soak and return its verdict: the run's own checks, and flatness. Raises what a run raises."""
    watch = Watch(max(0.2, seconds / SAMPLES))
    verdict = run(scenario, replace(around, watch=watch))
    checks, rows = flatness(watch)
    return replace(verdict, checks=(*verdict.checks, *checks), extra={"trends": rows})

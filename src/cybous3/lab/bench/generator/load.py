"""How hard a target is worked: a closed loop of clients, or an open loop at a rate."""

from dataclasses import dataclass, replace
from typing import Final

from cybous3.lab.bench.generator.arrivals import Arrivals
from cybous3.lab.bench.workload import BadWorkload

CONNECTIONS_MAX: Final = 1024
"""So many connections an open loop may grow to, over all processes, unless told otherwise."""


@dataclass(frozen=True)
class Load:
    """`rate` None: a closed loop of `concurrency` clients, each waiting for its answer before it asks again.

    With a rate (operations a second) the loop is open: operations begin on schedule whatever the server does, on
    `concurrency` connections at first and up to `connections_max` when they do not suffice. Beyond that an operation
    waits, counted from its intended start and as late. `timeout_s` is the longest one may take.
    """

    concurrency: int = 16
    rate: float | None = None
    processes: int = 1
    arrivals: Arrivals = "poisson"
    connections_max: int = CONNECTIONS_MAX
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        if self.processes < 1 or self.concurrency < self.processes:
            raise BadWorkload(f"{self.concurrency} clients cannot be shared by {self.processes} processes")
        if self.rate is not None and not 0 < self.rate <= 1_000_000:  # noqa: PLR2004  # no generator goes faster
            raise BadWorkload(f"not a rate: {self.rate}", hint="operations a second, above 0 and up to 1,000,000")
        if self.connections_max < self.concurrency:
            raise BadWorkload(f"{self.concurrency} connections are wanted and {self.connections_max} allowed")
        if self.timeout_s <= 0:
            raise BadWorkload(f"not a timeout: {self.timeout_s}")

    def __str__(self) -> str:
        shared = f", {self.processes} processes" if self.processes > 1 else ""
        if self.rate is None:
            return f"closed loop, {self.concurrency} clients{shared}"
        return f"open loop, {self.rate:g}/s, {self.arrivals} arrivals{shared}"

    def share(self, index: int) -> "Load":
        """Return the part of process number `index`."""

        def part(whole: int) -> int:
            return whole // self.processes + (index < whole % self.processes)

        rate = None if self.rate is None else self.rate / self.processes
        clients, most = part(self.concurrency), part(self.connections_max)
        return replace(self, concurrency=clients, rate=rate, processes=1, connections_max=most)

"""A quick look at the clock beside the counters: never a gate, and printed with its own noise.

One connection, one request at a time, against the server as people run it. Wall-clock time is the client's and the
server's together; processor time is the server process's own, as the kernel keeps it, in hundredths of a second.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from cybous3.core.sigv4.credentials import Credentials
from cybous3.lab.bench.counters.caller import Caller
from cybous3.lab.bench.counters.compare import aligned
from cybous3.lab.bench.counters.scenarios import SERVER, ServerScenario
from cybous3.lab.bench.counters.subject import PlainServer

TIMED: Final = ("PUT 4 KiB", "PUT 64 KiB", "GET 4 KiB again", "GET 64 KiB", "HEAD", "LIST a page of 1,000")
BLOCKS: Final = 10
BLOCK_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Timing:
    """Microseconds for one operation: by the clock in each block, and of the server's processor over all of them."""

    scenario: str
    blocks_us: Sequence[float]
    cpu_us: float
    operations: int

    @property
    def median_us(self) -> float:
        """The median block."""
        return median(self.blocks_us)

    @property
    def noise(self) -> float:
        """Half the distance between the quartiles' blocks, as a share of the median."""
        ordered = sorted(self.blocks_us)
        quarter = len(ordered) // 4
        return (ordered[-1 - quarter] - ordered[quarter]) / 2 / self.median_us


def take(folder: Path, root: Credentials, names: Sequence[str] = TIMED, block_s: float = BLOCK_S) -> list[Timing]:
    """Time the scenarios of these names, on a server over a `folder` that was filled under `root`."""
    with PlainServer(folder, root) as subject, subject.caller() as caller:
        return [_timed(subject.pid, caller, one, block_s) for one in SERVER if one.name in names]


def _timed(pid: int, caller: Caller, scenario: ServerScenario, block_s: float) -> Timing:
    scenario.before(caller, 900)
    scenario.act(caller, 900)
    blocks, operations, cpu = [], 0, processor_s(pid)
    for _ in range(BLOCKS):
        count, begin = 0, time.perf_counter()
        while (spent := time.perf_counter() - begin) < block_s or not count:
            scenario.act(caller, 900)
            count += 1
        blocks.append(spent / count * 1e6)
        operations += count
    return Timing(scenario.name, blocks, (processor_s(pid) - cpu) / operations * 1e6, operations)


def processor_s(pid: int) -> float:
    """Return the processor time that a process has used, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def table(timings: Sequence[Timing]) -> str:
    """Return the timings for the terminal."""
    rows = [("operation", "", "one takes", "noise", "server cpu", "operations")]
    rows += [
        (
            one.scenario,
            "",
            f"{one.median_us:,.0f} us",
            f"± {one.noise:.0%}",
            f"{one.cpu_us:,.0f} us",
            f"{one.operations:,}",
        )
        for one in timings
    ]
    return aligned(rows)

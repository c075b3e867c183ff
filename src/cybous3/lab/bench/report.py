"""A run as a person reads it: one row an operation, and under what circumstances it was taken. Values in, text out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cybous3.lab.bench.result import Block, Latency, OpStats, Run, merged_ops

COLUMNS: Final = ("operation", "ops/s", "MiB/s", "mean", "p50", "p90", "p99", "p99.9", "max", "count", "errors")
_MIB: Final = 2**20
_MILLI: Final = 1000
_PRECISE_BELOW: Final = 100


@dataclass(frozen=True, slots=True)
class Used:
    """What the generator, and the server where it is ours, used of one core: 1.0 is a whole one."""

    generator: float
    server: float | None

    def __str__(self) -> str:
        server = "" if self.server is None else f", the server {self.server:.0%}"
        return f"the generator used {self.generator:.0%} of a core{server}"


def used(run: Run) -> Used:
    """Return the shares over all blocks, their warm-up included."""
    seconds = sum(block.seconds + block.warmup_s for block in run.blocks)
    if not seconds:
        return Used(0.0, None)
    servers = [block.server_cpu_s for block in run.blocks]
    known = [server for server in servers if server is not None]
    server = sum(known) / seconds if known and len(known) == len(servers) else None
    return Used(sum(block.generator_cpu_s for block in run.blocks) / seconds, server)


def circumstances(run: Run) -> str:
    """Return the line above the table: what was done to whom, and how durable its answers are."""
    sizes = "" if run.workload.kind in {"list", "stat", "delete"} else f" of {run.workload.sizes.text}"
    state = "" if run.completed else f" | INCOMPLETE: {run.note or 'ended early'}"
    return f"{run.workload.kind}{sizes} | {run.load} | {run.endpoint} | durability: {run.durability}{state}"


def rows(run: Run) -> list[Sequence[str]]:
    """Return the table's rows; an open loop has a second one for the times from the real start."""
    seconds = sum(block.seconds for block in run.blocks)
    found: list[Sequence[str]] = []
    for op in merged_ops(run.blocks):
        found.append(_row(op.name, op, op.response, seconds))
        if op.response.encoded != op.service.encoded:
            found.append(("  from its real start", "", "", *times(op.service), "", ""))
    return found


def _row(name: str, op: OpStats, latency: Latency, seconds: float) -> Sequence[str]:
    rate = (op.count - op.failed) / seconds if seconds else 0.0
    speed = op.bytes / seconds / _MIB if seconds else 0.0
    moved = f"{speed:.1f}" if op.bytes else "-"
    return name, f"{rate:.{0 if rate >= _PRECISE_BELOW else 1}f}", moved, *times(latency), str(op.count), _errors(op)


def _errors(op: OpStats) -> str:
    return ", ".join(f"{code}: {count}" for code, count in sorted(op.errors.items())) or "0"


def times(latency: Latency) -> Iterable[str]:
    """Return mean, percentiles and maximum in milliseconds, as the columns have them."""
    values = (latency.mean_us, latency.p50_us, latency.p90_us, latency.p99_us, latency.p999_us, latency.max_us)
    return [milliseconds(value) for value in values]


def milliseconds(us: float) -> str:
    """Return a time with three digits that matter: `0.412 ms`."""
    value = us / _MILLI
    return f"{value:.{3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0}f} ms"  # noqa: PLR2004  # digits


def ceiling_line(name: str, block: Block) -> str:
    """Return what the generator itself can do: against a server that does nothing, and by its own processor time."""
    cpu_us = 1e6 * block.generator_cpu_s / block.count if block.count else 0.0
    most = f", {1e6 / cpu_us:,.0f}/s if it had a core to itself" if cpu_us else ""
    return f"the generator's own ceiling, {name} of 4 KiB: {block.throughput:,.0f}/s, {cpu_us:.0f} us each{most}"

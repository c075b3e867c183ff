"""One benchmark: blocks of load on a target, kept as they come, and what its outcome means.

Kept true: what was measured is handed to `keep` before the test data is removed, so that a target that vanished, or a
person who pressed Ctrl-C, costs nobody the figures; a run that is not whole says so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cybous3.lab.bench.fingerprint import Fingerprint
from cybous3.lab.bench.generator import Load, Session
from cybous3.lab.bench.generator.session import FULL
from cybous3.lab.bench.generator.wire import CONNECTION
from cybous3.lab.bench.recorder import Recording
from cybous3.lab.bench.result import Block, Run
from cybous3.lab.bench.target import Target
from cybous3.lab.bench.workload import Workload

GENERATOR_SHARE_MAX: Final = 0.9
"""Of each of its cores: a generator that uses more than this measures itself."""

EXIT_DONE, EXIT_SOME_FAILED, EXIT_UNREACHABLE, EXIT_FULL, EXIT_INTERRUPTED = 0, 5, 20, 30, 130
Keep = Callable[[Run, Sequence[Recording]], None]


@dataclass(frozen=True, slots=True)
class Length:
    """How long to measure: blocks of so many seconds, or of so many operations."""

    seconds: float | None = 10.0
    operations: int | None = None
    blocks: int = 1


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured, and on what machine."""

    target: Target
    workload: Workload
    load: Load
    fingerprint: Fingerprint


def measure(subject: Subject, length: Length, keep: Keep) -> Run:
    """Measure, hand the run to `keep`, and remove the test data. Raises what `Session` raises."""
    blocks: list[Block] = []
    recordings: list[Recording] = []
    with Session(subject.target, subject.workload, subject.load) as session:
        session.prepare()
        while len(blocks) < length.blocks and not (blocks and blocks[-1].interrupted):
            blocks.append(session.run(length.seconds, length.operations))
            recordings += session.recordings
        run = run_of(subject, blocks, length)
        keep(run, recordings)
    return run


def run_of(subject: Subject, blocks: Sequence[Block], length: Length) -> Run:
    """Make the run of its blocks, and say what is not whole about it."""
    target, workload = subject.target, subject.workload
    sealing = workload.kind == "encrypt"
    interrupted = any(block.interrupted for block in blocks)
    return Run(
        label=target.label,
        endpoint="a store in this process's memory" if sealing else target.endpoint,
        durability="memory" if sealing else target.durability,
        workload=workload,
        load=str(subject.load),
        fingerprint=subject.fingerprint,
        blocks=tuple(blocks),
        completed=not interrupted and len(blocks) == length.blocks,
        note=f"interrupted in block {len(blocks)} of {length.blocks}" if interrupted else "",
    )


def exit_code(runs: Sequence[Run]) -> int:
    """Return what a command that measured these should end with; the gravest counts."""
    return max((_exit_code(run) for run in runs), default=EXIT_DONE)


def _exit_code(run: Run) -> int:
    if not run.completed:
        return EXIT_INTERRUPTED
    codes = {code for block in run.blocks for code in block.errors}
    if codes & FULL:
        return EXIT_FULL
    last = run.blocks[-1]
    if codes == {CONNECTION} and last.failed == last.count:
        return EXIT_UNREACHABLE
    return EXIT_SOME_FAILED if codes else EXIT_DONE


def warnings(run: Run, processes: int) -> list[str]:
    """Return what a reader of the figures must know before believing them."""
    said = [f"{code}: {count} operations failed" for code, count in _all_errors(run).items()]
    share = max((block.generator_cpu_share for block in run.blocks), default=0.0) / processes
    if share > GENERATOR_SHARE_MAX and run.workload.kind != "encrypt":
        said.append(f"the generator used {share:.0%} of a core: the figures are its own; try --processes")
    late = sum(block.late for block in run.blocks)
    if late:
        said.append(f"{late} operations found every connection in use and began late; their wait is in their times")
    if run.blocks and not sum(block.count for block in run.blocks):
        said.append("no operation ended behind the warm-up: measure longer")
    return said


def _all_errors(run: Run) -> dict[str, int]:
    found: dict[str, int] = {}
    for block in run.blocks:
        for code, count in block.errors.items():
            found[code] = found.get(code, 0) + count
    return found

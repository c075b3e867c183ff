"""`cybs3 performance benchmark`: one load, one table, everything kept."""

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import click

from cybous3.cli.options import Session, session_options
from cybous3.cli.output import Out
from cybous3.cli.performance_plots import draw, drawable, plot_option
from cybous3.cli.performance_target import notes_told, open_target, results_folder, target_options, where
from cybous3.core.sigv4.credentials import Credentials
from cybous3.lab.bench.benchmark import Length, Subject, exit_code, measure, warnings
from cybous3.lab.bench.extras import need
from cybous3.lab.bench.fingerprint import take
from cybous3.lab.bench.generator import Load
from cybous3.lab.bench.generator.arrivals import Arrivals
from cybous3.lab.bench.generator.ceiling import ceiling
from cybous3.lab.bench.generator.load import CONNECTIONS_MAX
from cybous3.lab.bench.plots.results import latencies
from cybous3.lab.bench.recorder import Recording, write_raw
from cybous3.lab.bench.report import COLUMNS, ceiling_line, circumstances, rows, used
from cybous3.lab.bench.result import Block, Run, file_name, save, write_csv, write_hlog
from cybous3.lab.bench.target import Target
from cybous3.lab.bench.workload import KINDS, MIX, BadWorkload, Kind, Workload, default_sizes, parse_size, parse_sizes


@click.command("benchmark")
@click.argument("kinds", metavar="KIND...", type=click.Choice(KINDS), nargs=-1, required=True)
@click.option(
    "--size", metavar="SIZES", help="4KiB, log2:1KiB-1MiB or 4KiB:70,64KiB:30 (default: 4KiB; larger for large)."
)
@click.option("--objects", type=click.IntRange(1), default=1000, show_default=True, help="Objects that lie there.")
@click.option("--seed", type=int, default=1, show_default=True, help="Sizes, contents and order follow from it.")
@click.option("--mix", metavar="MIX", help="Weights for mixed (default: get:45,stat:30,put:15,delete:10).")
@click.option("--part-size", metavar="SIZE", default="8MiB", show_default=True, help="Of a multipart upload.")
@click.option("--range-size", metavar="SIZE", default="64KiB", show_default=True, help="Of a ranged read.")
@click.option("--concurrency", type=click.IntRange(1), default=16, show_default=True, help="Clients of a closed loop.")
@click.option("--rate", type=float, metavar="PER_SECOND", help="Open loop: begin so many a second, whatever happens.")
@click.option(
    "--arrivals", type=click.Choice(get_args(Arrivals)), default="poisson", show_default=True, help="With --rate."
)
@click.option(
    "--connections", type=click.IntRange(1), default=CONNECTIONS_MAX, show_default=True, help="At most, with --rate."
)
@click.option("--processes", type=click.IntRange(1), default=1, show_default=True, help="Of the load generator.")
@click.option("--timeout", type=float, default=30.0, show_default=True, help="Seconds until an operation has failed.")
@click.option("--duration", type=float, metavar="SECONDS", help="Of a block, behind its warm-up (default: 10).")
@click.option("--operations", type=click.IntRange(1), help="Exactly so many a block, instead of a duration.")
@click.option("--blocks", type=click.IntRange(1), default=1, show_default=True, help="How often.")
@click.option("--label", metavar="TEXT", help="What to call the target in the results.")
@click.option("--out", "folder", type=click.Path(path_type=Path, file_okay=False), help="Where results are stored.")
@click.option("--raw", is_flag=True, help="Store every single operation as well.")
@click.option("--ceiling", "own_ceiling", is_flag=True, help="Measure first how fast the generator itself can go here.")
@plot_option
@target_options
@session_options(vault=False)
def benchmark(session: Session, *, kinds: Sequence[Kind], folder: Path | None, raw: bool, **options: Any) -> None:  # noqa: ANN401  # click's
    """Put a load on an S3 endpoint and measure it.

    KIND: put, get, list, stat, delete, mixed, multipart, range, encrypt (the client's sealing, without a server).
    """
    need("hdrh.histogram")  # before any load, not after it
    plots = drawable(options.pop("plots"))
    load, length = _load(options), _length(options)
    workloads = [_workload(kind, options) for kind in kinds]
    label, said, place = options["label"], where(options), results_folder(folder)
    fingerprint = take(place)
    only_sealing = all(kind == "encrypt" for kind in kinds)
    own = ceiling(1.0, min(load.concurrency, 64)) if options.pop("own_ceiling") else {}
    for name, block in own.items():
        session.out.note(ceiling_line(name, block))
    with notes_told(session.out), _nowhere() if only_sealing else open_target(said, place, label) as target:
        keeper = _Keeper(
            session.out, place / file_name(label or target.label, time.time()), load.processes, own, raw=raw
        )
        for workload in workloads:
            session.out.note(f"{workload.kind}: {load}")
            if not measure(Subject(target, workload, load, fingerprint), length, keeper.keep).completed:
                break
    if keeper.runs:
        draw(session.out, latencies(keeper.runs), plots)
    keeper.finish()


def _nowhere() -> nullcontext[Target]:
    return nullcontext(Target("own", "memory", Credentials("", ""), durability="memory"))


@dataclass
class _Keeper:
    """Shows each run when it is there and stores it at once; a disk that refuses is told at the end."""

    out: Out
    base: Path
    processes: int
    ceiling: Mapping[str, Block]
    raw: bool
    runs: list[Run] = field(default_factory=list)
    refused: OSError | None = None

    def keep(self, run: Run, recordings: Sequence[Recording]) -> None:
        """Show, and store."""
        self.runs.append(run)
        if not self.out.as_json:
            self.out.event({}, circumstances(run))
        self.out.table(COLUMNS, rows(run))
        if not self.out.as_json:
            self.out.event({}, f"{used(run)}\n")
        for warning in warnings(run, self.processes):
            self.out.warn(warning)
        try:
            self._store(run, recordings)
        except OSError as error:
            self.refused = error

    def _store(self, run: Run, recordings: Sequence[Recording]) -> None:
        save(run, self._file("jsonl"))
        write_csv(self.runs, self._file("csv"))
        write_hlog(self.runs, self._file("hlog"))
        if self.raw:
            write_raw(recordings, self._file("operations.jsonl"))

    def _file(self, suffix: str) -> Path:
        return self.base.with_name(f"{self.base.name}.{suffix}")

    def finish(self) -> None:
        """Say where the results are, and end with the code that the runs call for. Raises what the disk said."""
        stored = self._file("jsonl")
        own = {name: block.to_json() for name, block in self.ceiling.items()}
        found = {"file": str(stored), "runs": [run.to_json() for run in self.runs]}
        self.out.result(found | ({"ceiling": own} if own else {}), "")
        if self.refused is not None:
            raise self.refused
        self.out.note(f"stored in {stored}")
        code = exit_code(self.runs)
        if code:
            raise click.exceptions.Exit(code)


def _load(options: dict[str, Any]) -> Load:
    names = {"concurrency": "concurrency", "rate": "rate", "arrivals": "arrivals", "processes": "processes"}
    taken = {name: options.pop(option) for name, option in names.items()}
    connections, timeout_s = options.pop("connections"), options.pop("timeout")
    # A closed loop has no use for more connections than clients, and none for a limit below them.
    most = connections if taken["rate"] is not None else max(connections, taken["concurrency"])
    return Load(**taken, connections_max=most, timeout_s=timeout_s)


def _length(options: dict[str, Any]) -> Length:
    seconds, operations, blocks = (options.pop(name) for name in ("duration", "operations", "blocks"))
    if seconds is not None and operations is not None:
        raise click.UsageError("--duration and --operations exclude each other")
    if operations is not None:
        return Length(None, operations, blocks)
    if seconds is not None and seconds <= 0:
        raise click.UsageError("a duration is more than nothing")
    return Length(seconds or 10.0, None, blocks)


def _workload(kind: Kind, options: dict[str, Any]) -> Workload:
    sizes = parse_sizes(options["size"]) if options["size"] else default_sizes(kind)
    part, stretch = parse_size(options["part_size"]), parse_size(options["range_size"])
    return Workload(kind, sizes, options["objects"], options["seed"], _mix(options["mix"]), part, stretch)


def _mix(text: str | None) -> dict[str, int]:
    if text is None:
        return dict(MIX)
    pairs = [part.partition(":") for part in text.split(",")]
    if not all(weight.isdigit() for _, _, weight in pairs):
        raise BadWorkload(f"not a mix: {text!r}", hint="write it as get:45,stat:30,put:15,delete:10")
    return {name.strip(): int(weight) for name, _, weight in pairs}

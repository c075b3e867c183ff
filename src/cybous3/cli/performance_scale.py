"""`cybs3 performance scale`: raise the load until a promise breaks, and tell where."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import click

from cybous3.cli.options import Session, session_options
from cybous3.cli.performance_plots import draw, drawable, machine, plot_option
from cybous3.cli.performance_target import Where, open_target, results_folder, target_options, where
from cybous3.cli.shell import INTERRUPTED
from cybous3.lab.bench.extras import need
from cybous3.lab.bench.fingerprint import Fingerprint, take
from cybous3.lab.bench.generator import Load
from cybous3.lab.bench.plots import scaling
from cybous3.lab.bench.ramps import Ground, by_clients, by_rate, by_workers, grow
from cybous3.lab.bench.result import Block, Run, file_name, save
from cybous3.lab.bench.scale import Growth, Objective, Ramp, climb, closing_in, counted, doubling, tens
from cybous3.lab.bench.target import Target
from cybous3.lab.bench.workload import Workload, parse_sizes

OVERS: Final = ("clients", "rate", "workers", "objects")
_KINDS: Final = ("put", "get", "list", "stat", "mixed")
_GENERATOR_FULL: Final = 0.9


@click.command("scale")
@click.option(
    "--over", "overs", multiple=True, type=click.Choice(OVERS), help="What to raise (default: clients and rate)."
)
@click.option("--kind", type=click.Choice(_KINDS), default="get", show_default=True, help="The operation.")
@click.option("--size", metavar="SIZES", default="4KiB", show_default=True, help="Sizes of the objects.")
@click.option("--objects", type=click.IntRange(1), default=1000, show_default=True, help="Objects that lie there.")
@click.option("--seconds", type=click.FloatRange(0.1), default=3.0, show_default=True, help="Of each step.")
@click.option("--processes", type=click.IntRange(1), default=1, show_default=True, help="Of the load generator.")
@click.option("--clients-max", type=click.IntRange(1), default=256, show_default=True, help="Where clients end.")
@click.option("--rate-first", type=click.FloatRange(1), default=100.0, show_default=True, help="Where rates begin.")
@click.option("--rate-max", type=click.FloatRange(1), default=100_000.0, show_default=True, help="Where rates end.")
@click.option("--workers-max", type=click.IntRange(1), help="Where workers end (default: this machine's cores).")
@click.option("--objects-max", type=click.IntRange(1000), default=1_000_000, show_default=True, help="From 1,000 on.")
@click.option("--p99", "p99_ms", type=click.FloatRange(0.001), default=50.0, show_default=True, help="Limit, in ms.")
@click.option("--errors", type=click.FloatRange(0, 100), default=0.1, show_default=True, help="Limit, in percent.")
@click.option("--out", "folder", type=click.Path(path_type=Path, file_okay=False), help="Where results are stored.")
@plot_option
@target_options
@session_options(vault=False)
def scale(session: Session, *, overs: tuple[str, ...], folder: Path | None, **options: Any) -> int:  # noqa: ANN401  # click's
    """Raise rate, clients, workers or the number of objects to the knee, and fit a law through the steps.

    The knee is the last load within the objective: p99 and share of errors. `workers` is about our own server.
    """
    need("scipy.optimize")
    files, said, place = drawable(options["plots"]), where(options), results_folder(folder)
    overs = overs or ("clients", "rate")
    if "workers" in overs and said.endpoint is not None:
        raise click.UsageError("--over workers starts our own server; it cannot be asked of an --endpoint")
    if "objects" in overs and said.bucket is not None:
        raise click.UsageError("--bucket does not go with --over objects: buckets are counted, so they are our own")
    climbing = _Climbing(session, options, said, place, take(place))
    ramps, growth = climbing.all(overs)
    _show(session, ramps, growth)
    page = scaling.page(f"Scaling: {climbing.workload.kind}", ramps, growth, climbing.facts())
    if page.charts:
        draw(session.out, page, files)
    stopped = any(ramp.interrupted for ramp in ramps) or (growth is not None and growth.interrupted)
    return INTERRUPTED if stopped else 0


@dataclass
class _Climbing:
    """One run of the command: what it was told, and how each kind of ramp is made."""

    session: Session
    options: dict[str, Any]
    said: Where
    place: Path
    fingerprint: Fingerprint

    def __post_init__(self) -> None:
        asked = self.options
        self.workload = Workload(asked["kind"], parse_sizes(asked["size"]), asked["objects"])
        self.objective = Objective(asked["p99_ms"], asked["errors"] / 100)
        self.stored = self.place / f"{file_name('scale', time.time())}.jsonl"
        self.ground = Ground(self.workload, asked["seconds"], asked["processes"], self.keep, self.session.out.note)

    def keep(self, target: Target, workload: Workload, load: Load, block: Block) -> None:
        """Store a step as soon as it is there."""
        about = (f"scale-{target.label}", target.endpoint, target.durability)
        run = Run(*about, workload, str(load), self.fingerprint, (block,), completed=not block.interrupted)
        save(run, self.stored)

    def facts(self) -> tuple[tuple[str, str], ...]:
        """Return what the page says of the circumstances."""
        told = self.said.durability or ("strict" if self.said.endpoint is None else "unknown")
        sizes = f"{self.workload.kind} of {self.workload.sizes.text}, {self.workload.objects:,} objects"
        where_to = self.said.endpoint or "a server of our own, one worker unless workers are raised"
        return (("endpoint", where_to), ("durability", told), ("workload", sizes), *machine(self.fingerprint))

    def all(self, overs: Sequence[str]) -> tuple[list[Ramp], Growth | None]:
        """Make what was asked for, until one is interrupted."""
        ramps: list[Ramp] = []
        for over in OVERS:
            if over in overs and over != "objects" and not any(ramp.interrupted for ramp in ramps):
                self.session.out.note(f"raising {over}")
                ramps.append(getattr(self, f"_{over}")())
        if "objects" in overs and not any(ramp.interrupted for ramp in ramps):
            return ramps, self._objects()
        return ramps, None

    def _clients(self) -> Ramp:
        with open_target(self.said, self.place, None) as target:
            following = doubling(self.options["clients_max"])
            return climb("clients", 1, following, self.objective, by_clients(self.ground, target))

    def _rate(self) -> Ramp:
        with open_target(self.said, self.place, None) as target:
            following, first = closing_in(self.options["rate_max"]), self.options["rate_first"]
            return climb("rate", first, following, self.objective, by_rate(self.ground, target))

    def _workers(self) -> Ramp:
        most = self.options["workers_max"] or self.fingerprint.cores
        self.place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="workers-", dir=self.place) as scratch:
            measure = by_workers(self.ground, Path(scratch), clients=16)
            return climb("workers", 1, counted(range(1, most + 1)), self.objective, measure)

    def _objects(self) -> Growth:
        with open_target(self.said, self.place, None) as target:
            return grow(self.ground, target, tens(1000, self.options["objects_max"]))


def _show(session: Session, ramps: Sequence[Ramp], growth: Growth | None) -> None:
    out = session.out
    if out.as_json:
        out.result({"ramps": [_json(ramp) for ramp in ramps], "objects": None if growth is None else _grown(growth)})
        return
    for ramp in ramps:
        out.event({}, f"\n{ramp.over}")
        out.table(scaling.COLUMNS, scaling.cells(ramp))
        out.event({}, scaling.sentence(ramp))
        if ramp.fitted is not None:
            out.event({}, f"Universal Scalability Law: {scaling.law(ramp.fitted)}")
        if max(step.generator for step in ramp.steps) > _GENERATOR_FULL:
            out.warn("the generator used a whole core in some steps: those figures are its own; try --processes")
    if growth is not None and growth.sizes:
        out.event({}, "\nobjects")
        out.table(scaling.GROWTH_COLUMNS, scaling.growth_cells(growth))
        out.event({}, scaling.flatness(growth))


def _json(ramp: Ramp) -> dict[str, object]:
    knee, fitted = ramp.knee, ramp.fitted
    return {
        "over": ramp.over,
        "objective": asdict(ramp.objective),
        "steps": [asdict(step) for step in ramp.steps],
        "knee": None if knee is None else knee.load,
        "broken_by": ramp.broke,
        "law": None if fitted is None else {**asdict(fitted), "peak": fitted.peak, "peak_within": fitted.within},
        "interrupted": ramp.interrupted,
    }


def _grown(growth: Growth) -> dict[str, object]:
    sizes = [asdict(size) for size in growth.sizes]
    return {"sizes": sizes, "worst": growth.worst, "flat": growth.flat, "interrupted": growth.interrupted}

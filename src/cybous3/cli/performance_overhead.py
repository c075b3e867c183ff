"""`cybs3 performance overhead`: what encryption costs, with an interval."""

import tempfile
from pathlib import Path
from typing import Any

import click

from cybous3.cli.options import Session, session_options
from cybous3.cli.performance_plots import draw, drawable, machine, plot_option
from cybous3.cli.performance_target import open_target, results_folder, target_options, where
from cybous3.cli.shell import INTERRUPTED
from cybous3.client.stores.connect import Access, open_store
from cybous3.lab.bench.extras import need
from cybous3.lab.bench.fingerprint import take
from cybous3.lab.bench.modes import vault_modes
from cybous3.lab.bench.overhead import TARGET_PERCENT, Cost, Effort, Found, Word, measure
from cybous3.lab.bench.plots import cost
from cybous3.lab.bench.ramps import scratch_bucket
from cybous3.lab.bench.workload import parse_size

_INCONCLUSIVE = 3


@click.command("overhead")
@click.option("--size", "sizes", multiple=True, metavar="SIZE", help="May be repeated (default: 1MiB and 64MiB).")
@click.option("--pairs", type=click.IntRange(1), default=20, show_default=True, help="Of blocks, for each size.")
@click.option("--block", metavar="SIZE", default="64MiB", show_default=True, help="Files of a block come to this.")
@click.option(
    "--target", type=click.FloatRange(0.1), default=TARGET_PERCENT, show_default=True, help="Limit, in percent."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Contents and order follow from it.")
@click.option("--out", "folder", type=click.Path(path_type=Path, file_okay=False), help="Where the scratch data lies.")
@plot_option
@target_options
@session_options(vault=False)
def overhead(session: Session, *, sizes: tuple[str, ...], folder: Path | None, **options: Any) -> int:  # noqa: ANN401  # click's
    """Move the same files plain and encrypted, in turns, and tell what encryption costs.

    Ends with 3 where an interval says neither that the target is met nor that it is missed.
    """
    need("scipy.stats")
    files, said, place = drawable(options["plots"]), where(options), results_folder(folder)
    if said.bucket is not None:
        raise click.UsageError("--bucket does not go with this: a vault is made, in a bucket of its own")
    asked = tuple(parse_size(size) for size in sizes) or Effort().sizes
    effort = Effort(asked, options["pairs"], options["seed"], parse_size(options["block"]))
    place.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="overhead-", dir=place) as scratch,
        open_target(said, place, None) as target,
    ):
        fingerprint = take(Path(scratch))
        with scratch_bucket(target) as bucketed:
            access = Access(bucketed.endpoint, bucketed.credentials, bucketed.region)
            store = open_store(access, bucketed.bucket or "")
            try:
                with vault_modes(store, Path(scratch)) as modes:
                    found = measure(modes, effort, Path(scratch), session.out.note)
            finally:
                store.close()
    costs = found.costs(options["target"])
    _show(session, costs, found)
    facts = (("endpoint", said.endpoint or "a server of our own"), ("durability", target.durability))
    if costs:
        draw(session.out, cost.page(costs, (*facts, *machine(fingerprint)), interrupted=found.interrupted), files)
    return _code(costs, found)


def _code(costs: tuple[Cost, ...], found: Found) -> int:
    if found.interrupted:
        return INTERRUPTED
    return _INCONCLUSIVE if any(item.word is Word.INCONCLUSIVE for item in costs) else 0


def _show(session: Session, costs: tuple[Cost, ...], found: Found) -> None:
    out = session.out
    if out.as_json:
        out.result({"interrupted": found.interrupted, "costs": [_json(item) for item in costs]})
        return
    out.table(cost.COLUMNS, [cost.cells(item) for item in costs])
    for item in costs:
        out.event({}, f"{cost.name(item)}: {item.sentence()}")
    if found.interrupted:
        out.warn("interrupted: only the pairs that were complete are told")


def _json(item: Cost) -> dict[str, object]:
    wall, cpu = item.wall, item.cpu
    return {
        "mode": item.mode,
        "direction": item.direction,
        "size": item.size,
        "pairs": [[plain.wall_s, mode.wall_s] for plain, mode in item.pairs],
        "percent": None if wall is None else list(wall.percent),
        "cpu_percent": None if cpu is None else list(cpu.percent),
        "target": item.target,
        "verdict": str(item.word),
    }

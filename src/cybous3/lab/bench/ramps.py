"""The measuring side of `scale`: sessions of the load generator at each load, and our own server with more workers."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Final

from cybous3.client.stores.connect import Access, open_store
from cybous3.lab.bench.generator import Load, Session
from cybous3.lab.bench.result import Block
from cybous3.lab.bench.rivals import cybous3
from cybous3.lab.bench.rivals.port import Launch, Place, Program, Shelf
from cybous3.lab.bench.rivals.process import started
from cybous3.lab.bench.scale import Growth, Measure, Size, Step, step_of
from cybous3.lab.bench.target import Target
from cybous3.lab.bench.workload import Workload
from cybous3.lab.bench.workspace import Workspace

BLOCKS: Final = 3
"""A step is so many blocks; its throughput is their median, so that one disturbance is not taken for a knee."""

LIST_PAGES: Final = 50
LIST_PAGE: Final = 1000

Keep = Callable[[Target, Workload, Load, Block], None]
"""Told of every block as it comes, so that nothing measured is lost."""


@dataclass(frozen=True)
class Ground:
    """On what the ramps are measured: workload, seconds a step, processes of the generator, and who keeps blocks."""

    workload: Workload
    seconds: float
    processes: int
    keep: Keep
    say: Callable[[str], None]

    def step(self, target: Target, load: Load, at: float) -> Step:
        """Apply one load to one target. Raises what a Session raises."""
        with Session(target, self.workload, load) as session:
            session.prepare()
            blocks = [session.run(seconds=self.seconds / BLOCKS)]
            while len(blocks) < BLOCKS and not blocks[-1].interrupted:
                blocks.append(session.run(seconds=self.seconds / BLOCKS))
        for block in blocks:
            self.keep(target, self.workload, load, block)
        return step_of(at, blocks)


def by_clients(ground: Ground, target: Target) -> Measure:
    """Measure a closed loop of so many clients."""

    def measure(clients: float) -> Step:
        ground.say(f"{clients:g} clients")
        count = int(clients)
        return ground.step(target, Load(concurrency=count, processes=min(ground.processes, count)), clients)

    return measure


def by_rate(ground: Ground, target: Target) -> Measure:
    """Measure an open loop at a rate."""

    def measure(rate: float) -> Step:
        ground.say(f"{rate:g} operations/s")
        return ground.step(target, Load(concurrency=16, rate=rate, processes=ground.processes), rate)

    return measure


def by_workers(ground: Ground, folder: Path, clients: int) -> Measure:
    """Measure our own server with so many workers, under the same closed loop each time."""
    turn = itertools.count()

    def measure(workers: float) -> Step:
        ground.say(f"{workers:g} workers")
        with workers_up(int(workers), folder / f"workers-{next(turn)}") as target:
            return ground.step(target, Load(concurrency=clients, processes=min(ground.processes, clients)), workers)

    return measure


@contextmanager
def workers_up(count: int, folder: Path) -> Iterator[Target]:
    """Start our own server with `count` workers over `folder`, and end it."""

    def launch(program: Program, place: Place) -> Launch:
        return cybous3.launch(program, place, "--workers", str(count))

    rival = replace(cybous3.RIVAL, launch=launch)
    program = rival.provide(Shelf(folder, install=False, say=_nobody))
    with started(rival, program, folder) as running:
        yield running.target


def _nobody(text: str) -> None:
    del text  # our own server is never installed


def grow(ground: Ground, target: Target, counts: tuple[int, ...]) -> Growth:
    """Measure GET, PUT and LIST in buckets of so many objects, one bucket after the other."""
    sizes: list[Size] = []
    interrupted = False
    for count in counts:
        ground.say(f"{count} objects")
        size = _size(ground, target, count)
        if size is None:
            interrupted = True
            break
        sizes.append(size)
    return Growth(tuple(sizes), interrupted)


def _size(ground: Ground, target: Target, count: int) -> Size | None:
    workload = replace(ground.workload, kind="mixed", objects=count, mix={"get": 50, "put": 50})
    load = Load(concurrency=1)
    with scratch_bucket(target) as bucketed, Session(bucketed, workload, load) as session:
        session.prepare()
        block = session.run(seconds=ground.seconds)
        ground.keep(bucketed, workload, load, block)
        get, put = block.op("get"), block.op("put")
        if block.interrupted or get is None or put is None:
            return None
        return Size(count, get.response.p50_us, put.response.p50_us, _list_us(bucketed))


def _list_us(target: Target) -> float:
    """Return the median of a full page of keys, over pages that follow each other from the beginning."""
    store = open_store(_access(target), target.bucket or "")
    spent: list[float] = []
    token: str | None = None
    try:
        for _ in range(LIST_PAGES):
            begun = time.perf_counter()
            page = store.list(limit=LIST_PAGE, token=token)
            # A last page is short, and would be compared with full ones.
            if len(page.entries) == LIST_PAGE or not spent:
                spent.append((time.perf_counter() - begun) * 1e6)
            token = page.next_token
        return median(spent)
    finally:
        store.close()


@contextmanager
def scratch_bucket(target: Target) -> Iterator[Target]:
    """Make a bucket of our own, and remove it with all that is in it."""
    # Whatever its users name their keys, all of the bucket is ours.
    place = replace(Workspace.make(replace(target, bucket=None)), prefix="")
    try:
        yield replace(target, bucket=place.bucket)
    finally:
        place.close()


def _access(target: Target) -> Access:
    return Access(target.endpoint, target.credentials, target.region)

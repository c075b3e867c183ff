"""Blocks and pairs with chosen figures: what a load would have found, for tests that need no server."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import exp

from cybous3.lab.bench.fingerprint import Fingerprint
from cybous3.lab.bench.result import Block, Latency, OpStats, Run
from cybous3.lab.bench.verdict.compare import Figures, Pair
from cybous3.lab.bench.workload import Workload

MACHINE = Fingerprint("a cpu", 2, "none", 4096, "6.1", "ext4", "3.11.7", "Linux x86_64", "0123456789ab")


def _bare(median_us: float, count: int) -> Latency:
    return Latency(count, median_us, median_us, median_us, median_us, median_us, median_us, "")


def block(
    median_us: float,
    *,
    count: int = 100,
    failed: int = 0,
    started: float = 0.0,
    op: str = "get",
    interrupted: bool = False,
    whole: bool = True,
) -> Block:
    """Return a block of half a second; one that is not `whole` has no histograms, which take their time to make."""
    errors: Mapping[str, int] = {"SlowDown": failed} if failed else {}
    latency = Latency.of([median_us] * count) if whole else _bare(median_us, count)
    stats = OpStats(op, count, errors, 4096 * count, latency, latency)
    return Block(started, 0.5, (stats,), interrupted=interrupted)


def side(median_us: float, *, count: int = 100, failed: int = 0, started: float = 0.0) -> Figures:
    """Return one side's figures in a closed loop: throughput and median tell the same."""
    return Figures(started, 1e6 / median_us, {"get": median_us}, count, failed)


def noisy_pairs(slower: float, *, spread: float = 0.05, count: int = 400, seed: int = 5) -> list[Pair]:
    """Return pairs in which B takes longer by the share `slower`, with so much spread of the logarithms."""
    dice = random.Random(seed)  # noqa: S311  # figures, no secrets
    return [
        Pair(
            side(1000 * exp(dice.gauss(0, spread)), started=float(number)),
            side(1000 * (1 + slower) * exp(dice.gauss(0, spread)), started=float(number)),
        )
        for number in range(count)
    ]


def run(*blocks: Block, commit: str = "0123456789ab", label: str = "own") -> Run:
    """Return a whole benchmark of these blocks."""
    machine = replace(MACHINE, commit=commit)
    return Run(label, "http://127.0.0.1:1", "strict", Workload("get"), "closed loop, 16 clients", machine, blocks)


class Recorded:
    """A runner that plays blocks back: what `Session.run` is to a comparison, without a server."""

    def __init__(self, blocks: Iterator[Block]) -> None:
        self._blocks = blocks
        self.seconds: list[float] = []

    def __call__(self, seconds: float, /) -> Block:
        self.seconds.append(seconds)
        return next(self._blocks)

"""What a seed means: the same steps, contents and faults, in the same places, every time. Pure.

Every client draws from a generator of its own, seeded by (seed, client), so what one does never depends on how fast
another was. Contents follow from (seed, key, number of the write) and can be made again for comparison.

What the seed does not fix: how the steps of several clients interleave on the server, and what is in flight at the
moment of a fault. With one client both are fixed but for the server's own threads.
"""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cybous3.lab.chaos.scenario import Injection, Load, Scenario, Step
from cybous3.lab.chaos.units import Moment


@dataclass(frozen=True, slots=True)
class Placed:
    """One fault at its place: the injection, when it begins, and the generator of whatever it draws."""

    number: int
    injection: Injection
    at: Moment
    seed: str

    def chance(self) -> random.Random:
        """Return a fresh generator of what this fault draws."""
        return random.Random(self.seed)  # noqa: S311  # a plan that can be repeated, not a secret


def content(seed: int, key: str, number: int, size: int) -> bytes:
    """Return the bytes of the `number`th write of `key`: no two writes share theirs, unless they are empty."""
    return hashlib.shake_128(f"{seed}/{key}/{number}".encode()).digest(size)


def client_steps(load: Load, seed: int, client: int) -> Iterator[Step]:
    """Yield what one client does, for ever."""
    chance = random.Random(f"{seed}/client/{client}")  # noqa: S311  # as above
    kinds, weights = list(load.mix), list(load.mix.values())
    written: list[int] = []
    claims = 0
    while True:
        kind = chance.choices(kinds, weights)[0]
        size, key = load.sizes.sample(chance), chance.randrange(load.keys)
        if kind == "overwrite" and written:
            key = chance.choice(written[-load.keys :])
        if kind in {"put", "overwrite", "multipart"}:
            written.append(key)
        if kind == "claim":  # every client claims the same numbers in the same order: that is the race
            key, claims = claims, claims + 1
        yield Step(client, kind, key, size)


def steps(load: Load, seed: int) -> list[Step]:
    """Return every step of a load of a given number of operations, clients taking turns."""
    if load.steps:
        return list(load.steps)
    each = [client_steps(load, seed, client) for client in range(load.clients)]
    return [next(each[number % load.clients]) for number in range(load.operations)]


def faults(scenario: Scenario) -> list[Placed]:
    """Return every fault of the scenario at its place, repeated as often as it says, in the order of the file."""
    placed: list[Placed] = []
    for number, injection in enumerate(scenario.faults):
        for turn in range(injection.times):
            seed = f"{scenario.seed}/fault/{number}/{turn}"
            placed.append(Placed(len(placed), injection, _later(injection, turn), seed))
    return placed


def _later(injection: Injection, turn: int) -> Moment:
    at, every = injection.at, injection.every
    if every is None or turn == 0:
        return at
    if every.operations is not None:
        return Moment(operations=(at.operations or 0) + turn * every.operations)
    return Moment(seconds=(at.seconds or 0.0) + turn * (every.seconds or 0.0))


def fingerprint(scenario: Scenario) -> str:
    """Return a digest of the plan: equal for equal seeds, whatever happened while it ran."""
    digest = hashlib.sha256()
    shown: list[Any] = steps(scenario.load, scenario.seed) if scenario.load.seconds is None else [scenario.load]
    for item in [*shown, *((one.injection, one.at, one.seed) for one in faults(scenario))]:
        digest.update(repr(item).encode())
    return digest.hexdigest()[:16]

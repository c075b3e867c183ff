"""What is done to a target: the kind of operation, the sizes of the objects, how many there are, and the seed.

A workload is a value: the same one gives the same keys, sizes, contents and order of operations everywhere. Sizes are
written as a person thinks of them and parsed once:

    4KiB                        one size
    log2:1KiB-1MiB              powers of two between the two, all equally likely
    4KiB:70,64KiB:25,1MiB:5     sizes and their weights
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final, Literal, get_args

from cybous3.core.errors import CybousError

Kind = Literal["put", "get", "list", "stat", "delete", "mixed", "multipart", "range", "encrypt"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

KIB: Final = 1024
MIB: Final = 1024 * KIB
SIZE_MAX: Final = 5 * 1024 * MIB
"""The most that one PUT may carry, in bytes."""

_UNITS: Final = {"": 1, "b": 1, "k": KIB, "kib": KIB, "m": MIB, "mib": MIB, "g": 1024 * MIB, "gib": 1024 * MIB}
_SIZE: Final = re.compile(r"([0-9]{1,12})\s*([A-Za-z]*)")
_LOG2: Final = "log2:"

MIX: Final[Mapping[str, int]] = {"get": 45, "stat": 30, "put": 15, "delete": 10}
"""Parts of a hundred of each operation under `mixed`, unless told otherwise."""


class BadWorkload(CybousError):
    """What was asked for cannot be made into a workload."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes in bytes and their weights, and the text they were parsed from."""

    text: str
    choices: tuple[tuple[int, float], ...]

    @property
    def largest(self) -> int:
        """The largest size that can come up."""
        return max(size for size, _ in self.choices)

    @property
    def mean(self) -> float:
        """The expected size."""
        total = sum(weight for _, weight in self.choices)
        return sum(size * weight for size, weight in self.choices) / total

    def sample(self, rng: random.Random) -> int:
        """Draw one size."""
        if len(self.choices) == 1:
            return self.choices[0][0]
        return rng.choices([size for size, _ in self.choices], [weight for _, weight in self.choices])[0]

    def samples(self, rng: random.Random, count: int) -> list[int]:
        """Draw many at once, for the price of few."""
        weights = list(accumulate(weight for _, weight in self.choices))
        return rng.choices([size for size, _ in self.choices], cum_weights=weights, k=count)


def parse_size(text: str) -> int:
    """Return the bytes of `64`, `4KiB`, `4k` or `1 MiB`. Raises BadWorkload for anything else, or too much."""
    match = _SIZE.fullmatch(text.strip())
    unit = _UNITS.get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise BadWorkload(f"not a size: {text!r}", hint="write it as 4096, 4KiB or 1MiB")
    size = int(match[1]) * unit
    if size > SIZE_MAX:
        raise BadWorkload(f"too large: {text!r}", hint="one object carries at most 5 GiB")
    return size


def parse_sizes(text: str) -> Sizes:
    """Parse one of the three forms this module's docstring shows. Raises BadWorkload."""
    if text.lower().startswith(_LOG2):
        return Sizes(text, tuple((size, 1.0) for size in _powers(text)))
    return Sizes(text, tuple(_weighted(part) for part in text.split(",")))


def _powers(text: str) -> list[int]:
    low, dash, high = text[len(_LOG2) :].partition("-")
    first, last = parse_size(low), parse_size(high) if dash else 0
    powers = [1 << exponent for exponent in range(SIZE_MAX.bit_length()) if first <= 1 << exponent <= last]
    if not powers:
        raise BadWorkload(f"no power of two in {text!r}", hint="write it as log2:1KiB-1MiB")
    return powers


def _weighted(part: str) -> tuple[int, float]:
    size, colon, weight = part.partition(":")
    if not colon:
        return parse_size(size), 1.0
    if not weight.strip().isdigit() or int(weight) == 0:
        raise BadWorkload(f"not a weight: {part!r}", hint="write sizes and weights as 4KiB:70,64KiB:30")
    return parse_size(size), float(weight)


DEFAULT_SIZES: Final[Mapping[str, str]] = {"multipart": "64MiB", "range": "8MiB", "encrypt": "1MiB"}
"""Sizes for the kinds for which 4 KiB would make no sense."""


def default_sizes(kind: Kind) -> Sizes:
    """Return the sizes of a workload that names none."""
    return parse_sizes(DEFAULT_SIZES.get(kind, "4KiB"))


@dataclass(frozen=True)
class Workload:
    """What is done. `objects` lie there before the clock starts (get, stat, list, range, delete, mixed).

    `part_size` is a multipart upload's, `range_size` the length of a ranged read, both in bytes. `mix` gives the
    weights of `mixed`.
    """

    kind: Kind
    sizes: Sizes = field(default_factory=lambda: parse_sizes("4KiB"))
    objects: int = 1000
    seed: int = 1
    mix: Mapping[str, int] = field(default_factory=lambda: dict(MIX))
    part_size: int = 8 * MIB
    range_size: int = 64 * KIB

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise BadWorkload(f"no such kind of operation: {self.kind!r}", hint=f"one of {', '.join(KINDS)}")
        if self.objects < 1:
            raise BadWorkload(f"at least one object is needed, not {self.objects}")
        if not self.mix.keys() <= MIX.keys() or sum(self.mix.values()) < 1 or min(self.mix.values()) < 0:
            raise BadWorkload(f"not a mix: {dict(self.mix)}", hint=f"weights for {', '.join(MIX)}")

    def to_json(self) -> dict[str, object]:
        """Return what `from_json` reads back."""
        return {
            "kind": self.kind,
            "sizes": self.sizes.text,
            "objects": self.objects,
            "seed": self.seed,
            "mix": dict(self.mix),
            "part_size": self.part_size,
            "range_size": self.range_size,
        }


def workload_from_json(data: Mapping[str, object]) -> Workload:
    """Read a workload back. Raises BadWorkload (a value) or KeyError and TypeError (a foreign document)."""
    fields = dict(data)
    fields["sizes"] = parse_sizes(str(fields["sizes"]))
    return Workload(**fields)  # type: ignore[arg-type]  # __post_init__ checks what a stored document holds

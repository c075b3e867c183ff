"""Damage to what is stored: a bit that flips, a file that is cut. Which one, the seed says.

Damage is not taken back unless the scenario gives it an end: rot does not heal by itself.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cybous3.lab.chaos import units
from cybous3.lab.chaos.description import Description, Parameter
from cybous3.lab.chaos.errors import CannotInject
from cybous3.lab.chaos.faults.port import Fault
from cybous3.lab.chaos.scenario import Injection
from cybous3.lab.chaos.site import Site

_BITS: Final = 8
_COUNT: Final = Parameter(units.whole(1, 1000), 1, "how many files")


def _drawn(site: Site, injection: Injection, chance: random.Random) -> list[Path]:
    """Return finished blobs, drawn. Raises CannotInject when there are none: all objects may lie in the index."""
    finished = [path for path in site.own.blobs() if "incoming" not in path.parts and path.stat().st_size]
    if not finished:
        raise CannotInject("no object lies in a file of its own", hint="load objects of more than 16 KiB")
    return chance.sample(finished, min(int(injection.settings["count"]), len(finished)))


@contextmanager
def flip(site: Site, injection: Injection, chance: random.Random) -> Iterator[str]:
    """Flip one bit in each of some files; flip it back at the end, if there is one."""
    flipped = [(path, *_flip(path, chance)) for path in _drawn(site, injection, chance)]
    where = ", ".join(f"{path.name[:8]} byte {at}" for path, at, _ in flipped)
    yield f"store: a bit flipped in {where}"
    if injection.lasts is not None:
        for path, at, bit in flipped:
            _invert(path, at, bit)


def _flip(path: Path, chance: random.Random) -> tuple[int, int]:
    at, bit = chance.randrange(path.stat().st_size), chance.randrange(_BITS)
    _invert(path, at, bit)
    return at, bit


def _invert(path: Path, at: int, bit: int) -> None:
    try:
        with path.open("r+b", buffering=0) as file:
            file.seek(at)
            byte = file.read(1)
            file.seek(at)
            file.write(bytes([byte[0] ^ 1 << bit]))
    except FileNotFoundError:  # deleted meanwhile, and the damage with it
        return


@contextmanager
def cut(site: Site, injection: Injection, chance: random.Random) -> Iterator[str]:
    """Cut the end off each of some files; put it back at the end, if there is one."""
    ends = [(path, _cut(path, chance)) for path in _drawn(site, injection, chance)]
    yield "store: " + ", ".join(f"{len(end)} bytes cut off {path.name[:8]}" for path, end in ends)
    if injection.lasts is not None:
        for path, end in ends:
            if path.exists():
                with path.open("ab") as file:
                    file.write(end)


def _cut(path: Path, chance: random.Random) -> bytes:
    keep = chance.randrange(path.stat().st_size)
    with path.open("r+b") as file:
        file.seek(keep)
        end = file.read()
        os.ftruncate(file.fileno(), keep)
    return end


FAULTS: Final = (
    Fault(
        Description("bit.flip", "Flip a bit in a stored file.", ("store",), lasts=False, parameters={"count": _COUNT}),
        flip,
        how="writing into the file",
    ),
    Fault(
        Description(
            "file.cut", "Cut the end off a stored file.", ("store",), lasts=False, parameters={"count": _COUNT}
        ),
        cut,
        how="truncating the file",
    ),
)

"""Buckets."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

Durability = Literal["strict", "relaxed", "none"]
"""What an acknowledged write of a bucket outlives.

All of them outlive the end of the process. At a power cut: `strict` loses nothing; `relaxed` may lose what was
acknowledged within the last second or so, and what it lost is found out and forgotten whole; `none` may lose whatever
the system had not written by itself, and may leave objects behind whose bytes are gone, which answer with an error.
"""

DURABILITIES: Final[tuple[Durability, ...]] = get_args(Durability)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket and who owns it."""

    name: str
    owner: str  # canonical id
    region: str
    created_ms: int
    durability: Durability = "strict"

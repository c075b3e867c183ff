"""How far the search for damage has come."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScrubState:
    """One pass over everything that is stored. Times are UTC milliseconds since 1970."""

    position: str  # where to go on; the worker's own words, "" at the beginning
    started_ms: int
    finished_ms: int | None = None
    objects: int = 0  # looked at in this pass
    bytes: int = 0  # verified in this pass
    damaged: int = 0  # found in this pass

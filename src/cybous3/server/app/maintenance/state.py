"""What there is to say of the safety of what is stored: modes, quarantine, the last scrub; for status and metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cybous3.core.errors import CybousError
from cybous3.server.app.accounts import has_index
from cybous3.server.app.places import DataDirectory
from cybous3.server.meta.port import DamagedRecord, Index
from cybous3.server.meta.sqlite.index import open_sqlite
from cybous3.server.model.buckets import Durability
from cybous3.server.model.scrubs import ScrubState

DAMAGED_MAX: Final = 1000  # what is counted and shown of damaged objects: more need not be known to act
_BUCKETS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class State:
    """The safety of one data directory. `reason` says why nothing could be told."""

    not_strict: Mapping[str, Durability]
    damaged: tuple[DamagedRecord, ...] = ()
    scrub: ScrubState | None = None
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return what `status --json` says."""
        scrub = self.scrub
        return {
            "buckets_not_strict": dict(self.not_strict),
            "damaged": [{"bucket": one.bucket, "key": one.key, "reason": one.reason} for one in self.damaged],
            "scrub": None
            if scrub is None
            else {
                "started_ms": scrub.started_ms,
                "finished_ms": scrub.finished_ms,
                "objects": scrub.objects,
                "bytes": scrub.bytes,
                "damaged": scrub.damaged,
            },
            **({"unknown": self.reason} if self.reason else {}),
        }


async def state_of(index: Index) -> dict[str, float]:
    """Return the figures of an open index, by the names of the metrics. OSError when it cannot be read."""
    damaged, scrub = await index.objects.damaged(limit=DAMAGED_MAX), await index.scrubs.load()
    figures: dict[str, float] = {"damaged_objects": len(damaged)}
    if scrub is not None:
        figures |= {
            "scrub_started_timestamp_seconds": scrub.started_ms / 1000,
            "scrub_finished_timestamp_seconds": (scrub.finished_ms or 0) / 1000,
            "scrub_objects": scrub.objects,
            "scrub_bytes": scrub.bytes,
            "scrub_damaged": scrub.damaged,
        }
    return figures


async def look(data: Path) -> State:
    """Return the state of a data directory, with the server running or not; never raises for what is wrong with it."""
    place = DataDirectory.at(data)
    try:
        place.ensure_finished()
        if not has_index(data):
            return State({}, reason="there is no index yet")
        index = await open_sqlite(place.index)
        try:
            buckets = await index.buckets.list(None, limit=_BUCKETS)
            damaged = await index.objects.damaged(limit=DAMAGED_MAX)
            modes = {bucket.name: bucket.durability for bucket in buckets if bucket.durability != "strict"}
            return State(modes, tuple(damaged), await index.scrubs.load())
        finally:
            await index.aclose()
    except (CybousError, OSError) as error:
        return State({}, reason=str(error))

"""What the server counts, for Prometheus: base units, `_total` on counters, labels of fixed size.

No metric holds a bucket's or key's name: operations and S3 error codes are tables of fixed size. With several worker
processes each keeps its counters in files of a common directory and whoever is asked adds them up, so a worker that
died is still counted.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

# When a series began is what `process_start_time_seconds` says already, for half the text.
disable_created_metrics()  # type: ignore[no-untyped-call]

MULTIPROCESS_DIR: Final = "PROMETHEUS_MULTIPROC_DIR"

# Seconds; from a read out of the page cache to a copy of many gigabytes.
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_GAUGES: Final = {
    "connections": "Open connections to the S3 port.",
    "in_flight": "Requests being answered.",
}
_COUNTERS: Final = {
    "accepted": ("connections_accepted", "Connections accepted."),
    "turned_away": ("connections_turned_away", "Connections closed because there were too many."),
    "requests": ("edge_requests", "Requests received, whatever became of them."),
    "refused": ("edge_refused", "Requests refused as malformed or too slow."),
    "crashed": ("edge_crashed", "Requests that ended in a defect of the server."),
    "aborted": ("edge_aborted", "Answers that were cut."),
    "bytes_in": ("received_bytes", "Bytes received on the S3 port."),
    "bytes_out": ("sent_bytes", "Bytes sent on the S3 port."),
    "damage_found": ("damage_found", "Requests that met damaged bytes or a damaged index entry."),
    "sync_failures": ("sync_failures", "Syncs of object bytes that the medium refused."),
    "relaxed_syncs": ("relaxed_syncs", "Groups of relaxed writes made durable after their answers."),
    "late_writes": ("relaxed_blobs_synced", "Blobs of relaxed writes made durable after their answers."),
}


class Metrics:
    """The counters of one process. Cheap to record: no lookup by label text, no formatting."""

    def __init__(self, version: str, registry: CollectorRegistry | None = None) -> None:
        self.registry: Final = registry if registry is not None else CollectorRegistry()
        self._requests = Counter(
            "swifts3_http_requests",
            "S3 requests by operation and class of status.",
            ("operation", "status_class"),
            registry=self.registry,
        )
        self._errors = Counter(
            "swifts3_http_errors", "S3 error answers by code.", ("operation", "code"), registry=self.registry
        )
        self._seconds = Histogram(
            "swifts3_http_request_duration_seconds",
            "Time until an answer was ready to be sent.",
            ("operation",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._commits = Histogram(
            "swifts3_index_commit_duration_seconds",
            "Commits of the index, each of one group of changes, by whether the medium was waited for.",
            ("synced",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._syncs = Histogram(
            "swifts3_blob_sync_duration_seconds",
            "Syncs of object bytes: of one object in a strict bucket, of a group after their answers in relaxed ones.",
            ("durability",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._commit_timers = {synced: self._commits.labels("yes" if synced else "no") for synced in (True, False)}
        self._sync_timers = {mode: self._syncs.labels(mode) for mode in ("strict", "relaxed")}
        self._gauges = {
            name: Gauge(f"swifts3_{name}", text, multiprocess_mode="livesum", registry=self.registry)
            for name, text in _GAUGES.items()
        }
        self._counters = {
            name: Counter(f"swifts3_{short}", text, registry=self.registry) for name, (short, text) in _COUNTERS.items()
        }
        self._seen = dict.fromkeys(_COUNTERS, 0)
        self._children: dict[tuple[str, int], Counter] = {}
        self._timers: dict[str, Histogram] = {}
        build = Gauge(
            "swifts3_build_info",
            "1, with the version.",
            ("version",),
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        build.labels(version).set(1)

    def observe(self, operation: str, status: int, code: str, seconds: float) -> None:
        """Record one answered request. `operation` and `code` come from tables; `code` is "" for a success."""
        key = (operation, status // 100)
        counter = self._children.get(key)
        if counter is None:
            counter = self._children[key] = self._requests.labels(operation, f"{status // 100}xx")
            self._timers.setdefault(operation, self._seconds.labels(operation))
        counter.inc()
        self._timers[operation].observe(seconds)
        if code:
            self._errors.labels(operation, code).inc()

    def committed(self, synced: bool, seconds: float) -> None:  # noqa: FBT001  # as the index tells it
        """Record one commit of the index."""
        self._commit_timers[synced].observe(seconds)

    def synced(self, mode: str, seconds: float) -> None:
        """Record one sync of object bytes, for a strict write or for a group of relaxed ones."""
        self._sync_timers[mode].observe(seconds)

    def publish(self, edge: Mapping[str, int]) -> None:
        """Take over what edge and store have counted so far, by the names of their fields."""
        for name, gauge in self._gauges.items():
            gauge.set(edge[name])
        for name, counter in self._counters.items():
            count = edge.get(name, 0)
            counter.inc(count - self._seen[name])
            self._seen[name] = count

    def render(self) -> bytes:
        """Return the exposition text."""
        return generate_latest(self.registry)


_STORED: Final = {
    "damaged_objects": "Objects in quarantine: their stored bytes are damaged.",
    "scrub_started_timestamp_seconds": "When the last scrub began.",
    "scrub_finished_timestamp_seconds": "When the last scrub ended; 0 while it is not finished.",
    "scrub_objects": "Objects that the last scrub looked at.",
    "scrub_bytes": "Bytes that the last scrub verified.",
    "scrub_damaged": "Damaged objects and parts that the last scrub found.",
}


class StoredMetrics:
    """What the index says of what is stored, for one process to show for all."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._gauges = {name: Gauge(f"swifts3_{name}", text, registry=self._registry) for name, text in _STORED.items()}

    def render(self, values: Mapping[str, float]) -> bytes:
        """Return the exposition text of `values`, by the names of the gauges; what is not named is 0."""
        for name, gauge in self._gauges.items():
            gauge.set(values.get(name, 0))
        return generate_latest(self._registry)


def process_metrics(registry: CollectorRegistry) -> None:
    """Add CPU, memory, file descriptors and start time of this process, where the system tells them."""
    ProcessCollector(registry=registry)


def render_all(directory: Path, own: CollectorRegistry) -> bytes:
    """Return the exposition text of all workers that count into `directory`, and of this process's own registry."""
    workers = CollectorRegistry()
    MultiProcessCollector(workers, path=str(directory))  # type: ignore[no-untyped-call]
    return generate_latest(workers) + generate_latest(own)


def forget_worker(directory: Path, pid: int) -> None:
    """Drop the gauges of a worker that is gone; its counters stay."""
    mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]

"""Look at an endpoint once: is it there, how far away, and what time does it have."""

import time
from dataclasses import dataclass

from cybous3.client.stores.connect import Access
from cybous3.client.stores.s3.client import Call
from cybous3.core.clock import parse_http_date


@dataclass(frozen=True, slots=True)
class Probe:
    """What one HEAD of the bucket told."""

    latency_ms: float
    clock_skew_s: float | None  # positive: this machine is ahead; whole seconds are all a server tells
    region: str


def probe(access: Access, bucket: str) -> Probe:
    """Ask for the bucket. Raises what the store family has: the endpoint is away, refuses, or has no such bucket."""
    client = access.client()
    try:
        started_s = time.perf_counter()
        head = client.done(Call("HEAD", bucket))
        latency_ms = (time.perf_counter() - started_s) * 1000
    finally:
        client.close()
    server_s = parse_http_date(head.headers.get("date", ""))
    # The server cuts its second, so half of one is the honest middle.
    skew_s = None if server_s is None else round(access.clock() - server_s - 0.5, 1)
    return Probe(round(latency_ms, 1), skew_s, client.region)

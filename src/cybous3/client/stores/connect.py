"""From a place and credentials to a store, retries included."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from cybous3.client.stores.port import Capabilities
from cybous3.client.stores.retry import Patience, Policy, RetryingBuckets, RetryingStore
from cybous3.client.stores.s3.buckets import S3Buckets
from cybous3.client.stores.s3.client import S3Client, Settings
from cybous3.client.stores.s3.connection import Timeouts
from cybous3.client.stores.s3.endpoint import Addressing, parse_endpoint
from cybous3.client.stores.s3.store import S3Store
from cybous3.core.clock import Clock
from cybous3.core.sigv4.credentials import Credentials


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach one S3 endpoint. `credentials` None: anonymous."""

    endpoint: str
    credentials: Credentials | None = field(repr=False)
    region: str | None = None
    addressing: Addressing = "path"
    ca_file: Path | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    policy: Policy = field(default_factory=Policy)
    clock: Clock = time.time

    def client(self) -> S3Client:
        """Return the bare client."""
        endpoint = parse_endpoint(self.endpoint, self.addressing)
        return S3Client(Settings(endpoint, self.credentials, self.region, self.ca_file, self.timeouts, self.clock))


def open_store(access: Access, bucket: str, capabilities: Capabilities | None = None) -> RetryingStore:
    """Return one bucket. Connects at the first call."""
    return RetryingStore(S3Store(access.client(), bucket, capabilities), Patience(access.policy))


def open_buckets(access: Access) -> RetryingBuckets:
    """Return the endpoint's buckets. Connects at the first call."""
    return RetryingBuckets(S3Buckets(access.client()), Patience(access.policy))

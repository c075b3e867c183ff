"""Where the objects of a benchmark lie: a scratch bucket, or a prefix of our own in a bucket that was given.

Kept true: nothing outside bucket and prefix is written or removed; `close` removes all of it, unfinished uploads too.
Goes through the client's own stores, so that a target that is not there, or credentials that are wrong, end in the
errors and exit codes that every command has.
"""

import secrets
from dataclasses import dataclass, field
from typing import Self

from cybous3.client.stores.connect import Access, open_buckets, open_store
from cybous3.client.stores.port import each_entry
from cybous3.client.stores.retry import Policy
from cybous3.lab.bench.target import Target

BATCH: int = 1000
_POLICY = Policy(attempts_max=3, first_wait_s=0.1, wait_max_s=1.0)
"""For making and removing the place only; what is measured is never repeated."""


@dataclass(frozen=True)
class Workspace:
    """Bucket and prefix. `scratch`: the bucket is ours and goes with it."""

    target: Target
    bucket: str
    prefix: str
    scratch: bool = field(default=True)

    @classmethod
    def make(cls, target: Target) -> Self:
        """Make the bucket, or look at the given one. Raises what the stores raise: Unreachable, BadCredentials, ..."""
        token = secrets.token_hex(6)
        buckets = open_buckets(_access(target))
        try:
            if target.bucket is None:
                made = cls(target, f"cybs3-bench-{token}", "o/")
                buckets.create_bucket(made.bucket)
                return made
        finally:
            buckets.close()
        given = cls(target, target.bucket, f"cybs3-bench-{token}/", scratch=False)
        given.look()
        return given

    def look(self) -> None:
        """Ask the store for a key of ours. Raises NoSuchBucket, Unreachable, BadCredentials, Denied, ..."""
        store = open_store(_access(self.target), self.bucket)
        try:
            store.list(self.prefix, limit=1)
        finally:
            store.close()

    def close(self, *, uploads: bool = True) -> int:
        """Remove everything, and return how many objects there were. Raises what the stores raise.

        `uploads` False: no multipart upload was begun, and a server that cannot list them is not asked to.
        """
        access = _access(self.target)
        store = open_store(access, self.bucket)
        try:
            for upload in list(store.list_uploads(self.prefix)) if uploads else ():
                store.abort_upload(upload.key, upload.upload_id)
            keys = [entry.key for entry in each_entry(store, self.prefix)]
            for at in range(0, len(keys), BATCH):
                store.delete_many(keys[at : at + BATCH])
        finally:
            store.close()
        if self.scratch:
            buckets = open_buckets(access)
            try:
                buckets.delete_bucket(self.bucket)
            finally:
                buckets.close()
        return len(keys)


def _access(target: Target) -> Access:
    return Access(target.endpoint, target.credentials, target.region, policy=_POLICY)

"""What the memory index holds: plain dictionaries, and sorted lists where order matters.

One event loop uses it, and nothing awaits between a check and its effect, so every mutation is a transaction by itself.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass, field

from cybous3.server.model.accounts import AccessKey, User
from cybous3.server.model.buckets import Bucket
from cybous3.server.model.objects import Extent, ObjectRecord
from cybous3.server.model.scrubs import ScrubState
from cybous3.server.model.uploads import Part, Upload
from cybous3.server.wire.errors import S3Error


@dataclass
class BucketState:
    """A bucket and what is in it."""

    bucket: Bucket
    objects: dict[str, ObjectRecord] = field(default_factory=dict)
    keys: list[bytes] = field(default_factory=list)  # sorted

    def add(self, record: ObjectRecord) -> None:
        """Make `record` the current object of its key."""
        if record.key not in self.objects:
            insort(self.keys, record.key.encode())
        self.objects[record.key] = record

    def remove(self, key: str) -> None:
        """Remove the current object of `key`, which is there."""
        del self.objects[key]
        del self.keys[bisect_left(self.keys, key.encode())]


@dataclass
class UploadState:
    """An upload and its parts."""

    upload: Upload
    parts: dict[int, Part] = field(default_factory=dict)


@dataclass
class State:
    """Everything."""

    buckets: dict[str, BucketState] = field(default_factory=dict)
    uploads: dict[str, UploadState] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    access_keys: dict[str, AccessKey] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)  # blobs that an object or a part refers to
    dead: dict[str, None] = field(default_factory=dict)  # the garbage queue; insertion order is its order
    unsynced: dict[str, None] = field(default_factory=dict)  # live blobs of relaxed writes, oldest first
    waiting: bool = True  # whether anything was written that `strict` would have synced
    holds: dict[str, int] = field(default_factory=dict)
    scrub: ScrubState | None = None

    def bucket(self, name: str) -> BucketState:
        """Return the bucket. NoSuchBucket."""
        if name not in self.buckets:
            raise S3Error("NoSuchBucket", BucketName=name)
        return self.buckets[name]

    def claim(self, bucket: str, extents: Iterable[Extent], *, kept: Iterable[Extent] = ()) -> None:
        """Note that an object or part of the bucket refers to `extents`, of which it had `kept` before.

        OperationAborted when others do.
        """
        spared = {extent.blob for extent in kept}
        fresh = dict.fromkeys(extent.blob for extent in extents if extent.blob not in spared)
        if fresh.keys() & (self.live | self.dead.keys()):
            raise S3Error("OperationAborted")
        self.live |= fresh.keys()
        if self.bucket(bucket).bucket.durability == "relaxed":
            self.unsynced |= fresh

    def wrote(self, bucket: str) -> None:
        """Note a write of the bucket."""
        held = self.buckets.get(bucket)
        self.waiting = held is not None and held.bucket.durability != "strict"

    def bury(self, extents: Iterable[Extent], *, kept: Iterable[Extent] = ()) -> None:
        """Queue the blobs of `extents` that are not in `kept`."""
        spared = {extent.blob for extent in kept}
        for extent in extents:
            if extent.blob not in spared:
                self.live.discard(extent.blob)
                self.unsynced.pop(extent.blob, None)
                self.dead[extent.blob] = None

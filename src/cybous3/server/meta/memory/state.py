"""What the memory index holds: plain dictionaries, and sorted lists where order matters.

One event loop uses it, and nothing awaits between a check and its effect, so every mutation is a transaction by itself.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass, field

from cybous3.server.model.accounts import AccessKey, User
from cybous3.server.model.buckets import Bucket
from cybous3.server.model.objects import Extent, ObjectRecord
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

    def bucket(self, name: str) -> BucketState:
        """Return the bucket. NoSuchBucket."""
        if name not in self.buckets:
            raise S3Error("NoSuchBucket", BucketName=name)
        return self.buckets[name]

    def claim(self, extents: Iterable[Extent], *, kept: Iterable[Extent] = ()) -> None:
        """Note that an object or part refers to `extents`, of which it had `kept` before.

        OperationAborted when others do.
        """
        fresh = {extent.blob for extent in extents} - {extent.blob for extent in kept}
        if fresh & (self.live | self.dead.keys()):
            raise S3Error("OperationAborted")
        self.live |= fresh

    def bury(self, extents: Iterable[Extent], *, kept: Iterable[Extent] = ()) -> None:
        """Queue the blobs of `extents` that are not in `kept`."""
        spared = {extent.blob for extent in kept}
        for extent in extents:
            if extent.blob not in spared:
                self.live.discard(extent.blob)
                self.dead[extent.blob] = None

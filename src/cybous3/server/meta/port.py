"""The index as ports: what exists, who owns it, where its bytes are.

Every mutation is one transaction. When a mutating method returns, its effect is visible to every reader of every
process, and durable: what belongs to a bucket in the bucket's mode (`model.buckets.Durability`), all else as `strict`.
A mode of less is still all or nothing for each mutation, and the earlier before the later: a power cut takes the last
ones and leaves none in pieces. When a method raises, nothing changed; after an OSError of a failing disk the effect may
yet appear with the next start. A cancelled call may or may not have happened. Errors are `S3Error`s with S3's own
codes, OSErrors for what the medium did, DamagedRecordError for a row that is not what was written; anything else is a
broken index.

Rows say by a checksum whether they are what was written. A put or a delete that meets a damaged row replaces or removes
it, whatever it says, unless a condition is to be asked of it: then it is refused with the same error.

Blobs that stop being referenced by a mutation enter the garbage queue in the same transaction; the reaper deletes them
later. Keys are ordered by their UTF-8 bytes, everywhere.
"""

import errno
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cybous3.server.model.accounts import AccessKey, User
from cybous3.server.model.buckets import Bucket, Durability
from cybous3.server.model.objects import Extent, ObjectRecord, ObjectSummary, WriteCondition
from cybous3.server.model.scrubs import ScrubState
from cybous3.server.model.uploads import Part, Upload


class DamagedRecordError(OSError):
    """What the index holds of a key is not what was written. The errno is EIO; trying again gives the same."""

    def __init__(self, bucket: str, key: str, reason: str) -> None:
        super().__init__(errno.EIO, f"the index entry of {key!r} in bucket {bucket!r} is damaged: {reason}")
        self.bucket = bucket
        self.key = key
        self.reason = reason


@dataclass(frozen=True, slots=True)
class DamagedRecord:
    """The same as a value: an entry of a walk, or an object in quarantine."""

    bucket: str
    key: str
    reason: str
    upload_id: str = ""  # of a part, with its number
    number: int = 0


@dataclass(frozen=True, slots=True)
class UploadedPart:
    """A part of an upload in progress, as a walk meets it."""

    bucket: str
    key: str
    upload_id: str
    part: Part


@dataclass(frozen=True, slots=True)
class ListQuery:
    """One page of a listing. `after` is exclusive.

    With a delimiter, an `after` that is itself a common prefix skips all below it.
    """

    bucket: str
    prefix: str = ""
    delimiter: str = ""
    after: str = ""
    limit: int = 1000  # entries and common prefixes together; 0 gives an empty, untruncated page


@dataclass(frozen=True, slots=True)
class ListPage:
    """A page; `next_after` continues it and is "" when nothing is left. The cost is the page's, never the bucket's."""

    objects: Sequence[ObjectSummary]
    prefixes: Sequence[str]
    next_after: str = ""


@dataclass(frozen=True, slots=True)
class UploadQuery:
    """One page of the uploads in progress, ordered by key, then by time of creation, then by id."""

    bucket: str
    prefix: str = ""
    delimiter: str = ""
    key_marker: str = ""
    upload_id_marker: str = ""
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class UploadPage:
    """A page of uploads; both markers are "" when nothing is left."""

    uploads: Sequence[Upload]
    prefixes: Sequence[str]
    next_key_marker: str = ""
    next_upload_id_marker: str = ""


class Buckets(Protocol):
    """The buckets."""

    async def create(self, bucket: Bucket) -> None:
        """Add `bucket`.

        BucketAlreadyOwnedByYou or BucketAlreadyExists when the name is taken, by the same owner or another.
        """
        ...

    async def get(self, name: str) -> Bucket:
        """Return the bucket. NoSuchBucket."""
        ...

    async def list(
        self, owner: str | None, *, prefix: str = "", after: str = "", limit: int = 10_000
    ) -> Sequence[Bucket]:
        """Return buckets in name order, those of `owner` or all (None)."""
        ...

    async def set_durability(self, name: str, durability: Durability) -> None:
        """Change the mode of what is written from now on, and make durable what was committed before. NoSuchBucket."""
        ...

    async def delete(self, name: str) -> None:
        """Remove the bucket and its uploads in progress. NoSuchBucket, BucketNotEmpty (any object)."""
        ...


class Objects(Protocol):
    """The objects of all buckets."""

    async def put(self, record: ObjectRecord, condition: WriteCondition) -> None:
        """Make `record` the current object of its key.

        NoSuchBucket; PreconditionFailed when a condition does not hold; NoSuchKey when `if_match` names an object that
        is absent. A blob belongs to one record: extents must be new, or those of the object that is replaced (a change
        of metadata keeps the bytes). OperationAborted otherwise: the object was overwritten since its record was read.
        """
        ...

    async def get(self, bucket: str, key: str) -> ObjectRecord:
        """Return the current object, with the reason if it is in quarantine.

        NoSuchBucket, NoSuchKey; DamagedRecordError.
        """
        ...

    async def delete(self, bucket: str, key: str, condition: WriteCondition) -> bool:
        """Remove the object and return whether there was one.

        NoSuchBucket, PreconditionFailed, NoSuchKey (if_match, absent).
        """
        ...

    async def delete_many(self, bucket: str, keys: Sequence[tuple[str, WriteCondition]]) -> Sequence[Exception | None]:
        """Remove up to 1,000 objects in one transaction; one answer a key, in order.

        None, or the S3Error that kept it.
        """
        ...

    async def list(self, query: ListQuery) -> ListPage:
        """Return one page of current objects. NoSuchBucket."""
        ...

    async def quarantine(self, seen: ObjectRecord, reason: str) -> bool:
        """Mark the object as damaged and return True; False and nothing if it is no longer the one that was seen.

        A put or delete of the key ends it.
        """
        ...

    async def release(self, bucket: str, key: str) -> bool:
        """End the quarantine of the object and return whether there was one."""
        ...

    async def damaged(self, after: tuple[str, str] | None = None, limit: int = 1000) -> Sequence[DamagedRecord]:
        """Return the objects in quarantine behind `after` (bucket, key), in order of bucket and key."""
        ...

    async def walk(
        self, after: tuple[str, str] | None = None, limit: int = 100
    ) -> Sequence[ObjectRecord | DamagedRecord]:
        """Return the next objects behind `after` (bucket, key) of all buckets, whole, in order; [] at the end.

        DamagedRecordError where the index cannot even be walked on.
        """
        ...

    async def forget(self, bucket: str, key: str, extents: Sequence[Extent]) -> bool:
        """Drop an object whose bytes a power cut took, if it still has these extents; return whether it had."""
        ...


class Uploads(Protocol):
    """The multipart uploads in progress. An id is good only with the bucket and key it was made for: NoSuchUpload."""

    async def create(self, upload: Upload) -> None:
        """Begin an upload. NoSuchBucket."""
        ...

    async def get(self, bucket: str, key: str, upload_id: str) -> Upload:
        """Return the upload. NoSuchUpload."""
        ...

    async def put_part(self, bucket: str, key: str, upload_id: str, part: Part) -> None:
        """Add or replace a part. NoSuchUpload, also when it was completed or aborted meanwhile."""
        ...

    async def parts(
        self, bucket: str, key: str, upload_id: str, *, after: int = 0, limit: int = 10_000
    ) -> Sequence[Part]:
        """Return parts in order of number, beginning behind `after`. NoSuchUpload."""
        ...

    async def complete(
        self, upload: Upload, record: ObjectRecord, used: Iterable[int], condition: WriteCondition
    ) -> None:
        """Turn the upload into `record`: the parts numbered in `used` keep their blobs, all others become garbage.

        Exactly one of several concurrent completes or aborts wins. NoSuchUpload; InvalidPart when a used part was
        replaced (its extents are no longer those in `record`); PreconditionFailed and NoSuchKey as in `Objects.put`.
        The record may have extents of length 0 beside those of the parts: new blobs, as in `Objects.put`.
        """
        ...

    async def abort(self, bucket: str, key: str, upload_id: str) -> None:
        """Forget the upload; its parts become garbage. NoSuchUpload."""
        ...

    async def list(self, query: UploadQuery) -> UploadPage:
        """Return one page. NoSuchBucket."""
        ...

    async def walk(
        self, after: tuple[str, int] | None = None, limit: int = 100
    ) -> Sequence[UploadedPart | DamagedRecord]:
        """Return the next parts behind `after` (upload id, number) of all uploads in progress, in that order."""
        ...


class Accounts(Protocol):
    """Users and access keys."""

    async def add_user(self, user: User) -> None:
        """Add a user. EntityAlreadyExists when id, name or (non-empty) e-mail is taken."""
        ...

    async def users(self) -> Sequence[User]:
        """Return all users in name order."""
        ...

    async def user(self, user_id: str) -> User:
        """Return a user by canonical id. NoSuchEntity."""
        ...

    async def delete_user(self, name: str) -> None:
        """Remove a user and its keys. NoSuchEntity; DeleteConflict while it owns buckets."""
        ...

    async def add_key(self, key: AccessKey) -> None:
        """Add a key. EntityAlreadyExists, NoSuchEntity (the user)."""
        ...

    async def keys(self, user_id: str) -> Sequence[AccessKey]:
        """Return a user's keys, oldest first."""
        ...

    async def find_key(self, access_key: str) -> tuple[AccessKey, User] | None:
        """Return the key and its user, or None. Sees what another process committed before the call."""
        ...

    async def delete_key(self, access_key: str) -> None:
        """Remove a key, at once for every process. NoSuchEntity."""
        ...


class Garbage(Protocol):
    """Blobs that nothing refers to any more."""

    async def due(self, limit: int) -> Sequence[str]:
        """Return blobs waiting to be deleted, oldest first; none while anybody holds them."""
        ...

    async def done(self, blobs: Sequence[str]) -> None:
        """Forget blobs that were deleted."""
        ...

    async def referenced(self, blobs: Sequence[str]) -> frozenset[str]:
        """Return those of `blobs` that an object, a part or the garbage queue still refers to."""
        ...

    async def hold(self, name: str, until_ms: int) -> None:
        """Let `due` return nothing until then (UTC milliseconds), in all processes; again with the name: until then."""
        ...

    async def release(self, name: str) -> None:
        """End a hold; without one, nothing."""
        ...


class Unsynced(Protocol):
    """Writes of buckets in mode `relaxed` that were acknowledged and are not durable yet."""

    def waiting(self) -> bool:
        """Return whether this process committed anything without a sync since its last synced commit.

        True at first: nobody knows what the process before it left. It costs nothing to ask.
        """
        ...

    async def pending(self, limit: int) -> Sequence[str]:
        """Return blobs that a relaxed commit refers to and whose bytes nobody has synced yet, oldest first."""
        ...

    async def among(self, blobs: Sequence[str]) -> Sequence[str]:
        """Return those of `blobs` that are pending, in their order. Quick when nothing is pending at all."""
        ...

    async def done(self, blobs: Sequence[str]) -> None:
        """Forget blobs that were synced, by a synced commit: it makes all earlier commits durable too.

        With no blobs it does just that.
        """
        ...


class Scrubs(Protocol):
    """The state of the search for damage."""

    async def load(self) -> ScrubState | None:
        """Return what was saved last, or None."""
        ...

    async def save(self, state: ScrubState) -> None:
        """Keep it instead of the one before."""
        ...


class Index(Protocol):
    """The ports of one index, and its end."""

    @property
    def buckets(self) -> Buckets:
        """The buckets."""
        ...

    @property
    def objects(self) -> Objects:
        """The objects."""
        ...

    @property
    def uploads(self) -> Uploads:
        """The uploads in progress."""
        ...

    @property
    def accounts(self) -> Accounts:
        """Users and access keys."""
        ...

    @property
    def garbage(self) -> Garbage:
        """The blobs to be deleted."""
        ...

    @property
    def unsynced(self) -> Unsynced:
        """The writes that are acknowledged and not durable yet."""
        ...

    @property
    def scrubs(self) -> Scrubs:
        """The state of the search for damage."""
        ...

    def mark(self, bucket: str, key: str) -> tuple[int, int] | None:
        """Return a mark of an object, of its bucket and of all accounts, in about a microsecond; None: there is none.

        Two equal marks mean that between them no change of these became visible, from whatever process. A mutation has
        changed the mark before it returns.
        """
        ...

    def spare(self) -> int:
        """Return about how many bytes it can take in without growing on its medium."""
        ...

    async def probe(self) -> None:
        """Commit a real, durable, harmless write and read it back; raises OSError or the index's own error."""
        ...

    async def aclose(self) -> None:
        """Finish what is under way and close. May be called twice."""
        ...

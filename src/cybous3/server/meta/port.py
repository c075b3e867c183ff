"""The index as ports: what exists, who owns it, where its bytes are.

Every mutation is one transaction. When a mutating method returns, its effect is durable in the mode of the index
(`strict`: synced to disk) and visible to every reader of every process; when it raises, nothing changed. A cancelled
call may or may not have happened. Errors are `S3Error`s with S3's own codes; anything else is a broken index.

Blobs that stop being referenced by a mutation enter the garbage queue in the same transaction; the reaper deletes them
later. Keys are ordered by their UTF-8 bytes, everywhere.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cybous3.server.model.accounts import AccessKey, User
from cybous3.server.model.buckets import Bucket
from cybous3.server.model.objects import ObjectRecord, ObjectSummary, WriteCondition
from cybous3.server.model.uploads import Part, Upload


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
        """Return the current object. NoSuchBucket, NoSuchKey."""
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
        """
        ...

    async def abort(self, bucket: str, key: str, upload_id: str) -> None:
        """Forget the upload; its parts become garbage. NoSuchUpload."""
        ...

    async def list(self, query: UploadQuery) -> UploadPage:
        """Return one page. NoSuchBucket."""
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
        """Return blobs waiting to be deleted, oldest first."""
        ...

    async def done(self, blobs: Sequence[str]) -> None:
        """Forget blobs that were deleted."""
        ...

    async def referenced(self, blobs: Sequence[str]) -> frozenset[str]:
        """Return those of `blobs` that an object, a part or the garbage queue still refers to."""
        ...


class Index(Protocol):
    """The five ports of one index, and its end."""

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

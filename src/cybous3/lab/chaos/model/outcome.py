"""What every implementation of S3 here says of a step, so that two of them can be compared by `==`."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple, Protocol

Metadata = tuple[tuple[str, str], ...]
Item = tuple[str, ...]
"""One line of a listing: what it is, its name, and what else is said of it."""


class Condition(NamedTuple):
    """When a write may happen. `match`: only onto this ETag; `absent`: only onto nothing. At most one of the two."""

    match: str | None = None
    absent: bool = False


ALWAYS = Condition()


class Place(NamedTuple):
    """A bucket and a key."""

    bucket: str
    key: str


class Outcome(NamedTuple):
    """The answer to one step, without what no model can know: ids, dates, wording. `pages`: listings, page by page."""

    status: int
    code: str = ""
    etag: str = ""
    body: bytes = b""
    metadata: Metadata = ()
    size: int | None = None
    pages: tuple[tuple[Item, ...], ...] = ()


def md5(body: bytes) -> str:
    """Return the ETag of a body that came whole."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def joined_etag(parts: Sequence[str]) -> str:
    """Return the ETag of an object of parts with these ETags, as S3 makes it."""
    digest = hashlib.md5(b"".join(bytes.fromhex(part) for part in parts), usedforsecurity=False).hexdigest()
    return f"{digest}-{len(parts)}"


class S3(Protocol):
    """One S3: the reference in a dictionary, or a real one behind a wire. Multipart uploads are called by handles.

    Versions and locks are to join as further methods: nothing here assumes that a key has one object only.
    """

    def create_bucket(self, bucket: str) -> Outcome:
        """Make a bucket."""
        ...

    def delete_bucket(self, bucket: str) -> Outcome:
        """Remove an empty bucket."""
        ...

    def list_buckets(self) -> Outcome:
        """List the buckets."""
        ...

    def put(self, place: Place, body: bytes, metadata: Metadata, condition: Condition) -> Outcome:
        """Write an object whole."""
        ...

    def get(self, place: Place, span: str | None, match: str | None, none_match: str | None) -> Outcome:
        """Read an object, or the bytes of a `Range` header."""
        ...

    def head(self, place: Place) -> Outcome:
        """Look at an object."""
        ...

    def delete(self, place: Place, match: str | None) -> Outcome:
        """Remove an object, or nothing."""
        ...

    def delete_many(self, bucket: str, keys: Sequence[str]) -> Outcome:
        """Remove several objects."""
        ...

    def copy(
        self,
        source: Place,
        place: Place,
        metadata: Metadata | None,
        condition: Condition,
        source_match: str | None,
    ) -> Outcome:
        """Write an object from another."""
        ...

    def list(self, bucket: str, prefix: str, delimiter: str, after: str, limit: int) -> Outcome:
        """List objects, page by page to the end."""
        ...

    def create_upload(self, handle: str, place: Place, metadata: Metadata) -> Outcome:
        """Begin an upload, called `handle` from now on."""
        ...

    def put_part(self, handle: str, number: int, body: bytes) -> Outcome:
        """Write a part."""
        ...

    def copy_part(self, handle: str, number: int, source: Place, span: tuple[int, int] | None) -> Outcome:
        """Write a part from an object's bytes, first to last."""
        ...

    def list_parts(self, handle: str) -> Outcome:
        """List the parts of an upload."""
        ...

    def complete(self, handle: str, parts: Sequence[tuple[int, str]], condition: Condition) -> Outcome:
        """Make the object of these parts."""
        ...

    def abort(self, handle: str) -> Outcome:
        """Forget an upload."""
        ...

    def list_uploads(self, bucket: str, prefix: str) -> Outcome:
        """List the uploads under way."""
        ...


def observe(s3: S3, handles: Sequence[str]) -> tuple[Outcome, ...]:
    """Return everything that can be seen: buckets, objects with their bytes, uploads with their parts."""
    buckets = s3.list_buckets()
    seen = [buckets]
    for _, bucket, *_ in (item for page in buckets.pages for item in page):
        listing = s3.list(bucket, "", "", "", 1000)
        keys = [item[1] for page in listing.pages for item in page]
        seen += [listing, *(s3.get(Place(bucket, key), None, None, None) for key in keys), s3.list_uploads(bucket, "")]
    return (*seen, *(s3.list_parts(handle) for handle in handles))

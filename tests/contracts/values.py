"""Values that the contract suites are fed with."""

import random
from collections.abc import Iterable
from typing import Any

from cybous3.server.model.accounts import AccessKey, User
from cybous3.server.model.buckets import Bucket
from cybous3.server.model.objects import Extent, ObjectRecord
from cybous3.server.model.uploads import Part, Upload

OWNER = "0" * 63 + "a"
OTHER = "0" * 63 + "b"
BUCKET = Bucket("bucket", OWNER, "us-east-1", 1_700_000_000_000)
MD5 = "d41d8cd98f00b204e9800998ecf8427e"

_random = random.Random(20261122)  # noqa: S311  # names in tests, not secrets


def entropy(count: int) -> bytes:
    """Return bytes that differ from call to call and are the same in every run."""
    return _random.randbytes(count)


def blob() -> str:
    """Return a fresh blob id."""
    return entropy(16).hex()


def record(key: str, **changes: Any) -> ObjectRecord:  # any field of a record
    """Return a small object."""
    fields: dict[str, Any] = {
        "bucket": BUCKET.name,
        "key": key,
        "size": 3,
        "etag": MD5,
        "modified_ms": 1_700_000_000_123,
        "owner": OWNER,
        "inline": b"abc",
    }
    fields.update(changes)
    if fields.get("extents"):
        fields["inline"] = None
        fields["size"] = sum(extent.length for extent in fields["extents"])
    return ObjectRecord(**fields)


def in_blobs(key: str, blobs: Iterable[str], **changes: Any) -> ObjectRecord:  # any field of a record
    """Return an object whose bytes are the given blobs, of 100,000 bytes each."""
    return record(key, extents=tuple(Extent(name, 100_000) for name in blobs), **changes)


def upload(key: str, upload_id: str | None = None, **changes: Any) -> Upload:  # any field of an upload
    """Return an upload."""
    fields: dict[str, Any] = {
        "id": upload_id or entropy(16).hex(),
        "bucket": BUCKET.name,
        "key": key,
        "owner": OWNER,
        "initiator": OTHER,
        "created_ms": 1_700_000_000_000,
    }
    return Upload(**{**fields, **changes})


def part(number: int, name: str | None = None, size: int = 100_000) -> Part:
    """Return a part of one blob."""
    return Part(number, size, MD5, 1_700_000_000_000, None, (Extent(name or blob(), size),))


def user(name: str, user_id: str = OWNER, **changes: Any) -> User:  # any field of a user
    """Return a user."""
    return User(**{"id": user_id, "name": name, "display_name": name.title(), **changes})


def access_key(name: str, user_id: str = OWNER, **changes: Any) -> AccessKey:  # any field of a key
    """Return an access key with a secret nobody can open."""
    fields: dict[str, Any] = {
        "access_key": name,
        "user_id": user_id,
        "sealed_secret": b"\x01\x00sealed",
        "created_ms": 5,
    }
    return AccessKey(**{**fields, **changes})

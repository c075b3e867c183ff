"""Multipart uploads in progress."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cybous3.server.model.objects import Checksum, ChecksumAlgorithm, ChecksumType, Extent


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload that was created and neither completed nor aborted."""

    id: str
    bucket: str
    key: str
    owner: str  # canonical id of the bucket's owner
    initiator: str  # canonical id of who began it
    created_ms: int
    storage_class: str = "STANDARD"
    system: Mapping[str, str] = field(default_factory=dict)
    user: Mapping[str, str] = field(default_factory=dict)
    checksum_algorithm: ChecksumAlgorithm | None = None
    checksum_type: ChecksumType | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One uploaded part. Uploading the same number again replaces it."""

    number: int  # 1..10,000
    size: int
    etag: str
    modified_ms: int
    checksum: Checksum | None = None
    extents: tuple[Extent, ...] = ()  # never inline: completing joins extents and copies nothing; () when empty


@dataclass(frozen=True, slots=True)
class CompletedPart:
    """A part as the request that completes an upload names it. The ETag is without quotes."""

    number: int
    etag: str
    checksum: Checksum | None = None

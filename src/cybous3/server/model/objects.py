"""Objects, their parts and the values that travel with them. All frozen; times are UTC milliseconds since 1970."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

NULL_VERSION = "null"

ChecksumAlgorithm = Literal["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]
ChecksumType = Literal["FULL_OBJECT", "COMPOSITE"]


class Checksum(NamedTuple):
    """A checksum as S3 names it; `value` is base64, with `-N` behind it when composite of N parts."""

    algorithm: ChecksumAlgorithm
    value: str
    type: ChecksumType = "FULL_OBJECT"


@dataclass(frozen=True, slots=True)
class Extent:
    """One immutable blob, used whole. One of length 0 holds none of the object's bytes: it says what the object is."""

    blob: str
    length: int


@dataclass(frozen=True, slots=True)
class ObjectPart:
    """A part that a completed multipart object was made of; order in the tuple is order in the object."""

    number: int
    size: int
    etag: str
    checksum: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """One version of one object: what it is and where its bytes are.

    The bytes are either `inline` or the concatenation of `extents`, never both; `size` counts them. An extent of length
    0 may stand beside either.
    """

    bucket: str
    key: str
    size: int
    etag: str  # without quotes
    modified_ms: int
    owner: str  # canonical id
    version_id: str = NULL_VERSION
    storage_class: str = "STANDARD"
    system: Mapping[str, str] = field(default_factory=dict)  # content-type, cache-control, ...: lower-case header names
    user: Mapping[str, str] = field(default_factory=dict)  # x-amz-meta-*, without the prefix
    checksum: Checksum | None = None
    inline: bytes | None = None
    extents: tuple[Extent, ...] = ()
    parts: tuple[ObjectPart, ...] = ()  # empty unless the object came from a multipart upload
    damaged: str | None = None  # why it is in quarantine; the index sets it, a write of the record does not


class ObjectSummary(NamedTuple):
    """What a listing shows of an object. A tuple, because a page makes a thousand of them: 0.2 us each instead of 2."""

    key: str
    size: int
    etag: str
    modified_ms: int
    owner: str
    storage_class: str
    checksum_algorithm: ChecksumAlgorithm | None
    checksum_type: ChecksumType | None
    version_id: str = NULL_VERSION


class WriteCondition(NamedTuple):
    """What must hold of the current object at the instant a write commits. None: no such condition.

    ETags are without quotes; "*" stands for any object. RFC 9110 §13.1; S3: conditional writes, deletes.
    """

    if_match: str | None = None
    if_none_match: str | None = None
    if_match_size: int | None = None  # x-amz-if-match-size, deletes only
    if_match_modified_ms: int | None = (
        None  # x-amz-if-match-last-modified-time, deletes only; compared in whole seconds
    )


ALWAYS = WriteCondition()

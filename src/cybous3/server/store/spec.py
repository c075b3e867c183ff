"""What a caller of the store says about an object before its bytes arrive, and what those bytes must prove to be."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from cybous3.server.model.objects import Checksum, ChecksumAlgorithm

SIZE_MAX: Final = 5 * 1024**3  # one PUT or one part; the S3 user guide's multipart limits
OBJECT_SIZE_MAX: Final = 5 * 1024**4  # a completed multipart object
PART_SIZE_MIN: Final = 5 * 1024**2  # every part but the last


@dataclass(frozen=True, slots=True)
class ObjectSpec:
    """An object as its writer describes it: everything but the bytes and what follows from them."""

    bucket: str
    key: str
    owner: str  # canonical id
    system: Mapping[str, str] = field(default_factory=dict)
    user: Mapping[str, str] = field(default_factory=dict)
    storage_class: str = "STANDARD"


class Expected(NamedTuple):
    """What the body was announced to be. None: not announced, not checked.

    `content_length` counts the decoded bytes. `checksum` is a value from a header; with `checksum_algorithm` and
    `trailer` the value stands in the trailer instead, which is asked for once, after the end of the body, under its
    header name (`x-amz-checksum-crc32`). An algorithm without any value asks for the checksum to be kept.
    """

    content_length: int | None = None
    content_md5: bytes | None = None
    sha256: bytes | None = None  # of the decoded bytes: the signed payload hash
    checksum: Checksum | None = None
    checksum_algorithm: ChecksumAlgorithm | None = None
    trailer: Callable[[], Mapping[str, str]] | None = None
    max_size: int = SIZE_MAX


NOTHING_EXPECTED: Final = Expected()

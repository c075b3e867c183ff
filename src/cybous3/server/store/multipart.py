"""What a multipart upload comes to. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

from cybous3.core import checksums
from cybous3.core.clock import Entropy
from cybous3.core.ids import upload_id
from cybous3.server.model.objects import (
    Checksum,
    ChecksumAlgorithm,
    ChecksumType,
    Extent,
    ObjectPart,
    ObjectRecord,
)
from cybous3.server.model.uploads import CompletedPart, Part, Upload
from cybous3.server.store.digests import DEFAULT_ALGORITHM, Judged, mismatch
from cybous3.server.store.spec import OBJECT_SIZE_MAX, PART_SIZE_MIN, Expected, ObjectSpec
from cybous3.server.wire.errors import S3Error

_DEFAULT_TYPE: Final[Mapping[ChecksumAlgorithm, ChecksumType]] = {
    "CRC32": "COMPOSITE",
    "CRC32C": "COMPOSITE",
    "CRC64NVME": "FULL_OBJECT",
    "SHA1": "COMPOSITE",
    "SHA256": "COMPOSITE",
}
"""What S3 makes of an upload that names an algorithm and no type."""


def new_upload(
    spec: ObjectSpec,
    initiator: str,
    algorithm: ChecksumAlgorithm | None,
    kind: str | None,
    *,
    now_ms: int,
    entropy: Entropy,
) -> Upload:
    """Return a fresh upload. InvalidRequest when the algorithm cannot be joined that way."""
    return Upload(
        id=upload_id(entropy),
        bucket=spec.bucket,
        key=spec.key,
        owner=spec.owner,
        initiator=initiator,
        created_ms=now_ms,
        storage_class=spec.storage_class,
        system=spec.system,
        user=spec.user,
        checksum_algorithm=algorithm,
        checksum_type=checksum_type(algorithm, kind),
    )


def checksum_type(algorithm: ChecksumAlgorithm | None, kind: str | None) -> ChecksumType | None:
    """Return the type of an upload's checksum. InvalidRequest."""
    if algorithm is None:
        if kind is not None:
            raise S3Error(
                "InvalidRequest", "The x-amz-checksum-type header can only be used with x-amz-checksum-algorithm."
            )
        return None
    row = checksums.algorithm(algorithm)
    allowed: dict[str, bool] = {"COMPOSITE": row.composite, "FULL_OBJECT": row.full_object}
    chosen = kind or _DEFAULT_TYPE[algorithm]
    if not allowed.get(chosen, False):
        raise S3Error(
            "InvalidRequest", f"The {chosen} checksum type cannot be used with the {algorithm} checksum algorithm."
        )
    return "COMPOSITE" if chosen == "COMPOSITE" else "FULL_OBJECT"


def part_expectation(upload: Upload, expected: Expected) -> Expected:
    """Return what a part must prove to be: what its request says, with the algorithm of the upload. InvalidRequest."""
    named = expected.checksum.algorithm if expected.checksum else expected.checksum_algorithm
    if upload.checksum_algorithm is None:
        return expected
    if named is None:
        return expected._replace(checksum_algorithm=upload.checksum_algorithm)
    if named != upload.checksum_algorithm:
        raise S3Error(
            "InvalidRequest",
            f"Checksum Type mismatch occurred, expected checksum Type: {upload.checksum_algorithm.lower()}, "
            f"actual checksum Type: {named.lower()}",
        )
    return expected


def part_of(number: int, judged: Judged, extents: tuple[Extent, ...], now_ms: int) -> Part:
    """Return the part that a judged body is. An empty one has no blob."""
    return Part(
        number=number,
        size=judged.size,
        etag=judged.etag,
        modified_ms=now_ms,
        checksum=judged.checksum,
        extents=extents if judged.size else (),
    )


def joined(upload: Upload, stored: Sequence[Part], wanted: Sequence[CompletedPart], now_ms: int) -> ObjectRecord:
    """Return the object that the parts make, in their order.

    InvalidPartOrder, InvalidPart (absent, or another ETag or checksum than named), EntityTooSmall (any but the last
    below 5 MiB), EntityTooLarge (above 5 TiB), MalformedXML (no part at all).
    """
    parts = _chosen(upload, {part.number: part for part in stored}, wanted)
    size = sum(part.size for part in parts)
    if size > OBJECT_SIZE_MAX:
        raise S3Error("EntityTooLarge", ProposedSize=str(size), MaxSizeAllowed=str(OBJECT_SIZE_MAX))
    return ObjectRecord(
        bucket=upload.bucket,
        key=upload.key,
        size=size,
        etag=etag_of(parts),
        modified_ms=now_ms,
        owner=upload.owner,
        storage_class=upload.storage_class,
        system=upload.system,
        user=upload.user,
        checksum=checksum_of(upload, parts),
        inline=None if size else b"",
        extents=tuple(extent for part in parts for extent in part.extents),
        parts=tuple(
            ObjectPart(part.number, part.size, part.etag, part.checksum.value if part.checksum else None)
            for part in parts
        ),
    )


def _chosen(upload: Upload, stored: Mapping[int, Part], wanted: Sequence[CompletedPart]) -> list[Part]:
    if not wanted:
        raise S3Error("MalformedXML")
    numbers = [part.number for part in wanted]
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise S3Error("InvalidPartOrder", UploadId=upload.id)
    parts = [_match(upload, stored.get(part.number), part) for part in wanted]
    for part in parts[:-1]:
        if part.size < PART_SIZE_MIN:
            raise S3Error(
                "EntityTooSmall",
                ProposedSize=str(part.size),
                MinSizeAllowed=str(PART_SIZE_MIN),
                PartNumber=str(part.number),
                ETag=part.etag,
            )
    return parts


def _match(upload: Upload, part: Part | None, wanted: CompletedPart) -> Part:
    if part is None or part.etag != wanted.etag.strip('"') or not _same_checksum(part.checksum, wanted.checksum):
        raise S3Error("InvalidPart", UploadId=upload.id, PartNumber=str(wanted.number), ETag=wanted.etag)
    return part


def _same_checksum(stored: Checksum | None, named: Checksum | None) -> bool:
    """Return false if what a request names contradicts what is stored; a checksum of another algorithm says nothing."""
    if stored is None or named is None or stored.algorithm != named.algorithm:
        return True
    return stored.value == named.value


def etag_of(parts: Sequence[Part]) -> str:
    """Return the MD5 of the parts' MD5s, a dash, and their number: what AWS makes."""
    digests = b"".join(bytes.fromhex(part.etag) for part in parts)
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"


def checksum_of(upload: Upload, parts: Sequence[Part]) -> Checksum | None:
    """Return the object's checksum from the parts', without reading a byte. CRC64NVME when the upload named none."""
    algorithm = upload.checksum_algorithm or DEFAULT_ALGORITHM
    kind = upload.checksum_type or _DEFAULT_TYPE[algorithm]
    digests: list[tuple[bytes, int]] = []
    for part in parts:
        if part.checksum is None or part.checksum.algorithm != algorithm:
            return None  # a part came with another algorithm, which an upload that named none allows
        digests.append((checksums.from_base64(algorithm, part.checksum.value), part.size))
    if kind == "COMPOSITE":
        return Checksum(algorithm, checksums.composite(algorithm, [digest for digest, _ in digests]), "COMPOSITE")
    return Checksum(algorithm, checksums.to_base64(checksums.combine_full_object(algorithm, digests)))


def check_whole(record: ObjectRecord, checksum: Checksum | None, size: int | None) -> None:
    """Compare the object with what the completing request says of it. BadDigest, InvalidRequest."""
    if size is not None and size != record.size:
        raise S3Error("InvalidRequest", "The x-amz-mp-object-size you specified did not match the sizes of the parts.")
    if checksum is None:
        return
    if record.checksum is None or record.checksum.algorithm != checksum.algorithm:
        raise S3Error("InvalidRequest", f"The upload was not created with the {checksum.algorithm} checksum algorithm.")
    if record.checksum.type == "FULL_OBJECT" and record.checksum.value != checksum.value:
        raise mismatch(checksum.algorithm)
    if record.checksum.type == "COMPOSITE" and record.checksum.value not in (
        checksum.value,
        f"{checksum.value}-{len(record.parts)}",
    ):
        raise mismatch(checksum.algorithm)

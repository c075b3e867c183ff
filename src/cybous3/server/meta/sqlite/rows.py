"""Rows from values and values from rows."""

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, cast

from cybous3.server.meta.port import DamagedRecordError
from cybous3.server.meta.sqlite.sums import COVERED, body_sum, row_sum
from cybous3.server.model.objects import (
    NULL_VERSION,
    Checksum,
    ChecksumAlgorithm,
    ChecksumType,
    Extent,
    ObjectPart,
    ObjectRecord,
)
from cybous3.server.model.uploads import Part, Upload

STANDARD: Final = "STANDARD"
_EXTENT: Final = struct.Struct(">16sQ")
EXTENT_SIZE: Final = _EXTENT.size


def pack_extents(extents: Sequence[Extent]) -> bytes | None:
    """Return 24 bytes an extent: the blob's id and its length. None when there is none."""
    if not extents:
        return None
    return b"".join(_EXTENT.pack(bytes.fromhex(extent.blob), extent.length) for extent in extents)


def unpack_extents(data: bytes | None) -> tuple[Extent, ...]:
    """Undo `pack_extents`."""
    return tuple(Extent(blob.hex(), length) for blob, length in _EXTENT.iter_unpack(data)) if data else ()


def blob_ids(data: bytes | None) -> list[bytes]:
    """Return the blobs that packed extents refer to."""
    return [data[at : at + 16] for at in range(0, len(data), EXTENT_SIZE)] if data else []


def pack_parts(parts: Iterable[ObjectPart]) -> str:
    """Return the parts of a multipart object as one text."""
    return json.dumps([(part.number, part.size, part.etag, part.checksum) for part in parts], separators=(",", ":"))


@lru_cache(maxsize=8)  # a ranged reader of one large object asks for the same 10,000 parts, 5 ms, again and again
def unpack_layout(extents: bytes, parts: str) -> tuple[tuple[Extent, ...], tuple[ObjectPart, ...]]:
    """Return what a multipart object consists of."""
    return unpack_extents(extents), tuple(ObjectPart(*part) for part in json.loads(parts))


def pack_mapping(mapping: Mapping[str, str]) -> str | None:
    """Return metadata as one text; None when there is none."""
    return _pack_items(tuple(mapping.items())) if mapping else None


@lru_cache(maxsize=256)  # most writers send the same content type again and again
def _pack_items(items: tuple[tuple[str, str], ...]) -> str:
    return json.dumps(dict(items))


def unpack_mapping(text: str | None) -> dict[str, str]:
    """Undo `pack_mapping`."""
    return cast("dict[str, str]", json.loads(text)) if text else {}


def checksum_columns(checksum: Checksum | None) -> tuple[str | None, str | None, str | None]:
    """Return algorithm, type and value."""
    return (None, None, None) if checksum is None else (checksum.algorithm, checksum.type, checksum.value)


def checksum_of(algorithm: str | None, kind: str | None, value: str | None) -> Checksum | None:
    """Undo `checksum_columns`."""
    if algorithm is None or value is None:
        return None
    return Checksum(cast("ChecksumAlgorithm", algorithm), value, cast("ChecksumType", kind))


OBJECT_COLUMNS: Final = (
    "o.bucket, o.key, o.size, o.etag, o.modified_ms, o.version, o.owner, o.storage_class, o.checksum_algorithm, "
    "o.checksum_type, o.checksum, o.content, o.extents, o.layout, o.system, o.user, o.sealed, o.body"
)
"""What the sum of an object's row covers."""

OBJECT_WIDTH: Final = COVERED["objects"]
_BODY: Final = OBJECT_WIDTH - 1

SELECT_RECORD: Final = (
    f"SELECT {OBJECT_COLUMNS}, o.sum, o.damaged, b.owner, c.data, l.extents, l.parts "  # noqa: S608  # constants
    "FROM buckets b JOIN objects o ON o.bucket = b.id "
    "LEFT JOIN contents c ON c.id = o.content LEFT JOIN layouts l ON l.id = o.layout "
)


def record_of(bucket: str, key: str, row: tuple[Any, ...]) -> ObjectRecord:
    """Return the object of a row of SELECT_RECORD. DamagedRecordError when it is not what was written."""
    columns = row[:OBJECT_WIDTH]
    kept_sum, damaged, bucket_owner, data, layout_extents, layout_parts = row[OBJECT_WIDTH:]
    if row_sum("objects", columns) != kept_sum:
        raise DamagedRecordError(bucket, key, "the row differs from its checksum")
    if body_sum(data, layout_extents, layout_parts) != columns[_BODY]:
        raise DamagedRecordError(bucket, key, "what the row refers to differs from its checksum")
    return build_record(bucket, key, columns, (damaged, bucket_owner, data, layout_extents, layout_parts))


def build_record(bucket: str, key: str, columns: tuple[Any, ...], others: tuple[Any, ...]) -> ObjectRecord:
    """Return the object of columns and what stands elsewhere, both found to be what was written."""
    size, etag, modified_ms, version, owner, storage_class = columns[2:8]
    algorithm, kind, checksum, _, extents, _, system, user = columns[8:16]
    damaged, bucket_owner, data, layout_extents, layout_parts = others
    parts: tuple[ObjectPart, ...] = ()
    if layout_parts is None:
        blobs = unpack_extents(extents)
    else:
        blobs, parts = unpack_layout(layout_extents, layout_parts)
    return ObjectRecord(
        bucket=bucket,
        key=key,
        size=size,
        etag=etag,
        modified_ms=modified_ms,
        owner=owner or bucket_owner,
        version_id=version or NULL_VERSION,
        storage_class=storage_class or STANDARD,
        system=unpack_mapping(system),
        user=unpack_mapping(user),
        checksum=checksum_of(algorithm, kind, checksum),
        inline=b"" if data is None and size == 0 else data,
        extents=blobs,
        parts=parts,
        damaged=damaged,
    )


def upload_of(bucket: str, key: str, columns: Sequence[Any]) -> Upload:
    """Return the upload of a row's columns from the time of creation on, behind its id."""
    token, created_ms, owner, initiator, storage_class, algorithm, kind, system, user = columns
    return Upload(
        id=token,
        bucket=bucket,
        key=key,
        owner=owner,
        initiator=initiator,
        created_ms=created_ms,
        storage_class=storage_class,
        system=unpack_mapping(system),
        user=unpack_mapping(user),
        checksum_algorithm=algorithm,
        checksum_type=kind,
    )


def part_of(columns: Sequence[Any]) -> Part:
    """Return the part of a row's columns, from its number to its extents."""
    number, size, etag, modified_ms, algorithm, kind, checksum, extents = columns
    return Part(number, size, etag, modified_ms, checksum_of(algorithm, kind, checksum), unpack_extents(extents))

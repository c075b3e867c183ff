"""The answers to single operations as XML. Element order is AWS's; ETags are given without quotes and written with.

A key in them only repeats what the client said, so what XML 1.0 cannot carry becomes U+FFFD: the upload id beside it
must be readable whatever the key.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cybous3.server.model.objects import Checksum, ObjectPart, ObjectRecord
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.markup import DECLARATION, XMLNS, escape, text_element, timestamp


def _document(root: str, *parts: str) -> bytes:
    return f'{DECLARATION}<{root} xmlns="{XMLNS}">{"".join(parts)}</{root}>'.encode()


def _text(name: str, value: str | None) -> str:
    return "" if value is None else text_element(name, value)


def _etag(etag: str) -> str:
    return f"<ETag>&quot;{escape(etag)}&quot;</ETag>"


def _checksum(checksum: Checksum | None, *, with_type: bool) -> str:
    if checksum is None:
        return ""
    kind = _text("ChecksumType", checksum.type) if with_type else ""
    return _text(f"Checksum{checksum.algorithm}", checksum.value) + kind


def location_constraint(region: str) -> bytes:
    """Write the answer to GetBucketLocation. The region us-east-1 is, for history's sake, an empty element."""
    return _document("LocationConstraint", "" if region == "us-east-1" else escape(region))


def initiate_multipart_upload(bucket: str, key: str, upload_id: str) -> bytes:
    """Write InitiateMultipartUploadResult."""
    return _document(
        "InitiateMultipartUploadResult", _text("Bucket", bucket), _text("Key", key), _text("UploadId", upload_id)
    )


def complete_multipart_upload(location: str, record: ObjectRecord) -> bytes:
    """Write CompleteMultipartUploadResult; `location` is the object's URL as this client addressed it."""
    return _document(
        "CompleteMultipartUploadResult",
        _text("Location", location),
        _text("Bucket", record.bucket),
        _text("Key", record.key),
        _etag(record.etag),
        _checksum(record.checksum, with_type=True),
    )


def copy_object(etag: str, modified_ms: int, checksum: Checksum | None = None) -> bytes:
    """Write CopyObjectResult."""
    return _copied("CopyObjectResult", etag, modified_ms, _checksum(checksum, with_type=True))


def copy_part(etag: str, modified_ms: int, checksum: Checksum | None = None) -> bytes:
    """Write CopyPartResult."""
    return _copied("CopyPartResult", etag, modified_ms, _checksum(checksum, with_type=False))


def _copied(root: str, etag: str, modified_ms: int, checksum: str) -> bytes:
    return _document(root, _text("LastModified", timestamp(modified_ms)), _etag(etag), checksum)


@dataclass(frozen=True, slots=True)
class Deletion:
    """What became of one object of a DeleteObjects request; `error` None: it is gone."""

    key: str
    version_id: str | None = None
    error: S3Error | None = None


def delete_result(deletions: Sequence[Deletion], *, quiet: bool = False) -> bytes:
    """Write DeleteResult, in the order asked. `quiet` leaves out what went well."""
    shown = (deletion for deletion in deletions if deletion.error is not None or not quiet)
    return _document("DeleteResult", *(_deletion(deletion) for deletion in shown))


def _deletion(deletion: Deletion) -> str:
    what = _text("Key", deletion.key) + _text("VersionId", deletion.version_id)
    if deletion.error is None:
        return f"<Deleted>{what}</Deleted>"
    return f"<Error>{what}{_text('Code', deletion.error.code)}{_text('Message', deletion.error.message)}</Error>"


@dataclass(frozen=True, slots=True)
class PartsPage:
    """The parts of an object that GetObjectAttributes shows: those behind number `marker`, at most `max_parts`."""

    parts: Sequence[ObjectPart]
    total: int
    marker: int = 0
    max_parts: int = 1000
    truncated: bool = False


def object_attributes(record: ObjectRecord, wanted: Sequence[str], parts: PartsPage | None = None) -> bytes:
    """Write GetObjectAttributesResponse with the attributes `wanted`, those that the object has.

    Its ETag, alone among all answers, is without quotes. `parts` None: not made of parts.
    """
    checksum = _checksum(record.checksum, with_type=True)
    attributes = (
        ("ETag", _text("ETag", record.etag)),
        ("Checksum", f"<Checksum>{checksum}</Checksum>" if checksum else ""),
        ("ObjectParts", _object_parts(record, parts) if parts is not None else ""),
        ("StorageClass", _text("StorageClass", record.storage_class)),
        ("ObjectSize", _text("ObjectSize", str(record.size))),
    )
    return _document("GetObjectAttributesResponse", *(element for name, element in attributes if name in wanted))


def _object_parts(record: ObjectRecord, page: PartsPage) -> str:
    algorithm = record.checksum.algorithm if record.checksum else None
    rows = "".join(
        f"<Part>{_text(f'Checksum{algorithm}', part.checksum)}<PartNumber>{part.number}</PartNumber>"
        f"<Size>{part.size}</Size></Part>"
        for part in page.parts
    )
    return (
        f"<ObjectParts><PartsCount>{page.total}</PartsCount><PartNumberMarker>{page.marker}</PartNumberMarker>"
        f"<NextPartNumberMarker>{page.parts[-1].number if page.parts else 0}</NextPartNumberMarker>"
        f"<MaxParts>{page.max_parts}</MaxParts><IsTruncated>{'true' if page.truncated else 'false'}</IsTruncated>"
        f"{rows}</ObjectParts>"
    )

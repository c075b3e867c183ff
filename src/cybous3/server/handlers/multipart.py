"""Multipart uploads from their creation to their end, and what can be seen of them meanwhile.

A completed upload is forgotten, so a client that lost the answer and completes again meets no upload. It gets the same
answer as the first time, if the object that stands there is made of exactly the parts it names: it has what it wanted.
What else the request demands (conditions, size, checksum) is held against that object.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from cybous3.core.http_values import quote_etag
from cybous3.core.ids import is_hex_id
from cybous3.server.handlers.answers import checksum_fields, xml
from cybous3.server.handlers.call import Call
from cybous3.server.handlers.documents import read_document
from cybous3.server.handlers.integrity import expected_body, known_algorithm, object_checksum
from cybous3.server.handlers.listing import names
from cybous3.server.handlers.specs import object_spec
from cybous3.server.meta.conditions import Current, require
from cybous3.server.meta.port import UploadQuery
from cybous3.server.model.objects import ChecksumType, ObjectRecord
from cybous3.server.model.uploads import CompletedPart, Upload
from cybous3.server.store.multipart import check_whole
from cybous3.server.wire.conditions import write_condition
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.message import Response
from cybous3.server.wire.xml import bodies, listings, results

UPLOADS_MAX: Final = 1000
PARTS_PAGE_MAX: Final = 1000
_ALGORITHM_HEADER: Final = "x-amz-checksum-algorithm"
_TYPE_HEADER: Final = "x-amz-checksum-type"


async def create_multipart_upload(call: Call) -> Response:
    """Begin an upload; what the object will be called and said to be is settled here."""
    name = call.params.checksum_algorithm
    algorithm = None if name is None else known_algorithm(name, _ALGORITHM_HEADER)
    upload = await call.store.create_upload(
        object_spec(call),
        initiator=call.caller.id,
        checksum_algorithm=algorithm,
        checksum_type=call.params.checksum_type,
    )
    fields = [] if algorithm is None else [(_ALGORITHM_HEADER, algorithm), (_TYPE_HEADER, str(upload.checksum_type))]
    return xml(results.initiate_multipart_upload(call.bucket, call.key, upload.id), fields)


async def upload_part(call: Call) -> Response:
    """Store the body as a part, replacing one of the same number."""
    params = call.params
    part = await call.store.put_part(
        call.bucket, call.key, params.upload_id, params.part_number, call.body, expected_body(call)
    )
    checksum = [field for field in checksum_fields(part.checksum) if field[0] != _TYPE_HEADER]
    return Response(200, [("etag", quote_etag(part.etag)), *checksum])


async def complete_multipart_upload(call: Call) -> Response:
    """Make the object of the parts named, at once and only if all of them are what the request says."""
    params = call.params
    condition = write_condition(params.if_match, params.if_none_match)
    checksum = object_checksum(call.target.headers, params.checksum_type)
    wanted = bodies.complete_multipart_upload(await read_document(call, of_the_body=False))
    try:
        _require_agreement(await _upload(call), params.checksum_type, wanted)
        record = await call.store.complete(
            call.bucket,
            call.key,
            params.upload_id,
            wanted,
            condition,
            expected_checksum=checksum,
            expected_size=params.mpu_object_size,
        )
    except S3Error as error:
        if error.code != "NoSuchUpload":
            raise
        record = await _completed_before(call, wanted, error)
        require(condition, Current(record.etag, record.size, record.modified_ms), call.key)
        check_whole(record, checksum, params.mpu_object_size)
    return xml(results.complete_multipart_upload(call.url, record))


async def _upload(call: Call) -> Upload:
    return await call.store.index.uploads.get(call.bucket, call.key, call.params.upload_id)


def _require_agreement(upload: Upload, kind: ChecksumType | None, wanted: Sequence[CompletedPart]) -> None:
    """Hold what a completing request says of the checksums' type against the upload. InvalidRequest."""
    made = upload.checksum_type or "FULL_OBJECT"  # what an upload that named no algorithm is given
    if kind not in {None, made}:
        raise S3Error(
            "InvalidRequest",
            f"The upload was created using the {made} checksum mode. The complete request must use the same mode.",
        )
    bare = next((part.number for part in wanted if part.checksum is None), None)
    if made == "COMPOSITE" and bare is not None:
        raise S3Error(
            "InvalidRequest",
            f"The upload was created using a {str(upload.checksum_algorithm).lower()} checksum. The complete request "
            f"must include the checksum for each part. It was missing for part {bare} in the request.",
        )


async def _completed_before(call: Call, wanted: Sequence[CompletedPart], missing: S3Error) -> ObjectRecord:
    """Return the object if it is what completing `wanted` makes; else raise `missing`."""
    if not is_hex_id(call.params.upload_id):  # there never was such an upload
        raise missing
    try:
        record = await call.store.head(call.bucket, call.key)
    except S3Error as error:
        raise missing from error
    if not record.parts or record.etag != _etag_of(wanted):
        raise missing
    return record


def _etag_of(parts: Sequence[CompletedPart]) -> str | None:
    """Return the ETag of an object of these parts: the MD5 of their MD5s and their number."""
    try:
        digests = b"".join(bytes.fromhex(part.etag) for part in parts)
    except ValueError:
        return None
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"


async def abort_multipart_upload(call: Call) -> Response:
    """Forget an upload and its parts."""
    await call.store.abort(call.bucket, call.key, call.params.upload_id)
    return Response(204)


async def list_parts(call: Call) -> Response:
    """List the parts of an upload behind a part number."""
    params = call.params
    limit = PARTS_PAGE_MAX if params.max_parts is None else min(params.max_parts, PARTS_PAGE_MAX)
    marker = params.part_number_marker or 0
    uploads = call.store.index.uploads
    upload = await uploads.get(call.bucket, call.key, params.upload_id)
    parts = await uploads.parts(call.bucket, call.key, params.upload_id, after=marker, limit=limit + 1)
    truncated = 0 < limit < len(parts)
    return xml(
        listings.list_parts(
            upload, parts[:limit], max_parts=limit, marker=marker, truncated=truncated, names=names(call)
        )
    )


async def list_multipart_uploads(call: Call) -> Response:
    """List the uploads in progress behind a key, or behind an upload of that key."""
    params = call.params
    limit = UPLOADS_MAX if params.max_uploads is None else min(params.max_uploads, UPLOADS_MAX)
    page = await call.store.index.uploads.list(
        UploadQuery(
            call.bucket,
            params.prefix or "",
            params.delimiter or "",
            params.key_marker or "",
            # S3 API reference: without a key marker, the upload id marker is ignored.
            (params.upload_id_marker or "") if params.key_marker else "",
            limit,
        )
    )
    return xml(
        listings.list_multipart_uploads(
            params,
            page.uploads,
            page.prefixes,
            max_uploads=limit,
            next_key_marker=page.next_key_marker,
            next_upload_id_marker=page.next_upload_id_marker,
            names=names(call),
        )
    )

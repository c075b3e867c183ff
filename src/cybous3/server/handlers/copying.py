"""CopyObject and UploadPartCopy: reading one object to write another, with both rights."""

from typing import Final

from cybous3.server.handlers.answers import xml
from cybous3.server.handlers.call import Call
from cybous3.server.handlers.integrity import known_algorithm
from cybous3.server.handlers.source import find_source
from cybous3.server.handlers.specs import object_spec
from cybous3.server.model.objects import ObjectRecord
from cybous3.server.store.spec import SIZE_MAX, ObjectSpec
from cybous3.server.wire.conditions import write_condition
from cybous3.server.wire.errors import S3Error, invalid_argument
from cybous3.server.wire.message import Response
from cybous3.server.wire.ranges import parse_copy_range
from cybous3.server.wire.xml import results

_RANGE_HEADER: Final = "x-amz-copy-source-range"


async def copy_object(call: Call) -> Response:
    """Write the source's bytes under the request's key, with its metadata (COPY, the default) or new one (REPLACE)."""
    params = call.params
    if _RANGE_HEADER in call.target.headers:
        raise invalid_argument(
            _RANGE_HEADER, call.target.headers.get(_RANGE_HEADER) or "", "A copy takes the whole of its source."
        )
    condition = write_condition(params.if_match, params.if_none_match)
    algorithm = params.checksum_algorithm
    source = await find_source(call)
    spec = _spec(call, source)
    _refuse_oversize(source.size)
    wanted = known_algorithm(algorithm, "x-amz-checksum-algorithm") if algorithm is not None else None
    record = await call.store.copy(source, spec, condition, checksum_algorithm=wanted)
    return xml(results.copy_object(record.etag, record.modified_ms, record.checksum))


def _spec(call: Call, source: ObjectRecord) -> ObjectSpec:
    """Return the copy's description. InvalidRequest for a copy onto itself that changes nothing."""
    if call.params.metadata_directive == "REPLACE":
        return object_spec(call)
    same = (source.bucket, source.key) == (call.bucket, call.key)
    if same and call.params.checksum_algorithm is None:
        raise S3Error(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself without changing the "
            "object's metadata, storage class, website redirect location or encryption attributes.",
        )
    return ObjectSpec(call.bucket, call.key, call.owner, source.system, source.user)


def _refuse_oversize(size: int) -> None:
    if size > SIZE_MAX:
        raise S3Error(
            "InvalidRequest",
            f"The specified copy source is larger than the maximum allowable size for a copy source: {SIZE_MAX}",
        )


async def upload_part_copy(call: Call) -> Response:
    """Make a part of an upload from a range of an object, or from all of it."""
    params = call.params
    source = await find_source(call)
    span = parse_copy_range(params.copy_source_range, source.size)
    _refuse_oversize(span.length)
    part = await call.store.copy_part(
        call.bucket, call.key, params.upload_id, params.part_number, source, span.offset, span.length
    )
    return xml(results.copy_part(part.etag, part.modified_ms, part.checksum))

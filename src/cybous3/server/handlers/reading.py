"""GetObject and HeadObject: one answer, with and without the bytes."""

from cybous3.server.handlers.answers import Fields, checksum_fields, identity_fields
from cybous3.server.handlers.call import Call
from cybous3.server.handlers.versions import null_version
from cybous3.server.handlers.views import View, view_of
from cybous3.server.model.objects import ObjectRecord
from cybous3.server.wire.conditions import ReadCondition, Verdict, if_range_holds, judge, precondition_failed
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.message import Payload, Response
from cybous3.server.wire.metadata import has_overrides, object_headers, overridden
from cybous3.server.wire.ranges import ByteRange


async def get_object(call: Call) -> Response:
    """Answer the object, or the range or part of it, or nothing (304), as the request asks."""
    record, answer, view = await _look(call)
    if view is not None:
        answer.body = await _bytes(call, record, view)
    return answer


async def head_object(call: Call) -> Response:
    """Answer what GetObject would, without the bytes."""
    _, answer, _ = await _look(call)
    return answer


async def _look(call: Call) -> tuple[ObjectRecord, Response, View | None]:
    """Return the object, the answer but for its body, and the bytes that belong there; None: no body at all."""
    params = call.params
    if has_overrides(call.target.query) and call.user is None:
        raise S3Error("InvalidRequest", "Request specific response headers cannot be used for anonymous GET requests.")
    null_version(params.version_id, call.key)
    record = await call.store.head(call.bucket, call.key)
    if _not_modified(call, record):
        return record, Response(304, [*identity_fields(record), *_cached(record)]), None
    whole = not if_range_holds(params.if_range, record.etag, record.modified_ms)
    view = view_of(record, None if whole else params.range, params.part_number)
    return record, _described(call, record, view), view


def _not_modified(call: Call, record: ObjectRecord) -> bool:
    """Return whether the answer is 304. PreconditionFailed when it is 412."""
    params = call.params
    condition = ReadCondition(
        params.if_match, params.if_none_match, params.if_modified_since_ms, params.if_unmodified_since_ms
    )
    verdict = judge(condition, record.etag, record.modified_ms)
    if verdict in {Verdict.IF_MATCH_FAILED, Verdict.IF_UNMODIFIED_SINCE_FAILED}:
        raise precondition_failed(verdict)
    return verdict is Verdict.NOT_MODIFIED


def _cached(record: ObjectRecord) -> Fields:
    """Return the fields a 304 must repeat for a cache, RFC 9110 §15.4.5."""
    kept = {name: record.system[name] for name in ("cache-control", "expires") if name in record.system}
    return [field for field in object_headers(kept, {}) if field[0] in kept]


def _described(call: Call, record: ObjectRecord, view: View) -> Response:
    fields = [
        *identity_fields(record),
        ("accept-ranges", "bytes"),
        ("content-length", str(view.length)),
        *overridden(object_headers(record.system, record.user), call.target.query),
    ]
    if view.partial:
        fields.append(("content-range", ByteRange(view.offset, view.length).content_range(record.size)))
    if record.parts and call.params.part_number is not None:
        fields.append(("x-amz-mp-parts-count", str(len(record.parts))))
    if call.params.checksum_mode is not None:
        fields.extend(checksum_fields(view.checksum))
    return Response(206 if view.partial else 200, fields)


async def _bytes(call: Call, record: ObjectRecord, view: View) -> bytes | Payload:
    # Small objects live in their record: nothing to open, and nothing to close.
    if record.inline is not None:
        return record.inline[view.offset : view.offset + view.length]
    return await call.store.open(record, view.offset, view.length)

"""PutObject, DeleteObject and DeleteObjects: one transaction each, with the conditions inside it."""

from collections.abc import Sequence

from cybous3.core.http_values import quote_etag
from cybous3.server.handlers.answers import checksum_fields, xml
from cybous3.server.handlers.call import Call
from cybous3.server.handlers.documents import read_document
from cybous3.server.handlers.integrity import expected_body
from cybous3.server.handlers.specs import object_spec
from cybous3.server.handlers.versions import null_version
from cybous3.server.model.objects import WriteCondition
from cybous3.server.wire.address import check_key
from cybous3.server.wire.conditions import delete_condition, write_condition
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.message import Response
from cybous3.server.wire.xml import bodies, results


async def put_object(call: Call) -> Response:
    """Store the body under the key. It becomes visible whole and proven, or not at all."""
    condition = write_condition(call.params.if_match, call.params.if_none_match)
    record = await call.store.put(object_spec(call), call.body, expected_body(call), condition)
    return Response(200, [("etag", quote_etag(record.etag)), *checksum_fields(record.checksum)])


async def delete_object(call: Call) -> Response:
    """Remove the object. That there was none is a success too, unless a condition says otherwise."""
    params = call.params
    null_version(params.version_id, call.key)
    condition = delete_condition(params.if_match, params.if_match_size, params.if_match_last_modified_time_ms)
    await call.store.delete(call.bucket, call.key, condition)
    return Response(204)


async def delete_objects(call: Call) -> Response:
    """Remove up to 1,000 objects in one transaction; each answers for itself."""
    request = bodies.delete(await read_document(call))
    refused = [_refusal(doomed) for doomed in request.objects]
    wanted = [doomed for doomed, error in zip(request.objects, refused, strict=True) if error is None]
    outcomes = iter(await _delete(call, wanted))
    deletions = [
        results.Deletion(doomed.key, doomed.version_id, error or _as_s3(next(outcomes)))
        for doomed, error in zip(request.objects, refused, strict=True)
    ]
    return xml(results.delete_result(deletions, quiet=request.quiet))


def _refusal(doomed: bodies.Doomed) -> S3Error | None:
    """Return why this object cannot even be asked for; the others are not held up by it."""
    try:
        check_key(doomed.key)
        null_version(doomed.version_id, doomed.key)
    except S3Error as error:
        return error
    return None


async def _delete(call: Call, wanted: Sequence[bodies.Doomed]) -> Sequence[Exception | None]:
    if not wanted:
        return []
    keys = [(doomed.key, WriteCondition(doomed.etag, None, doomed.size, doomed.modified_ms)) for doomed in wanted]
    return await call.store.delete_many(call.bucket, keys)


def _as_s3(outcome: Exception | None) -> S3Error | None:
    """Return the outcome as the index promises it; anything else is a broken index and ends the request."""
    if outcome is None or isinstance(outcome, S3Error):
        return outcome
    raise outcome

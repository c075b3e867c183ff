"""The source of a copy: authorised where it is looked up, then held against its conditions.

`find_source` is the only way from a copy header to a record. It opens the source's bucket with the needs that the
operation's row has on its source, so a row without such a need copies nothing.
"""

from typing import Any

from cybous3.server.handlers.access import open_bucket
from cybous3.server.handlers.call import Call
from cybous3.server.handlers.versions import null_version
from cybous3.server.model.objects import ObjectRecord
from cybous3.server.wire.conditions import ReadCondition, require_source
from cybous3.server.wire.errors import S3Error


async def find_source(call: Call) -> ObjectRecord:
    """Return the object that the request copies from.

    AccessDenied, NoSuchBucket, NoSuchKey, NoSuchVersion; PreconditionFailed when an `x-amz-copy-source-if-*` fails.
    """
    source = call.target.source
    if source is None:  # the route gives one to every operation that has a need on a source
        raise S3Error("InvalidRequest", "The request names no source to copy from.")
    needs = [need for need in call.target.needs() if need.on == "source"]
    expected_owner = call.params.expected_source_bucket_owner
    await open_bucket(call.store.index, call.principal, needs, source.bucket, expected_owner)
    null_version(source.version_id, source.key)
    record = await call.store.head(source.bucket, source.key)
    require_source(_condition(call.params), record.etag, record.modified_ms)
    return record


def _condition(params: Any) -> ReadCondition:  # noqa: ANN401 - the input of either of two operations
    return ReadCondition(
        params.copy_source_if_match,
        params.copy_source_if_none_match,
        params.copy_source_if_modified_since_ms,
        params.copy_source_if_unmodified_since_ms,
    )

"""GetObjectAttributes: what HeadObject says and the parts, as a document."""

from typing import Final

from cybous3.core.clock import http_date
from cybous3.server.handlers.answers import xml
from cybous3.server.handlers.call import Call
from cybous3.server.handlers.versions import null_version
from cybous3.server.model.objects import ObjectRecord
from cybous3.server.wire.message import Response
from cybous3.server.wire.xml import results

PARTS_MAX: Final = 1000


async def get_object_attributes(call: Call) -> Response:
    """Answer the attributes that `x-amz-object-attributes` names, those that the object has."""
    params = call.params
    null_version(params.version_id, call.key)
    record = await call.store.head(call.bucket, call.key)
    document = results.object_attributes(record, params.object_attributes, _parts(call, record))
    return xml(document, [("last-modified", http_date(record.modified_ms))])


def _parts(call: Call, record: ObjectRecord) -> results.PartsPage | None:
    """Return the page of parts asked for; None for an object that was put in one piece."""
    if not record.parts:
        return None
    limit = PARTS_MAX if call.params.max_parts is None else min(call.params.max_parts, PARTS_MAX)
    marker = call.params.part_number_marker or 0
    behind = [part for part in record.parts if part.number > marker]
    return results.PartsPage(behind[:limit], len(record.parts), marker, limit, truncated=len(behind) > limit)

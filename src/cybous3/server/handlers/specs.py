"""From a request's headers to the description of the object it writes."""

from cybous3.server.handlers.call import Call
from cybous3.server.store.spec import ObjectSpec
from cybous3.server.wire.metadata import system_metadata, user_metadata


def object_spec(call: Call) -> ObjectSpec:
    """Return the object as the request describes it. It belongs to the bucket's owner, whoever writes it."""
    headers = call.target.headers
    return ObjectSpec(call.bucket, call.key, call.owner, system_metadata(headers), user_metadata(headers))

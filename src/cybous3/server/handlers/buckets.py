"""Buckets: list, create, look at, delete, locate.

Where AWS leaves a choice: creating a bucket that one owns already is `BucketAlreadyOwnedByYou` in every region (AWS
answers 200 in us-east-1 alone, for reasons of age, and a client that meets that cannot tell whether it made the
bucket). A request without a location constraint creates the bucket here, whatever region this server is: there is no
other one to mean.
"""

from typing import Final

from cybous3.server.authz.decide import Caller
from cybous3.server.handlers.answers import xml
from cybous3.server.handlers.call import Call
from cybous3.server.handlers.documents import read_document
from cybous3.server.handlers.tokens import make_token, read_token
from cybous3.server.model.buckets import Bucket
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.message import Response
from cybous3.server.wire.xml import bodies, listings, results

LIST_MAX: Final = 10_000
_ALIASES: Final = {"EU": "eu-west-1"}  # S3 API reference, CreateBucketConfiguration


async def list_buckets(call: Call) -> Response:
    """List the caller's own buckets, all of them for root, and of a limited key only those it reaches."""
    params = call.params
    limit = params.max_buckets or LIST_MAX
    after = read_token(params.continuation_token) if params.continuation_token else ""
    found = await _reachable(call, params.prefix or "", after, limit + 1)
    page = [bucket for bucket in found[:limit] if params.bucket_region in {None, bucket.region}]
    token = make_token(found[limit - 1].name) if len(found) > limit else None
    owner = listings.Owner(call.caller.id, call.caller.display_name)
    return xml(listings.list_buckets(owner, page, prefix=params.prefix, continuation_token=token))


async def _reachable(call: Call, prefix: str, after: str, limit: int) -> list[Bucket]:
    """Return up to `limit` buckets behind `after`, in name order."""
    owner = None if call.caller.root else call.caller.id
    buckets = call.store.index.buckets
    scope = call.principal.buckets if isinstance(call.principal, Caller) else frozenset()
    if scope is None:
        return list(await buckets.list(owner, prefix=prefix, after=after, limit=limit))
    found: list[Bucket] = []
    for name in sorted(name for name in scope if name.startswith(prefix) and name > after):
        # The bucket itself is the first of those whose names begin with its own, if it is there.
        found.extend(bucket for bucket in await buckets.list(owner, prefix=name, limit=1) if bucket.name == name)
        if len(found) == limit:
            break
    return found


async def create_bucket(call: Call) -> Response:
    """Make a bucket, owned by the caller. IllegalLocationConstraintException for another region than this server's."""
    constraint = bodies.create_bucket(await read_document(call))
    if constraint is not None and _ALIASES.get(constraint, constraint) != call.region:
        raise S3Error(
            "IllegalLocationConstraintException",
            f"The {constraint} location constraint is incompatible for the region specific endpoint this request was "
            "sent to.",
        )
    bucket = Bucket(call.bucket, call.caller.id, call.region, call.now_ms, call.store.durability)
    await call.store.index.buckets.create(bucket)
    return Response(200, [("location", f"/{call.bucket}")])


async def head_bucket(call: Call) -> Response:
    """Say that the bucket exists and that the caller may see it."""
    return Response(200, [("x-amz-bucket-region", call.region), ("x-amz-access-point-alias", "false")])


async def delete_bucket(call: Call) -> Response:
    """Remove an empty bucket."""
    await call.store.index.buckets.delete(call.bucket)
    call.store.garbage_made.set()  # its unfinished uploads, if it had any
    return Response(204)


async def get_bucket_location(call: Call) -> Response:
    """Say where the bucket is, in the words of a location constraint."""
    return xml(results.location_constraint(call.region))

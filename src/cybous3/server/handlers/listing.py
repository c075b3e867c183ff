"""Listings of objects: version 1, version 2, and versions. A page costs the page, not the bucket."""

from collections.abc import Mapping
from typing import Final

from cybous3.server.handlers.answers import xml
from cybous3.server.handlers.call import Call
from cybous3.server.handlers.tokens import make_token, read_token
from cybous3.server.meta.port import ListPage, ListQuery
from cybous3.server.model.objects import NULL_VERSION
from cybous3.server.wire.errors import invalid_argument
from cybous3.server.wire.message import Response
from cybous3.server.wire.xml import listings

KEYS_MAX: Final = 1000  # a larger max-keys is cut to this, as AWS does


async def list_objects(call: Call) -> Response:
    """List current objects behind a marker."""
    page, limit = await _page(call, call.params.marker)
    return xml(
        listings.list_objects(
            call.params, page.objects, page.prefixes, max_keys=limit, next_marker=page.next_after, names=names(call)
        )
    )


async def list_objects_v2(call: Call) -> Response:
    """List current objects behind a continuation token, or behind `start-after` where there is none yet."""
    params = call.params
    token = params.continuation_token
    if token == "":
        raise invalid_argument("continuation-token", "", "The continuation token provided is incorrect")
    page, limit = await _page(call, params.start_after if token is None else read_token(token))
    next_token = make_token(page.next_after) if page.next_after else ""
    return xml(
        listings.list_objects_v2(
            params, page.objects, page.prefixes, max_keys=limit, next_token=next_token, names=names(call)
        )
    )


async def list_object_versions(call: Call) -> Response:
    """List the null versions that a bucket without versions holds: each is the latest of its key."""
    params = call.params
    if params.version_id_marker is not None and not params.key_marker:
        raise invalid_argument(
            "version-id-marker",
            params.version_id_marker,
            "A version-id marker cannot be specified without a key marker.",
        )
    page, limit = await _page(call, params.key_marker)
    # A page that ends in a common prefix ends in no version.
    last_is_version = bool(page.objects) and page.objects[-1].key == page.next_after
    return xml(
        listings.list_object_versions(
            params,
            page.objects,
            page.prefixes,
            max_keys=limit,
            next_key_marker=page.next_after,
            next_version_id_marker=NULL_VERSION if last_is_version else "",
            names=names(call),
        )
    )


async def _page(call: Call, after: str | None) -> tuple[ListPage, int]:
    params = call.params
    limit = KEYS_MAX if params.max_keys is None else min(params.max_keys, KEYS_MAX)
    query = ListQuery(call.bucket, params.prefix or "", params.delimiter or "", after or "", limit)
    return await call.store.index.objects.list(query), limit


def names(call: Call) -> Mapping[str, str]:
    """Return the display names known without asking: the caller's own."""
    user = call.user
    return {} if user is None else {user.id: user.display_name}

"""The request as a presigned URL presents it: `x-amz-*` query parameters that stand in for headers.

Several SDKs move a request's `x-amz-*` headers into the query when they presign (checksums, ACLs, metadata, SSE). S3
reads them as the headers they were. Leaving them where they are would mean to ignore some of them in silence, so they
become headers before anything looks at the request. What makes a query a presigned one is decided on its decoded
names, as the verifier does: two readings of one name would let a holder of a link switch off what was signed. A
signature of version 4 is verified on the request as it came, and covers the whole query. One of version 2 covers such
parameters as the headers they stand for, and is verified with these.
"""

import re
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import lru_cache
from typing import Final

from cybous3.core.sigv2.claim import LINK_MARK, TOKEN
from cybous3.core.uri import parse_query
from cybous3.server.wire.errors import S3Error, invalid_argument
from cybous3.server.wire.message import Headers, Request

# What belongs to the signature itself, or says how the body is covered; these stay where they are.
_OF_VERSION_4: Final = frozenset(
    {
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-signedheaders",
        "x-amz-signature",
        "x-amz-security-token",
        "x-amz-content-sha256",
    }
)
_OF_VERSION_2: Final = frozenset({TOKEN})
_MARK: Final = "x-amz-signature"
# Without one of these no name of the raw query can decode to a mark.
_MAY_BE_PRESIGNED: Final = re.compile(f"%|{_MARK}|{LINK_MARK}", re.IGNORECASE)
_FORBIDDEN: Final = frozenset("\r\n\0")


def presented(request: Request) -> Request:
    """Return the request with the headers that its presigned query stands for; the same request if there are none.

    InvalidRequest when a header says one thing and the query another; InvalidArgument for a value no header can hold;
    UriError for a query that cannot be read.
    """
    if _MAY_BE_PRESIGNED.search(request.query) is None:
        return request
    pairs = parse_query(request.query)
    places = _added(tuple([name for name, _ in pairs]))
    if not places:
        return request
    added = [_field(request.headers, pairs[at][0].lower(), pairs[at][1] or "") for at in places]
    if len({name for name, _ in added}) != len(added):
        raise S3Error("InvalidRequest", "A query parameter that stands for a header must not be repeated.")
    lacking = [pair for pair in added if pair[0] not in request.headers]  # said in both ways is said once
    return replace(request, headers=Headers((*request.headers.items_in_order, *lacking)))


# Links of one maker have the same parameters in the same order.
@lru_cache(maxsize=256)
def _added(names: tuple[str, ...]) -> tuple[int, ...]:
    """Return the places of the parameters that stand for headers; none unless the query is a presigned one."""
    lower = [name.lower() for name in names]
    own = _of_the_signature(set(lower))
    if own is None:
        return ()
    return tuple(at for at, name in enumerate(lower) if name.startswith("x-amz-") and name not in own)


def _of_the_signature(names: AbstractSet[str]) -> AbstractSet[str] | None:
    """Return the names, of those that could stand for headers, that do not; None if the query is no presigned one."""
    if _MARK in names:
        return _OF_VERSION_4
    return _OF_VERSION_2 if LINK_MARK.lower() in names else None


def _field(headers: Headers, name: str, text: str) -> tuple[str, str]:
    value = text.encode().decode("latin-1")
    if not _FORBIDDEN.isdisjoint(value) or not _FORBIDDEN.isdisjoint(name):
        raise invalid_argument(
            name, "", "A query parameter that stands for a header holds a character no header can hold."
        )
    if headers.get(name) not in (None, value):
        raise S3Error("InvalidRequest", f"The header {name} and the query parameter of that name differ.")
    return name, value

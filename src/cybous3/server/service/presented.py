"""The request as a presigned URL presents it: `x-amz-*` query parameters that stand in for headers.

Several SDKs move a request's `x-amz-*` headers into the query when they presign (checksums, ACLs, metadata, SSE). S3
reads them as the headers they were. Leaving them where they are would mean to ignore some of them in silence, so they
become headers before anything looks at the request. The signature is verified on the request as it came, and covers
the whole query. Only version 4's does: a link of version 2 with such a parameter is refused where it is authenticated.
"""

from dataclasses import replace
from typing import Final

from cybous3.core.uri import parse_query
from cybous3.server.wire.errors import S3Error, invalid_argument
from cybous3.server.wire.message import Headers, Request

# What belongs to the signature itself, or says how the body is covered; these stay where they are.
_OF_THE_SIGNATURE: Final = frozenset(
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
_FORBIDDEN: Final = frozenset("\r\n\0")


def presented(request: Request) -> Request:
    """Return the request with the headers that its presigned query stands for; the same request if there are none.

    InvalidRequest when a header says one thing and the query another; InvalidArgument for a value no header can hold.
    """
    if "x-amz-signature=" not in request.query.lower():
        return request
    added = [
        _field(request.headers, name.lower(), value or "")
        for name, value in parse_query(request.query)
        if _stands_in(name)
    ]
    if not added:
        return request
    if len({name for name, _ in added}) != len(added):
        raise S3Error("InvalidRequest", "A query parameter that stands for a header must not be repeated.")
    return replace(request, headers=Headers((*request.headers.items_in_order, *added)))


def _stands_in(name: str) -> bool:
    lower = name.lower()
    return lower.startswith("x-amz-") and lower not in _OF_THE_SIGNATURE


def _field(headers: Headers, name: str, text: str) -> tuple[str, str]:
    value = text.encode().decode("latin-1")
    if not _FORBIDDEN.isdisjoint(value) or not _FORBIDDEN.isdisjoint(name):
        raise invalid_argument(
            name, "", "A query parameter that stands for a header holds a character no header can hold."
        )
    if headers.get(name) not in (None, value):
        raise S3Error("InvalidRequest", f"The header {name} and the query parameter of that name differ.")
    return name, value

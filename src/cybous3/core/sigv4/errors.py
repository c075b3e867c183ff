"""Why a request's signature was refused, of either version: one S3 error code and one reason each.

The codes are S3's own; with which status they are answered is the business of whoever answers. `CODES` lists every code
this package, `core.sigv2` and `core.chunked` raise, so that an answer's table can be held against it.
"""

from typing import ClassVar, Final

from cybous3.core.errors import CybousError

CODES: Final = frozenset(
    {
        "AccessDenied",  # 403: expired, not yet valid, unsigned headers, no date
        "AuthorizationHeaderMalformed",  # 400: unreadable, or a wrong scope (`Region` carries the right one)
        "AuthorizationQueryParametersError",  # 400: the same in a presigned URL
        "IncompleteBody",  # 400: the body ended early, or its length is not the announced one
        "InvalidArgument",  # 400: two ways of signing at once, unknown Authorization, bad x-amz-content-sha256
        "InvalidRequest",  # 400: SigV2 in the header, repeated field, missing x-amz-content-sha256, bad framing
        "InvalidURI",  # 400: path or query not percent-encoded
        "MalformedTrailerError",  # 400: trailers that are not the announced ones, or not readable
        "NotImplemented",  # 501: SigV4A and its chunk forms
        "RequestTimeTooSkewed",  # 403
        "SignatureDoesNotMatch",  # 403
    }
)


class SignatureError(CybousError):
    """A request that is not to be believed. `code` is S3's error code, `detail` further elements for the answer."""

    exit_code: ClassVar[int] = 21

    def __init__(self, code: str, reason: str, **detail: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.detail = detail

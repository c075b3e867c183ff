"""From an S3 error answer to our family: one table by code, one by status for what has no code."""

from collections.abc import Mapping
from typing import NamedTuple
from xml.etree.ElementTree import Element

from cybous3.client.stores.errors import (
    AlreadyExists,
    BadCredentials,
    BucketNotEmpty,
    ClockSkew,
    Contended,
    Denied,
    Garbled,
    NameTaken,
    NoSpace,
    NoSuchBucket,
    NoSuchUpload,
    NotFound,
    PreconditionFailed,
    RangeOutside,
    Refused,
    ServerFailed,
    StoreError,
    Throttled,
    Unsupported,
    WrongRegion,
)
from cybous3.client.stores.s3.connection import Head
from cybous3.client.stores.s3.xml import optional, parse
from cybous3.core.clock import parse_http_date

SKEW_S_MAX = 15 * 60
_AFTER_S_MAX = 60.0
_DETAIL_MAX = 200


class Question(NamedTuple):
    """What was asked, for the sentence that tells what went wrong."""

    endpoint: str
    bucket: str | None
    key: str | None

    @property
    def place(self) -> str:
        """Name the thing the request was about."""
        if self.bucket is None:
            return self.endpoint
        return f"bucket {self.bucket!r}" if self.key is None else f"{self.key!r} in bucket {self.bucket!r}"


_Family = type[StoreError]
# code -> family, what is said of the place, hint. {bucket} is filled in.
_BY_CODE: dict[str, tuple[_Family, str, str | None]] = {
    "NoSuchKey": (NotFound, "not found", None),
    "NoSuchVersion": (NotFound, "no such version", None),
    "NoSuchBucket": (NoSuchBucket, "there is no bucket {bucket!r}", "create it with cybs3 buckets create"),
    "NoSuchUpload": (NoSuchUpload, "the multipart upload is gone", None),
    "PreconditionFailed": (PreconditionFailed, "changed by somebody else, or there already", None),
    "ConditionalRequestConflict": (Contended, "written by somebody else at the same time", None),
    "OperationAborted": (Contended, "written by somebody else at the same time", None),
    "BucketAlreadyOwnedByYou": (AlreadyExists, "exists already", None),
    "BucketAlreadyExists": (NameTaken, "the name is taken", "choose another name"),
    "BucketNameUnavailable": (NameTaken, "the name is taken", "choose another name"),
    "BucketNotEmpty": (BucketNotEmpty, "is not empty", "delete what is in it first"),
    "InvalidRange": (RangeOutside, "the range begins after the end", None),
    "AccessDenied": (Denied, "access denied", "check what this access key may do"),
    "AllAccessDisabled": (Denied, "access denied", None),
    "AccountProblem": (Denied, "access denied", None),
    "InvalidAccessKeyId": (BadCredentials, "unknown access key", "check --access-key"),
    "SignatureDoesNotMatch": (BadCredentials, "the secret does not fit the access key", "check the secret access key"),
    "InvalidToken": (BadCredentials, "the session token is not valid", None),
    "ExpiredToken": (BadCredentials, "the session token has expired", None),
    "RequestTimeTooSkewed": (ClockSkew, "clocks differ too much", None),
    "RequestExpired": (ClockSkew, "clocks differ too much", None),
    "AuthorizationHeaderMalformed": (WrongRegion, "signed for the wrong region", "check --region"),
    "PermanentRedirect": (WrongRegion, "has another endpoint", "check the endpoint and --region"),
    "TemporaryRedirect": (WrongRegion, "has another endpoint", "check the endpoint and --region"),
    "IllegalLocationConstraintException": (WrongRegion, "belongs to another region", "check --region"),
    "BadDigest": (Garbled, "damaged on the way", None),
    "XAmzContentSHA256Mismatch": (Garbled, "damaged on the way", None),
    "IncompleteBody": (Garbled, "cut short on the way", None),
    "RequestTimeout": (ServerFailed, "the server gave up waiting", None),
    "InternalError": (ServerFailed, "the server failed", None),
    "ServiceUnavailable": (Throttled, "the server is not available", None),
    "SlowDown": (Throttled, "the server asks to slow down", None),
    "TooManyRequests": (Throttled, "the server asks to slow down", None),
    "RequestLimitExceeded": (Throttled, "the server asks to slow down", None),
    "InsufficientStorage": (NoSpace, "the server's storage is full", None),
    "XMinioStorageFull": (NoSpace, "the server's storage is full", None),
    "QuotaExceeded": (NoSpace, "the quota is used up", None),
    "NotImplemented": (Unsupported, "the server does not have this operation", None),
    "MethodNotAllowed": (Unsupported, "the server does not allow this operation", None),
}
_BY_STATUS: dict[int, str] = {
    301: "PermanentRedirect",
    307: "TemporaryRedirect",
    401: "AccessDenied",
    403: "AccessDenied",
    404: "NoSuchKey",
    405: "MethodNotAllowed",
    408: "RequestTimeout",
    409: "ConditionalRequestConflict",
    412: "PreconditionFailed",
    416: "InvalidRange",
    429: "TooManyRequests",
    501: "NotImplemented",
    503: "ServiceUnavailable",
    507: "InsufficientStorage",
}
_SERVER_SIDE = 500
_LATER = frozenset({429, 503})


def refusal(head: Head, body: bytes, question: Question, now_s: float) -> StoreError:
    """Return the error that this answer means. `now_s` is this machine's clock, for naming a skew."""
    root = _error_element(body)
    code = _code(head.status, root, question)
    detail = (optional(root, "Message") if root is not None else None) or ""
    return _build(code, detail, head, root, question, now_s)


def refusal_inside(root: Element, head: Head, question: Question, now_s: float) -> StoreError:
    """Return the error that an <Error> document in a 200 answer means."""
    return _build(
        optional(root, "Code") or "InternalError", optional(root, "Message") or "", head, root, question, now_s
    )


def _build(code: str, detail: str, head: Head, root: Element | None, question: Question, now_s: float) -> StoreError:
    skew = _skew(head.headers, now_s)
    if skew is not None and (code in {"RequestTimeTooSkewed", "RequestExpired"} or _smells_of_skew(code, skew)):
        return _clock_skew(skew, code, head.status)
    if code not in _BY_CODE:
        said = f"{code}: {detail[:_DETAIL_MAX]}" if detail else code
        after_s = _after(head.headers)
        return _strange(head.status)(f"{question.place}: {said}", code=code, status=head.status, after_s=after_s)
    family, what, hint = _BY_CODE[code]
    message = what.format(bucket=question.bucket) if "{" in what else f"{question.place}: {what}"
    error = family(message, hint=hint, code=code, status=head.status, after_s=_after(head.headers))
    if isinstance(error, WrongRegion):
        error.region = (root is not None and optional(root, "Region")) or head.headers.get("x-amz-bucket-region")
        error.hint = f"use --region {error.region}" if error.region else hint
    return error


def _strange(status: int) -> _Family:
    """Return what a code that nobody knows means by its status. A word of its own does not make "later" a "never"."""
    if status in _LATER:
        return Throttled
    return ServerFailed if status >= _SERVER_SIDE else Refused


def _code(status: int, root: Element | None, question: Question) -> str:
    named = optional(root, "Code") if root is not None else None
    if named:
        return named
    if status == 404 and question.key is None:  # noqa: PLR2004  # a HEAD of a bucket has no body to name the code
        return "NoSuchBucket"
    return _BY_STATUS.get(status, "InternalError" if status >= _SERVER_SIDE else f"status {status}")


def _error_element(body: bytes) -> Element | None:
    """Return the <Error> of an answer; proxies send pages of their own, and then the status has to do."""
    if not body.strip():
        return None
    try:
        return parse(body, "Error")
    except ServerFailed:
        return None


def _after(headers: Mapping[str, str]) -> float | None:
    raw = headers.get("retry-after", "")
    return min(float(raw), _AFTER_S_MAX) if raw.isascii() and raw.isdigit() else None


def _skew(headers: Mapping[str, str], now_s: float) -> float | None:
    """Return how many seconds this machine's clock is ahead of the server's."""
    server_s = parse_http_date(headers.get("date", ""))
    return None if server_s is None else now_s - server_s


def _smells_of_skew(code: str, skew_s: float) -> bool:
    """Tell whether a skewed clock is behind the code: some servers call it a wrong signature, their Date tells."""
    return code in {"AccessDenied", "SignatureDoesNotMatch"} and abs(skew_s) > SKEW_S_MAX


def _clock_skew(skew_s: float, code: str, status: int) -> ClockSkew:
    minutes = round(abs(skew_s) / 60)
    way = "ahead of" if skew_s > 0 else "behind"
    return ClockSkew(
        f"this machine's clock is {minutes} minutes {way} the server's",
        hint="set the clock right and try again",
        code=code,
        status=status,
    )

"""Believing a claim, or saying why not.

What `verify` keeps true when it returns: the claim was made with the secret key at hand, for this method, path, query,
these headers and this payload hash, in our region and for S3, today; `host` and every x-amz-* field that is present is
covered; and the request's time is within 15 minutes of ours, or its presigned URL has not expired.

What it leaves to others: whether the key exists and is active (look it up by `claim.access_key` first), whether the
session token belongs to it, and whether the body is what the payload hash says (`core.chunked` for STREAMING forms).
"""

import hmac
from collections.abc import Mapping
from typing import Final, NamedTuple, NoReturn

from cybous3.core.clock import amz_date as spell_amz_date
from cybous3.core.clock import iso8601
from cybous3.core.sigv4.canonical import (
    AMZ_PREFIX,
    HOST,
    HeaderPairs,
    canonical_request,
    fold,
    signature,
    signing_key,
    string_to_sign,
)
from cybous3.core.sigv4.chunks import ChunkSigner
from cybous3.core.sigv4.claim import Claim, parse_authorization
from cybous3.core.sigv4.credentials import Scope
from cybous3.core.sigv4.errors import SignatureError
from cybous3.core.sigv4.payload import PayloadMode
from cybous3.core.uri import UriError

__all__ = ["SKEW_S_MAX", "Claim", "SignatureError", "Verified", "parse_authorization", "verify"]

SKEW_S_MAX: Final = 900
"""How far a request's clock may be from ours, either way, in seconds."""

SERVICE: Final = "s3"


class Verified(NamedTuple):
    """A request that is its signer's; what its body's signatures go on from. A repr shows neither signature nor key."""

    payload: PayloadMode
    payload_hash: str  # the SHA-256 to hold the body against when payload is SIGNED
    seed_signature: str
    signing_key: bytes
    scope: Scope
    amz_date: str
    lasts: tuple[float, float]  # the first and the last moment, seconds since the epoch, at which it is believed

    def __repr__(self) -> str:
        return f"Verified({self.payload}, {self.scope}, {self.amz_date})"

    def chunk_signer(self) -> ChunkSigner:
        """Return the chain of chunk signatures that starts at the request's own."""
        return ChunkSigner(self.seed_signature, self.signing_key, self.scope, self.amz_date)


def verify(
    claim: Claim,
    secret_key: str,
    *,
    method: str,
    path: str,
    query: str,
    headers: HeaderPairs,
    now: float,
    region: str,
) -> Verified:
    """Return what was proven, or raise SignatureError with the one reason.

    `path` and `query` are raw, header names lower case, values text by latin-1; `now` is in seconds since the epoch.
    """
    folded = fold(headers)
    _check_scope(claim, region)
    _check_time(claim, now)
    _check_signed_headers(claim, folded)
    try:
        request = canonical_request(method, path, query, folded, claim.signed_headers, claim.payload_hash)
        to_sign = string_to_sign(claim.amz_date, claim.scope, request)
    except (UriError, UnicodeEncodeError) as error:
        raise SignatureError("InvalidURI", "Couldn't parse the specified URI.") from error
    key = signing_key(secret_key, claim.scope.date, claim.scope.region, claim.scope.service)
    expected = signature(key, to_sign)
    # Bytes, because compare_digest refuses text that is not ASCII, and the claim may hold anything.
    if not hmac.compare_digest(expected.encode(), claim.signature.encode("utf-8", "replace")):
        _refuse(claim, to_sign, request)
    return Verified(claim.payload, claim.payload_hash, expected, key, claim.scope, claim.amz_date, _lasts(claim))


def _check_scope(claim: Claim, region: str) -> None:
    if claim.scope.region != region:
        raise _wrong_scope(claim, f"the region '{claim.scope.region}' is wrong; expecting '{region}'", Region=region)
    if claim.scope.service != SERVICE:
        raise _wrong_scope(claim, f'incorrect service "{claim.scope.service}". This endpoint belongs to "{SERVICE}".')


def _wrong_scope(claim: Claim, reason: str, **detail: str) -> SignatureError:
    if claim.kind == "header":
        return SignatureError(
            "AuthorizationHeaderMalformed", f"The authorization header is malformed; {reason}", **detail
        )
    return SignatureError(
        "AuthorizationQueryParametersError", f"Error parsing the X-Amz-Credential parameter; {reason}", **detail
    )


def _check_time(claim: Claim, now: float) -> None:
    early_s = claim.timestamp - now
    if claim.expires_s is None:
        if abs(early_s) > SKEW_S_MAX:
            raise SignatureError(
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
                RequestTime=claim.amz_date,
                ServerTime=_server_time(now),
                MaxAllowedSkewMilliseconds=str(SKEW_S_MAX * 1000),
            )
    elif early_s > SKEW_S_MAX:
        raise SignatureError("AccessDenied", "Request is not yet valid", ServerTime=_server_time(now))
    elif -early_s > claim.expires_s:
        raise SignatureError(
            "AccessDenied",
            "Request has expired",
            **{"X-Amz-Expires": str(claim.expires_s)},
            Expires=spell_amz_date(claim.timestamp + claim.expires_s),
            ServerTime=_server_time(now),
        )


def _lasts(claim: Claim) -> tuple[float, float]:
    """Return between which moments `_check_time` lets the claim pass."""
    later = SKEW_S_MAX if claim.expires_s is None else claim.expires_s
    return claim.timestamp - SKEW_S_MAX, claim.timestamp + later


def _server_time(now: float) -> str:
    return iso8601(int(now) * 1000)


def _check_signed_headers(claim: Claim, headers: Mapping[str, str]) -> None:
    """Refuse a field that acts on the request and that its signer never saw (A5a, A5d)."""
    signed = claim.signed_headers
    unsigned = [name for name in headers if (name == HOST or name.startswith(AMZ_PREFIX)) and name not in signed]
    if unsigned:
        raise SignatureError(
            "AccessDenied",
            "There were headers present in the request which were not signed",
            HeadersNotSigned=", ".join(sorted(unsigned)),
        )


def _refuse(claim: Claim, to_sign: str, request: str) -> NoReturn:
    """Answer what AWS answers: enough to find the difference, all of it the requester's own."""
    raise SignatureError(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method.",
        AWSAccessKeyId=claim.access_key,
        StringToSign=to_sign,
        SignatureProvided=claim.signature,
        StringToSignBytes=to_sign.encode("latin-1").hex(" "),
        CanonicalRequest=request,
        CanonicalRequestBytes=request.encode("latin-1").hex(" "),
    )

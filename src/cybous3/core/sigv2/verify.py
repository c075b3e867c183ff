"""Believing a version 2 link, or saying why not.

What `verify_link` keeps true when it returns: the link was made with the secret key at hand, for this method, bucket,
key, Content-MD5, Content-Type, for every x-amz-* field that is present and every parameter in `SIGNED`; it has not
expired, and it was not made to live longer than a link of version 4 may.

What version 2 leaves open: the host, the region, other headers (Range, If-Match), parameters of listings (prefix,
max-keys), the body unless x-amz-content-sha256 was signed. What it leaves to others: as `sigv4.verify`.
"""

import hmac
from dataclasses import dataclass
from typing import Final, NoReturn

from cybous3.core.clock import iso8601
from cybous3.core.sigv2.canonical import canonical_resource, signature, string_to_sign
from cybous3.core.sigv2.claim import TOKEN, LinkClaim
from cybous3.core.sigv4.canonical import HeaderPairs, fold
from cybous3.core.sigv4.errors import SignatureError
from cybous3.core.sigv4.payload import PayloadMode
from cybous3.core.sigv4.sign import EXPIRES_S_MAX
from cybous3.core.sigv4.verify import SKEW_S_MAX

AHEAD_S_MAX: Final = EXPIRES_S_MAX + SKEW_S_MAX
"""How far ahead a link may expire, in seconds: it does not say when it was made, only its end can be bounded."""

_TOO_FAR: Final = (
    "AuthorizationQueryParametersError",
    f"Expires must be less than a week ahead; that is, at most {EXPIRES_S_MAX} seconds from now",
)


@dataclass(frozen=True, slots=True)
class VerifiedLink:
    """A request that is its signer's. There is no chain of chunk signatures to go on from."""

    payload: PayloadMode
    payload_hash: str
    lasts: tuple[float, float]  # the first and the last moment, seconds since the epoch, at which it is believed


def verify_link(
    claim: LinkClaim,
    secret_key: str,
    *,
    method: str,
    path: str,
    headers: HeaderPairs,
    now: float,
    hosted_bucket: str | None = None,
) -> VerifiedLink:
    """Return what was proven, or raise SignatureError with the one reason.

    `path` is raw, header names lower case, values text by latin-1; `now` is in seconds since the epoch; `hosted_bucket`
    is the bucket that the Host field names, None for path-style.
    """
    _check_time(claim, now)
    folded = fold(headers)
    if claim.session_token is not None:
        folded[TOKEN] = claim.session_token
    try:
        strings = [
            string_to_sign(method, claim.expires, folded, canonical_resource(place, claim.covered, hosted_bucket))
            for place in _spellings(path, hosted_bucket)
        ]
        expected = [signature(secret_key, text) for text in strings]
    except UnicodeEncodeError as error:
        raise SignatureError("InvalidURI", "Couldn't parse the specified URI.") from error
    # Bytes, because compare_digest refuses text that is not ASCII, and the claim may hold anything.
    given = claim.signature.encode("utf-8", "replace")
    if not any(hmac.compare_digest(one.encode(), given) for one in expected):
        _refuse(claim, strings[0])
    return VerifiedLink(claim.payload, claim.payload_hash, (claim.expires_at - AHEAD_S_MAX, claim.expires_at))


def _spellings(path: str, hosted_bucket: str | None) -> tuple[str, ...]:
    """Return the paths that a signer may have meant: of a bucket in the path, botocore signs `/b/` and sends `/b`."""
    if hosted_bucket is None and path.rfind("/") == 0 and path != "/":
        return path, f"{path}/"
    return (path,)


def _check_time(claim: LinkClaim, now: float) -> None:
    left_s = claim.expires_at - now
    if 0 <= left_s <= AHEAD_S_MAX:
        return
    code, reason = ("AccessDenied", "Request has expired") if left_s < 0 else _TOO_FAR
    times = {"Expires": iso8601(claim.expires_at * 1000), "ServerTime": iso8601(int(now) * 1000)}
    raise SignatureError(code, reason, **times)


def _refuse(claim: LinkClaim, to_sign: str) -> NoReturn:
    """Answer what AWS answers: enough to find the difference, all of it the requester's own."""
    raise SignatureError(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method.",
        AWSAccessKeyId=claim.access_key,
        StringToSign=to_sign,
        SignatureProvided=claim.signature,
        StringToSignBytes=to_sign.encode("latin-1").hex(" "),
    )

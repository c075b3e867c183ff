"""Who sends a request: proven, or nobody. There is no third answer, and no way to be somebody by default.

Kept true: a request with any mark of an identity is either `Authenticated` or refused, never `Anonymous`. The secret
key lives for the length of one check and is not part of the result.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from cybous3.core.sigv2.claim import LINK_MARK, LinkClaim, parse_link
from cybous3.core.sigv2.verify import VerifiedLink, verify_link
from cybous3.core.sigv4.claim import Claim
from cybous3.core.sigv4.verify import Verified, parse_authorization, verify
from cybous3.server.model.accounts import Credential, User
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.message import Headers, Request

FindCredential = Callable[[str], Awaitable[Credential | None]]
"""Return the credential of an access key, or None when there is none that works now."""


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Nobody. May do nothing unless something says so."""


class Authenticated(NamedTuple):
    """A user, by one of its keys; `buckets` None means that the key is not limited."""

    user: User
    access_key: str
    buckets: frozenset[str] | None
    verified: Verified | VerifiedLink


Identity = Anonymous | Authenticated

ANONYMOUS: Final = Anonymous()


async def authenticate(
    request: Request,
    find: FindCredential,
    *,
    now: float,
    region: str,
    hosted_bucket: str | None = None,
    presented: Headers | None = None,
) -> Identity:
    """Return who sent `request`, exactly as it came from the wire. `now` is in seconds since the epoch.

    `hosted_bucket` is the bucket that the Host field named, None for path-style: version 2 signs it, not the host.
    `presented` are the headers with those that the query stands for, if any: version 2 signs these, and not the query.

    SignatureError with its one reason; InvalidAccessKeyId; InvalidToken for a session token, since none was issued.
    """
    linked = request.headers if presented is None else presented
    claim: Claim | LinkClaim | None = None
    if LINK_MARK in request.query:
        claim = parse_link(request.query, linked)
    if claim is None:
        if request.headers.get("authorization") == "":  # says that it is somebody, and not who
            raise S3Error("AccessDenied")
        claim = parse_authorization(request.method, request.path, request.query, request.headers)
    if claim is None:
        return ANONYMOUS
    if claim.session_token is not None:
        raise S3Error("InvalidToken", "The provided token is malformed or otherwise invalid.")
    credential = await find(claim.access_key)
    if credential is None:
        raise S3Error("InvalidAccessKeyId", AWSAccessKeyId=claim.access_key)
    method, path = request.method, request.path
    verified: Verified | VerifiedLink
    if isinstance(claim, LinkClaim):
        verified = verify_link(
            claim,
            credential.secret_key,
            method=method,
            path=path,
            headers=linked,
            now=now,
            hosted_bucket=hosted_bucket,
        )
    else:
        verified = verify(
            claim,
            credential.secret_key,
            method=method,
            path=path,
            query=request.query,
            headers=request.headers,
            now=now,
            region=region,
        )
    return Authenticated(credential.user, credential.access_key, credential.buckets, verified)

"""Signing requests, for the header and for presigned URLs.

The caller hands over the request as it will go on the wire: raw percent-encoded path and query, header values as text
by latin-1 (UTF-8 values: `value.encode().decode("latin-1")`). Changing any of it afterwards breaks the signature.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from cybous3.core.clock import amz_date
from cybous3.core.sigv4.canonical import (
    ALGORITHM,
    SIGNATURE_PARAMETER,
    canonical_request,
    fold,
    signature,
    signing_key,
    string_to_sign,
)
from cybous3.core.sigv4.chunks import ChunkSigner
from cybous3.core.sigv4.credentials import Credentials, Scope
from cybous3.core.sigv4.payload import PayloadMode
from cybous3.core.uri import encode_query

EXPIRES_S_MAX: Final = 604_800
"""Seven days: the longest a presigned URL may live."""

# Fields that hops between us and the server may change, or that do not belong to the request itself.
_NEVER_SIGNED: Final = frozenset(
    {"authorization", "connection", "expect", "te", "transfer-encoding", "upgrade", "user-agent", "x-amzn-trace-id"}
)

Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature and what goes on from it: `headers` to add, and the start of a chain over a body's chunks."""

    headers: list[tuple[str, str]] = field(repr=False)
    signature: str
    scope: Scope
    amz_date: str
    signing_key: bytes = field(repr=False)

    def chunk_signer(self) -> ChunkSigner:
        """Return the chain that starts at this signature."""
        return ChunkSigner(self.signature, self.signing_key, self.scope, self.amz_date)


def sign(  # noqa: PLR0913  (a request has that many parts, and each is signed)
    method: str,
    path: str,
    query: str,
    headers: Headers,
    payload_hash: str,
    credentials: Credentials,
    region: str,
    now: float,
    *,
    service: str = "s3",
) -> Signed:
    """Sign a request. `headers` must hold `host` and everything that goes along, except what this adds.

    `payload_hash` is the value for `x-amz-content-sha256`: a SHA-256 in hexadecimal digits or a PayloadMode's value.
    Added are x-amz-date, x-amz-content-sha256, x-amz-security-token (for temporary credentials) and authorization.
    """
    when = amz_date(now)
    added = [("x-amz-date", when), ("x-amz-content-sha256", payload_hash)]
    if credentials.session_token is not None:
        added.append(("x-amz-security-token", credentials.session_token))
    folded = fold([*_lowered(headers), *added])
    names = sorted(folded.keys() - _NEVER_SIGNED)
    scope = Scope(when[:8], region, service)
    key = signing_key(credentials.secret_key, scope.date, region, service)
    request = canonical_request(method, path, query, folded, names, payload_hash)
    made = signature(key, string_to_sign(when, scope, request))
    authorization = (
        f"{ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={';'.join(names)}, Signature={made}"
    )
    return Signed([*added, ("authorization", authorization)], made, scope, when, key)


def sign_headers(  # noqa: PLR0913, PLR0917  (as sign)
    method: str,
    path: str,
    query: str,
    headers: Headers,
    payload_hash: str,
    credentials: Credentials,
    region: str,
    service: str,
    now: float,
) -> list[tuple[str, str]]:
    """Return only the headers `sign` adds."""
    return sign(method, path, query, headers, payload_hash, credentials, region, now, service=service).headers


def presign(  # noqa: PLR0913  (as sign)
    method: str,
    host: str,
    path: str,
    query: str,
    credentials: Credentials,
    region: str,
    expires_s: int,
    now: float,
    *,
    headers: Headers = (),
    service: str = "s3",
) -> str:
    """Return the raw query (without `?`) that makes `path` usable for `expires_s` seconds (1 to 604,800) from `now`.

    `query` is kept in front. `headers` are those the bearer will have to send; `host` is always signed.
    """
    if not 1 <= expires_s <= EXPIRES_S_MAX:
        msg = f"a presigned URL lives 1 to {EXPIRES_S_MAX} seconds, not {expires_s}"
        raise ValueError(msg)
    when = amz_date(now)
    scope = Scope(when[:8], region, service)
    folded = fold([("host", host), *_lowered(headers)])
    names = sorted(folded)
    parameters = [
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", f"{credentials.access_key}/{scope}"),
        ("X-Amz-Date", when),
        ("X-Amz-Expires", str(expires_s)),
        ("X-Amz-SignedHeaders", ";".join(names)),
    ]
    if credentials.session_token is not None:
        parameters.append(("X-Amz-Security-Token", credentials.session_token))
    unsigned = "&".join(part for part in (query, encode_query(tuple(parameters))) if part)
    request = canonical_request(method, path, unsigned, folded, names, PayloadMode.UNSIGNED.value)
    key = signing_key(credentials.secret_key, scope.date, region, service)
    return f"{unsigned}&{SIGNATURE_PARAMETER}={signature(key, string_to_sign(when, scope, request))}"


def _lowered(headers: Headers) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in headers]

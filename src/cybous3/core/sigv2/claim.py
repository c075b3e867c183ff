"""Reading who a version 2 link says it is from. As in version 4, nothing is believed yet: that is `verify_link`'s word.

Only the plain spelling `AWSAccessKeyId` begins a version 2 link. Any other trace of version 2 (odd case, half a link,
the Authorization header) stays with `sigv4.claim`, which refuses it by name; so no request falls between the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cybous3.core.sigv2.canonical import SIGNED
from cybous3.core.sigv4.canonical import AMZ_PREFIX, HeaderPairs, fold
from cybous3.core.sigv4.claim import MARKS, two_mechanisms
from cybous3.core.sigv4.errors import SignatureError
from cybous3.core.sigv4.payload import PayloadMode, payload_mode
from cybous3.core.uri import Pairs, UriError, parse_query

LINK_MARK: Final = "AWSAccessKeyId"
"""A query that does not hold this is no version 2 link: what to look for before calling `parse_link`."""

TOKEN: Final = "x-amz-security-token"  # noqa: S105  (a field's name)
_SIGNATURE: Final = "Signature"
_EXPIRES: Final = "Expires"
_HASH_HEADER: Final = "x-amz-content-sha256"
_EXPIRES_DIGITS_MAX: Final = 11  # to the year 5138; a time in milliseconds has 13
_RIVALS: Final = MARKS - {LINK_MARK.lower(), _SIGNATURE.lower(), TOKEN}  # what signs in another way


@dataclass(frozen=True, slots=True)
class LinkClaim:
    """What a link says about who signed it and until when. Signature and token do not show in a repr."""

    access_key: str
    signature: str = field(repr=False)
    expires: str  # as the string to sign has it
    expires_at: int  # the same, seconds since the epoch
    covered: Pairs  # the parameters that the signature covers, decoded, each name once
    payload_hash: str
    payload: PayloadMode
    session_token: str | None = field(repr=False)  # covered as a header, wherever it stood; text by latin-1


def parse_link(query: str, headers: HeaderPairs) -> LinkClaim | None:
    """Return the claim of a version 2 link, None if the request is none. Raises SignatureError.

    `query` is raw, header names are lower case.
    """
    try:
        pairs = parse_query(query)
    except UriError as error:
        raise SignatureError("InvalidURI", "Couldn't parse the specified URI.") from error
    parameters = dict(pairs)
    if LINK_MARK not in parameters:
        return None
    folded = fold(headers)
    _check_unmixed(parameters, folded)
    if len({name.lower() for name in parameters}) != len(pairs):
        raise SignatureError("AuthorizationQueryParametersError", "A query parameter of a link must not be repeated.")
    _check_covered(parameters, folded)
    access_key, signature, expires = (parameters.get(name) for name in (LINK_MARK, _SIGNATURE, _EXPIRES))
    if not (access_key and signature and expires):
        raise SignatureError(
            "AccessDenied",
            f"Query-string authentication requires the {_SIGNATURE}, {_EXPIRES} and {LINK_MARK} parameters",
        )
    payload_hash = folded.get(_HASH_HEADER, PayloadMode.UNSIGNED.value)
    mode = _payload(payload_hash)
    token = _token(parameters, folded)
    covered = tuple(pair for pair in pairs if pair[0] in SIGNED)
    return LinkClaim(access_key, signature, expires, _seconds(expires), covered, payload_hash, mode, token)


def _check_unmixed(parameters: Mapping[str, str | None], headers: Mapping[str, str]) -> None:
    """Refuse a request that is signed in two ways; neither is looked at (attack A3)."""
    if "authorization" in headers or any(name.lower() in _RIVALS for name in parameters):
        raise two_mechanisms()


def _check_covered(parameters: Mapping[str, str | None], headers: Mapping[str, str]) -> None:
    """Refuse parameters that stand in for headers unless these are there and say the same (attack A5d).

    Version 2 covers headers and not such parameters: whoever reads them as headers must verify them as such.
    """
    for name, value in parameters.items():
        field_name = name.lower()
        if not field_name.startswith(AMZ_PREFIX) or name == TOKEN:
            continue
        if headers.get(field_name) != (value or "").encode().decode("latin-1"):
            raise SignatureError(
                "InvalidRequest",
                f"A link of signature version 2 cannot carry {name} in its query but for the header of that name.",
                QueryParameter=name,
            )


def _token(parameters: Mapping[str, str | None], headers: Mapping[str, str]) -> str | None:
    if TOKEN not in parameters:
        return headers.get(TOKEN)
    if TOKEN in headers:
        raise SignatureError("InvalidRequest", f"The header and the query both hold {TOKEN}.")
    return (parameters[TOKEN] or "").encode().decode("latin-1")


def _seconds(expires: str) -> int:
    # Bounded first: no number is built from a thousand digits.
    if not (expires.isascii() and expires.isdigit() and len(expires) <= _EXPIRES_DIGITS_MAX):
        raise SignatureError("AccessDenied", f"Invalid date (should be seconds since epoch): {expires}")
    return int(expires)


def _payload(payload_hash: str) -> PayloadMode:
    mode = payload_mode(payload_hash)
    if mode.streaming:
        raise SignatureError("InvalidRequest", "A link of signature version 2 cannot be used with an aws-chunked body.")
    return mode

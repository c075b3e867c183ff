"""Reading who a request says it is from. Nothing here is believed yet: that is `verify`'s word.

A request that carries any mark of an identity either yields a claim or is refused; only one without any mark is
anonymous. So a half-signed request can never pass as an unsigned one.
AWS: "Authenticating Requests (AWS Signature Version 4)", header and query forms; the messages are S3's. Version 2 is
refused here by name, in both forms; links properly made with it are for `core.sigv2`, which is asked first.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, Literal, NamedTuple, Protocol

from cybous3.core.clock import amz_date as spell_amz_date
from cybous3.core.clock import parse_amz_date, parse_http_date
from cybous3.core.sigv4.canonical import ALGORITHM, SIGNATURE_PARAMETER, HeaderPairs, fold
from cybous3.core.sigv4.credentials import TERMINATOR, Scope
from cybous3.core.sigv4.errors import SignatureError
from cybous3.core.sigv4.payload import PayloadMode, payload_mode
from cybous3.core.sigv4.sign import EXPIRES_S_MAX
from cybous3.core.uri import UriError, parse_query

_Signer = tuple[str, Scope, tuple[str, ...]]
"""Access key, scope, signed fields."""

_PARTS_REASON: Final = "it must be a list of Credential, SignedHeaders and Signature."
_SIGNATURE_PART: Final = "Signature="
_AUTHORIZATION_LENGTH_MAX: Final = 8192  # also what bounds the cache of `_signer`

_ASYMMETRIC: Final = "AWS4-ECDSA-P256-SHA256"
_HASH_HEADER: Final = "x-amz-content-sha256"
_TOKEN_HEADER: Final = "x-amz-security-token"  # noqa: S105  (a field's name)

_REQUIRED: Final = (
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    SIGNATURE_PARAMETER,
    "X-Amz-Date",
    "X-Amz-SignedHeaders",
    "X-Amz-Expires",
)
_TOKEN_PARAMETER: Final = "X-Amz-Security-Token"  # noqa: S105  (a parameter's name)
_HASH_PARAMETER: Final = "X-Amz-Content-Sha256"
_SIGV2_MARKS: Final = frozenset({"awsaccesskeyid", "signature"})
MARKS: Final = frozenset({name.lower() for name in (*_REQUIRED, _TOKEN_PARAMETER)}) | _SIGV2_MARKS
"""Parameters, in lower case, any of which in any case claims an identity; the payload's hash alone does not."""

# Without one of these no key of the raw query can decode to a mark.
_MAY_BE_MARKED: Final = re.compile("%|x-amz-|signature|awsaccesskeyid", re.IGNORECASE)
_SIGV4_PARAMETERS: Final = frozenset({*_REQUIRED, _TOKEN_PARAMETER, _HASH_PARAMETER})


class Claim(NamedTuple):
    """What a request says about who signed it, how, and for what. Signature and token do not show in a repr."""

    kind: Literal["header", "query"]
    access_key: str
    scope: Scope
    signed_headers: tuple[str, ...]  # lower case, sorted, each once
    signature: str
    amz_date: str  # as the string to sign has it
    timestamp: int  # the same, seconds since the epoch
    expires_s: int | None  # of a presigned URL, counted from the timestamp
    payload_hash: str  # as the canonical request has it
    payload: PayloadMode
    session_token: str | None

    def __repr__(self) -> str:
        return f"Claim({self.kind}, {self.access_key}, {self.scope}, {self.amz_date})"


def parse_authorization(
    method: str,  # noqa: ARG001  (called like verify; the method is covered by the signature alone)
    path: str,  # noqa: ARG001  (likewise)
    query: str,
    headers: HeaderPairs,
) -> Claim | None:
    """Return the claim a request makes, None if it makes none (anonymous). Raises SignatureError.

    `query` is raw, header names are lower case. Also refuses, for every request, fields whose repetition has no one
    meaning, and a query that cannot be read.
    """
    folded = fold(headers)
    marked = _marked_parameters(query)
    authorization = folded.get("authorization")
    if authorization is None:
        return _claim_from_query(marked, folded) if marked else None
    if marked:
        raise two_mechanisms()
    return _claim_from_header(authorization, folded)


def two_mechanisms() -> SignatureError:
    """Return the refusal of a request that is signed in more than one way (attack A3)."""
    return SignatureError(
        "InvalidArgument",
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string "
        "parameter or the Authorization header should be specified",
        ArgumentName="Authorization",
    )


def _marked_parameters(query: str) -> list[tuple[str, str]]:
    """Return the query's SigV4 parameters if one of them claims an identity, else nothing."""
    if _MAY_BE_MARKED.search(query) is None:
        return []
    try:
        pairs = parse_query(query)
    except UriError as error:
        raise SignatureError("InvalidURI", "Couldn't parse the specified URI.") from error
    kept = _of_the_signature(tuple([key for key, _ in pairs]))
    return [(pairs[at][0], pairs[at][1] or "") for at in kept]


# Links of one maker have the same parameters in the same order.
@lru_cache(maxsize=256)
def _of_the_signature(keys: tuple[str, ...]) -> tuple[int, ...]:
    """Return the places of the parameters that belong to a signature; none if nothing claims an identity."""
    if not any(key.lower() in MARKS for key in keys):
        return ()
    return tuple(at for at, key in enumerate(keys) if key in _SIGV4_PARAMETERS or key.lower() in MARKS)


# --- the Authorization header


def _claim_from_header(authorization: str, headers: Mapping[str, str]) -> Claim:
    algorithm, _, rest = authorization.strip().partition(" ")
    if algorithm != ALGORITHM:
        raise _unsupported(algorithm, authorization)
    made, (access_key, scope, signed) = _authorization_parts(rest)
    payload_hash = headers.get(_HASH_HEADER)
    if payload_hash is None:
        raise SignatureError("InvalidRequest", f"Missing required header for this request: {_HASH_HEADER}")
    amz_date, timestamp = _header_date(headers)
    if scope.date != amz_date[:8]:
        raise _malformed_header(f'Invalid credential date "{scope.date}". This date is not the same as X-Amz-Date.')
    return Claim(
        "header",
        access_key,
        scope,
        signed,
        made,
        amz_date,
        timestamp,
        None,
        payload_hash,
        payload_mode(payload_hash),
        headers.get(_TOKEN_HEADER),
    )


def _unsupported(algorithm: str, authorization: str) -> SignatureError:
    if algorithm == _ASYMMETRIC:
        return _asymmetric()
    if algorithm == "AWS":
        return _sigv2()
    return SignatureError(
        "InvalidArgument",
        "Unsupported Authorization Type",
        ArgumentName="Authorization",
        # The scheme is enough: what follows it may be a password.
        ArgumentValue=authorization.split(" ", 1)[0],
    )


def _asymmetric() -> SignatureError:
    return SignatureError("NotImplemented", f"SigV4A ({_ASYMMETRIC}) is not supported. Please use {ALGORITHM}.")


def _sigv2() -> SignatureError:
    return SignatureError(
        "InvalidRequest",
        f"The authorization mechanism you have provided is not supported. Please use {ALGORITHM}.",
    )


def _authorization_parts(rest: str) -> tuple[str, _Signer]:
    """Read `Credential=..., SignedHeaders=..., Signature=...`, in any order, each exactly once and nothing else."""
    if len(rest) > _AUTHORIZATION_LENGTH_MAX:
        raise _malformed_header(_PARTS_REASON)
    others, _, last = rest.rpartition(",")
    if not _is_signature(last):
        others, _, last = ",".join(sorted(rest.split(","), key=_is_signature)).rpartition(",")
    if not _is_signature(last):
        raise _malformed_header(_PARTS_REASON)
    return last.strip().removeprefix(_SIGNATURE_PART), _signer(others)


def _is_signature(piece: str) -> bool:
    return piece.lstrip().startswith(_SIGNATURE_PART)


# A client says the same of itself all day long: only the signature differs from request to request.
@lru_cache(maxsize=256)
def _signer(text: str) -> _Signer:
    pieces = sorted(piece.strip().partition("=") for piece in text.split(","))
    if [name for name, _, _ in pieces] != ["Credential", "SignedHeaders"]:
        raise _malformed_header(_PARTS_REASON)
    credential, signed = (value for _, _, value in pieces)
    return *_credential(credential, _malformed_header), _signed_headers(signed)


def _malformed_header(reason: str, **detail: str) -> SignatureError:
    return SignatureError("AuthorizationHeaderMalformed", f"The authorization header is malformed; {reason}", **detail)


def _header_date(headers: Mapping[str, str]) -> tuple[str, int]:
    """Return the request's date as the string to sign has it, and as seconds; x-amz-date goes before Date."""
    given = headers.get("x-amz-date") or headers.get("date") or ""
    try:
        return given, parse_amz_date(given)
    except ValueError:
        # x-amz-date may hold an HTTP date as well (AWS: "the x-amz-date header ... in any of the formats").
        seconds = parse_http_date(given)
    if seconds is None:
        raise SignatureError("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
    return spell_amz_date(seconds), seconds


# --- the presigned query


def _claim_from_query(marked: Sequence[tuple[str, str]], headers: Mapping[str, str]) -> Claim:
    parameters = dict(marked)
    if len(parameters) != len(marked):
        raise _malformed_query("A query parameter that belongs to the signature must not be repeated.")
    if any(key.lower() in _SIGV2_MARKS for key in parameters):
        raise _sigv2()
    if parameters.get("X-Amz-Algorithm") == _ASYMMETRIC:
        raise _asymmetric()
    if not all(parameters.get(name) for name in _REQUIRED):
        *names, last = _REQUIRED
        listed = f"{', '.join(names)}, and {last}"
        raise _malformed_query(f"Query-string authentication version 4 requires the {listed} parameters.")
    if parameters["X-Amz-Algorithm"] != ALGORITHM:
        raise _malformed_query(f'X-Amz-Algorithm only supports "{ALGORITHM}"')
    access_key, scope = _credential(parameters["X-Amz-Credential"], _malformed_credential)
    amz_date, timestamp = _query_date(parameters["X-Amz-Date"], scope)
    signed = _signed_headers(parameters["X-Amz-SignedHeaders"])
    payload_hash = _query_payload_hash(parameters, headers, signed)
    return Claim(
        "query",
        access_key,
        scope,
        signed,
        parameters[SIGNATURE_PARAMETER],
        amz_date,
        timestamp,
        _expires_s(parameters["X-Amz-Expires"]),
        payload_hash,
        payload_mode(payload_hash),
        parameters.get(_TOKEN_PARAMETER),
    )


def _malformed_credential(reason: str, **detail: str) -> SignatureError:
    return _malformed_query(f"Error parsing the X-Amz-Credential parameter; {reason}", **detail)


def _malformed_query(reason: str, **detail: str) -> SignatureError:
    return SignatureError("AuthorizationQueryParametersError", reason, **detail)


def _query_date(given: str, scope: Scope) -> tuple[str, int]:
    try:
        timestamp = parse_amz_date(given)
    except ValueError as error:
        raise _malformed_query("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"") from error
    if scope.date != given[:8]:
        raise _malformed_query(
            "Error parsing the X-Amz-Credential parameter; "
            f'Invalid credential date "{scope.date}". This date is not the same as X-Amz-Date: "{given[:8]}".'
        )
    return given, timestamp


def _expires_s(given: str) -> int:
    digits = given.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        raise _malformed_query("X-Amz-Expires should be a number")
    if given.startswith("-"):
        raise _malformed_query("X-Amz-Expires must be positive")
    if not digits.strip("0"):
        raise SignatureError("AccessDenied", "Request has expired")
    # Compared by length first: no number is built from a thousand digits.
    if len(digits) > len(str(EXPIRES_S_MAX)) or int(digits) > EXPIRES_S_MAX:
        raise _malformed_query(
            "X-Amz-Expires must be less than a week (in seconds); "
            f"that is, the given X-Amz-Expires must be less than {EXPIRES_S_MAX} seconds"
        )
    return int(digits)


def _query_payload_hash(parameters: Mapping[str, str], headers: Mapping[str, str], signed: Sequence[str]) -> str:
    """Return the hash the signer covered: the parameter some signers add, a signed header, else UNSIGNED-PAYLOAD."""
    in_query = parameters.get(_HASH_PARAMETER)
    in_header = headers.get(_HASH_HEADER) if _HASH_HEADER in signed else None
    if in_query is not None and in_header is not None and in_query != in_header:
        raise SignatureError("InvalidArgument", f"{_HASH_PARAMETER} and {_HASH_HEADER} differ.")
    return in_query or in_header or PayloadMode.UNSIGNED.value


# --- common to both

_SCOPE_PARTS: Final = 5
_FIELD_NAMES: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+(;[a-z0-9!#$%&'*+.^_`|~-]+)*")  # RFC 9110 §5.1, lower case


class _Malformed(Protocol):
    """How the form at hand words a credential that cannot be read."""

    def __call__(self, reason: str, **detail: str) -> SignatureError: ...


@lru_cache(maxsize=256)
def _credential(text: str, malformed: _Malformed) -> tuple[str, Scope]:
    """Read `ACCESS-KEY/20261105/region/service/aws4_request`."""
    parts = text.rsplit("/", _SCOPE_PARTS - 1)
    if len(parts) != _SCOPE_PARTS or not parts[0]:
        raise malformed(f'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/{TERMINATOR}".')
    access_key, date, region, service, terminator = parts
    if terminator != TERMINATOR:
        raise malformed(f'incorrect terminator "{terminator}". This endpoint uses "{TERMINATOR}".')
    return access_key, Scope(date, region, service)


@lru_cache(maxsize=256)
def _signed_headers(text: str) -> tuple[str, ...]:
    lowered = text.lower()
    names = lowered.split(";")
    if len(set(names)) != len(names) or _FIELD_NAMES.fullmatch(lowered) is None:
        raise SignatureError("InvalidRequest", "SignedHeaders must name each header once, separated by semicolons.")
    return tuple(sorted(names))

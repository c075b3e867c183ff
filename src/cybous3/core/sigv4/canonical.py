"""What a SigV4 signature covers, byte for byte: canonical request, string to sign, signing key.

Signer and verifier both stand on this file and on nothing else, so a difference between them is a difference in what
they were given. S3's variant: the path is encoded once and not normalised.
AWS: "Authenticating Requests: Using the Authorization Header" and "... Using Query Parameters".

Header values are text by latin-1, as the wire gave the bytes.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from cybous3.core.sigv4.credentials import TERMINATOR, Scope
from cybous3.core.sigv4.errors import SignatureError
from cybous3.core.uri import canonical_parts, canonical_path

ALGORITHM: Final = "AWS4-HMAC-SHA256"
SIGNATURE_PARAMETER: Final = "X-Amz-Signature"
HOST: Final = "host"
AMZ_PREFIX: Final = "x-amz-"

HeaderPairs = Iterable[tuple[str, str]]

# The usual query of a request that has one: `x-id=GetObject`, `list-type=2`.
_ONE_CANONICAL_PART: Final = re.compile(r"(?!X-Amz-Signature=)[A-Za-z0-9\-._~]++=[A-Za-z0-9\-._~]*+")
_BLANKS: Final = re.compile(r"[ \t]+")
_MAY_HAVE_BLANKS: Final = re.compile(r"  |\t|: | \n")  # a block of fields that is not yet canonical, or looks so

# A field listed here must not come twice: two layers that pick different ones would see two requests (A5b).
_SINGLE: Final = frozenset({"authorization", "host", "date", "content-length", "content-md5", "content-type", "range"})
# Every x-amz-* field is single as well, except lists and metadata, which fold.
_FOLDING_AMZ: Final = frozenset({"x-amz-object-attributes", "x-amz-optional-object-attributes", "x-amz-trailer"})
_METADATA: Final = "x-amz-meta-"


def fold(headers: HeaderPairs) -> dict[str, str]:
    """Return the fields by lower-case name, repeated ones joined by a comma in the order they came.

    Raises InvalidRequest where a repetition has no one meaning; equal values are no excuse.
    """
    pairs = list(headers)
    folded = dict(pairs)
    if len(folded) == len(pairs):
        return folded
    folded = {}
    for name, value in pairs:
        if name not in folded:
            folded[name] = value
        elif _folds(name):
            folded[name] = f"{folded[name].strip()},{value.strip()}"
        else:
            raise SignatureError("InvalidRequest", f"The header {name} must not be repeated.", HeaderName=name)
    return folded


def _folds(name: str) -> bool:
    if name.startswith(AMZ_PREFIX):
        return name.startswith(_METADATA) or name in _FOLDING_AMZ
    return name not in _SINGLE


def canonical_value(value: str) -> str:
    """Return a field's value with blanks trimmed and runs of them made one."""
    # Only space and tab are blank: str.split() would also break UTF-8 bytes that look like latin-1 spaces.
    value = value.strip(" \t")
    return _BLANKS.sub(" ", value) if "  " in value or "\t" in value else value


def canonical_query(raw: str) -> str:
    """Return a raw query as a signature covers it; its own X-Amz-Signature is left out."""
    if not raw or _ONE_CANONICAL_PART.fullmatch(raw):
        return raw
    return "&".join([f"{key}={value}" for key, value in canonical_parts(raw) if key != SIGNATURE_PARAMETER])


def canonical_request(
    method: str, path: str, query: str, headers: Mapping[str, str], signed: Sequence[str], payload_hash: str
) -> str:
    """Return the canonical request of raw `path` and `query`, for `signed` field names in lower case and sorted.

    A signed field that is absent counts as empty, so a signature survives it only if it was made so.
    Raises UriError if path or query are not percent-encoded.
    """
    fields = "".join([f"{name}:{headers.get(name, '')}\n" for name in signed])
    if _MAY_HAVE_BLANKS.search(fields):
        fields = "".join([f"{name}:{canonical_value(headers.get(name, ''))}\n" for name in signed])
    names = ";".join(signed)
    return f"{method}\n{canonical_path(path)}\n{canonical_query(query)}\n{fields}\n{names}\n{payload_hash}"


def string_to_sign(amz_date: str, scope: Scope, request: str) -> str:
    """Return the string to sign for a canonical request."""
    digest = hashlib.sha256(request.encode("latin-1")).hexdigest()
    return f"{ALGORITHM}\n{amz_date}\n{scope.date}/{scope.region}/{scope.service}/{TERMINATOR}\n{digest}"


# Deriving costs four HMACs, a request one; a handful of keys is in use at a time. The cache lives as long as the
# process and holds what the process holds anyway: secrets of keys that were just used.
@lru_cache(maxsize=1024)
def signing_key(secret_key: str, date: str, region: str, service: str) -> bytes:
    """Return the key that signs in one scope for one day."""
    key = f"AWS4{secret_key}".encode()
    for part in (date, region, service, TERMINATOR):
        key = hmac.digest(key, part.encode("latin-1"), "sha256")
    return key


def signature(key: bytes, to_sign: str) -> str:
    """Return the signature of a string to sign, in lower-case hexadecimal digits."""
    return hmac.digest(key, to_sign.encode("latin-1"), "sha256").hex()

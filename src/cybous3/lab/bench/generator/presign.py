"""Presigned requests in a few microseconds each: what does not change between requests is computed once.

The result is the same as `core.sigv4.sign.presign` makes, which a test holds. Keys here are of our own making, so
that the path needs no encoding, and the body is not signed (UNSIGNED-PAYLOAD): neither side hashes it with SHA-256.
"""

from typing import Final

from cybous3.client.stores.s3.endpoint import Endpoint
from cybous3.core.clock import amz_date
from cybous3.core.sigv4.canonical import ALGORITHM, signature, signing_key, string_to_sign
from cybous3.core.sigv4.credentials import Credentials, Scope
from cybous3.core.sigv4.payload import PayloadMode
from cybous3.core.sigv4.sign import EXPIRES_S_MAX
from cybous3.core.uri import encode_query, uri_encode

_UNSIGNED: Final = PayloadMode.UNSIGNED.value


class Presigner:
    """Signs requests for one bucket of one endpoint. What it signed is good for seven days from `now_s`."""

    def __init__(self, endpoint: Endpoint, bucket: str, credentials: Credentials, region: str, now_s: float) -> None:
        self._when = amz_date(now_s)
        self._scope = Scope(self._when[:8], region, "s3")
        self._key = signing_key(credentials.secret_key, self._scope.date, region, "s3")
        self._host = endpoint.authority(bucket)
        self._path = endpoint.path(bucket)
        parameters = {
            "X-Amz-Algorithm": ALGORITHM,
            "X-Amz-Credential": f"{credentials.access_key}/{self._scope}",
            "X-Amz-Date": self._when,
            "X-Amz-Expires": str(EXPIRES_S_MAX),
            "X-Amz-SignedHeaders": "host",
        }
        if credentials.session_token is not None:
            parameters["X-Amz-Security-Token"] = credentials.session_token
        # Capitals sort before small letters: every query of our own comes behind these, as the signature wants it.
        self._query = encode_query(tuple(sorted(parameters.items())))

    def head(self, method: str, key: str = "", query: str = "", length: int | None = None, fields: str = "") -> bytes:
        """Return a whole request head.

        `query` is canonical: encoded, sorted, in small letters. `length` is the body's, `fields` are more header lines,
        each ended by CR LF.
        """
        path = f"{self._path}/{key}" if key else self._path
        asked = f"{self._query}&{query}" if query else self._query
        canonical = f"{method}\n{path}\n{asked}\nhost:{self._host}\n\nhost\n{_UNSIGNED}"
        signed = signature(self._key, string_to_sign(self._when, self._scope, canonical))
        body = "" if length is None else f"Content-Length: {length}\r\n"
        return (
            f"{method} {path}?{asked}&X-Amz-Signature={signed} HTTP/1.1\r\nHost: {self._host}\r\n{body}{fields}\r\n"
        ).encode("latin-1")


def query_value(text: str) -> str:
    """Encode one value for `head`'s query."""
    return uri_encode(text)

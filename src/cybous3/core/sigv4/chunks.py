"""Signatures inside a body: each covers its chunk and, through its predecessor, everything before it.

AWS: "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks", and the page of the
same name "... Including trailing headers".
"""

import hashlib
from collections.abc import Iterable
from typing import Final

from cybous3.core.sigv4.canonical import ALGORITHM, signature
from cybous3.core.sigv4.credentials import Scope
from cybous3.core.sigv4.payload import EMPTY_SHA256

TRAILER_SIGNATURE: Final = "x-amz-trailer-signature"


class ChunkSigner:
    """The chain of signatures over one body, from the request's own (the seed).

    Each call moves the chain on; a signer that has signed a bad chunk is of no further use.
    """

    __slots__ = ("_key", "_previous", "_suffix")

    def __init__(self, seed_signature: str, signing_key: bytes, scope: Scope, amz_date: str) -> None:
        self._previous = seed_signature
        self._key = signing_key
        self._suffix = f"\n{amz_date}\n{scope}\n"

    def sign_chunk(self, sha256_hex: str) -> str:
        """Return the next chunk's signature from the SHA-256 of its bytes."""
        return self._sign(f"{ALGORITHM}-PAYLOAD", f"{EMPTY_SHA256}\n{sha256_hex}")

    def sign_trailers(self, trailers: Iterable[tuple[str, str]]) -> str:
        """Return the signature of the trailers (lower-case names, trimmed values, in the order sent)."""
        block = "".join(f"{name}:{value}\n" for name, value in trailers)
        return self._sign(f"{ALGORITHM}-TRAILER", hashlib.sha256(block.encode("latin-1")).hexdigest())

    def _sign(self, kind: str, digests: str) -> str:
        self._previous = signature(self._key, f"{kind}{self._suffix}{self._previous}\n{digests}")
        return self._previous

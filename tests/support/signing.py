"""Requests on an imaginary wire: what a signer adds, a verifier must believe, and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cybous3.core.sigv4.credentials import Credentials
from cybous3.core.sigv4.payload import EMPTY_SHA256
from cybous3.core.sigv4.sign import presign, sign
from cybous3.core.sigv4.verify import Claim, Verified, parse_authorization, verify

CREDENTIALS = Credentials("CYBSEXAMPLEACCESSKEY", "not-a-secret-but-an-example-of-one")
REGION = "eu-test-1"
NOW = 1_793_880_000.0  # 2026-11-05T...: any moment will do
HOST = ("host", "vault.example:9000")

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Wire:
    """One request as it goes over the wire."""

    method: str = "GET"
    path: str = "/bucket/key"
    query: str = ""
    headers: Pairs = (HOST,)

    def with_header(self, name: str, value: str) -> "Wire":
        """Return the same with one more field, signed by nobody unless it is signed afterwards."""
        return replace(self, headers=(*self.headers, (name, value)))

    def setting(self, name: str, value: str) -> "Wire":
        """Return the same with another value for a field it has."""
        return replace(self, headers=tuple((n, value if n == name else v) for n, v in self.headers))

    def without(self, name: str) -> "Wire":
        """Return the same without a field."""
        return replace(self, headers=tuple(pair for pair in self.headers if pair[0] != name))

    def get(self, name: str) -> str:
        """Return a field's value."""
        return dict(self.headers)[name]

    def signed(
        self,
        payload_hash: str = EMPTY_SHA256,
        *,
        credentials: Credentials = CREDENTIALS,
        region: str = REGION,
        service: str = "s3",
        now: float = NOW,
    ) -> "Wire":
        """Return the same, signed in the header."""
        made = sign(
            self.method, self.path, self.query, self.headers, payload_hash, credentials, region, now, service=service
        )
        return replace(self, headers=(*self.headers, *made.headers))

    def presigned(
        self,
        expires_s: int = 3600,
        *,
        credentials: Credentials = CREDENTIALS,
        region: str = REGION,
        service: str = "s3",
        now: float = NOW,
        extra: Sequence[tuple[str, str]] = (),
    ) -> "Wire":
        """Return the same, signed in the query; `extra` are fields its bearer has to send, and does."""
        query = presign(
            self.method,
            self.get("host"),
            self.path,
            self.query,
            credentials,
            region,
            expires_s,
            now,
            headers=extra,
            service=service,
        )
        return replace(self, query=query, headers=(*self.headers, *extra))

    def claim(self) -> Claim | None:
        """Return what it says about its signer."""
        return parse_authorization(self.method, self.path, self.query, self.headers)

    def verified(self, *, secret_key: str = CREDENTIALS.secret_key, now: float = NOW, region: str = REGION) -> Verified:
        """Return what can be believed of it; raises SignatureError."""
        claim = self.claim()
        assert claim is not None, "anonymous"
        return verify(
            claim,
            secret_key,
            method=self.method,
            path=self.path,
            query=self.query,
            headers=self.headers,
            now=now,
            region=region,
        )

"""Links of signature version 2 on an imaginary wire, made by a signer that exists in the tests alone."""

from dataclasses import dataclass, replace

from cybous3.core.sigv2.canonical import canonical_resource, signature, string_to_sign
from cybous3.core.sigv2.claim import LinkClaim, parse_link
from cybous3.core.sigv2.verify import VerifiedLink, verify_link
from cybous3.core.sigv4.canonical import fold
from cybous3.core.sigv4.credentials import Credentials
from cybous3.core.uri import encode_query, parse_query
from tests.support.signing import CREDENTIALS, HOST, NOW, Pairs


@dataclass(frozen=True)
class Link:
    """One request by link as it goes over the wire."""

    method: str = "GET"
    path: str = "/bucket/key"
    query: str = ""
    headers: Pairs = (HOST,)
    hosted_bucket: str | None = None

    def signed(self, *, credentials: Credentials = CREDENTIALS, expires: str = str(int(NOW) + 3600)) -> "Link":
        """Return the same with a signature in its query."""
        resource = canonical_resource(self.path, parse_query(self.query), self.hosted_bucket)
        token = () if credentials.session_token is None else (("x-amz-security-token", credentials.session_token),)
        to_sign = string_to_sign(self.method, expires, fold((*self.headers, *token)), resource)
        made = (
            ("AWSAccessKeyId", credentials.access_key),
            ("Signature", signature(credentials.secret_key, to_sign)),
            ("Expires", expires),
            *token,
        )
        return replace(self, query="&".join(filter(None, (self.query, encode_query(made)))))

    def adding(self, query: str) -> "Link":
        """Return the same with more behind its query, signed by nobody."""
        return replace(self, query=f"{self.query}&{query}")

    def with_header(self, name: str, value: str) -> "Link":
        """Return the same with one more field."""
        return replace(self, headers=(*self.headers, (name, value)))

    def claim(self) -> LinkClaim | None:
        """Return what it says about its signer."""
        return parse_link(self.query, self.headers)

    def verified(self, *, secret_key: str = CREDENTIALS.secret_key, now: float = NOW) -> VerifiedLink:
        """Return what can be believed of it; raises SignatureError."""
        claim = self.claim()
        assert claim is not None, "no link of version 2"
        return verify_link(
            claim,
            secret_key,
            method=self.method,
            path=self.path,
            headers=self.headers,
            now=now,
            hosted_bucket=self.hosted_bucket,
        )

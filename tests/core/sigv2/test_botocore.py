"""The outside party: what botocore presigns with version 2 is believed."""

from urllib.parse import urlsplit

from botocore.auth import HmacV1QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from cybous3.core.sigv2.canonical import SIGNED
from cybous3.core.uri import encode_query, uri_encode
from tests.support.signing import CREDENTIALS
from tests.support.signing_v2 import Link

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
VALUES = st.text("a Z+/=~é€?#%\n", min_size=1, max_size=12)
# What botocore covers, of what we cover; and what nobody covers.
COVERED = sorted(SIGNED.intersection(HmacV1QueryAuth.QSAOfInterest))
PARAMETERS = st.dictionaries(st.sampled_from([*COVERED, "prefix", "x-id"]), st.none() | VALUES, max_size=4)


def test_all_that_botocore_covers_is_covered() -> None:
    """Were one missing here, links with it would be refused; the other way round they are, and that is meant."""
    assert set(HmacV1QueryAuth.QSAOfInterest) <= SIGNED


@given(st.sampled_from(["GET", "PUT", "DELETE", "HEAD", "POST"]), KEYS, PARAMETERS, st.integers(1, 604_800))
def test_what_botocore_presigns_is_believed(
    method: str, key: str, parameters: dict[str, str | None], expires_s: int
) -> None:
    path = f"/{uri_encode(key, safe_slash=True)}"
    query = encode_query(tuple(parameters.items()))
    for hosted in (None, "bucket"):
        place = path if hosted else f"/bucket{path}"
        request = AWSRequest(method=method, url=f"http://127.0.0.1:9000{place}?{query}", auth_path=f"/bucket{path}")
        credentials = BotocoreCredentials(CREDENTIALS.access_key, CREDENTIALS.secret_key)
        HmacV1QueryAuth(credentials, expires=expires_s).add_auth(request)
        sent = urlsplit(request.url)
        link = Link(method, sent.path, sent.query, hosted_bucket=hosted)
        claim = link.claim()
        assert claim is not None
        assert claim.access_key == CREDENTIALS.access_key
        assert link.verified(now=claim.expires_at).payload_hash


def test_botocores_headers_are_covered_when_they_are_sent_as_headers() -> None:
    """The library signs them as headers and moves them into the query; they may stay there too, saying the same."""
    request = AWSRequest("PUT", "http://127.0.0.1:9000/bucket/key", {"Content-Type": "a/b", "x-amz-meta-a": "b"})
    HmacV1QueryAuth(BotocoreCredentials(CREDENTIALS.access_key, CREDENTIALS.secret_key)).add_auth(request)
    query = urlsplit(request.url).query
    assert "&x-amz-meta-a=b" in query
    for sent in (query, query.replace("&x-amz-meta-a=b", "")):
        link = Link("PUT", query=sent, headers=(("content-type", "a/b"), ("x-amz-meta-a", "b")))
        claim = link.claim()
        assert claim is not None
        assert link.verified(now=claim.expires_at).payload_hash

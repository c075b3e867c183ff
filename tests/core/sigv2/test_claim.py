"""What is a link of version 2, what is a broken one, and what is left to version 4."""

from dataclasses import replace

import pytest

from cybous3.core.sigv4.errors import CODES, SignatureError
from cybous3.core.sigv4.payload import EMPTY_SHA256, PayloadMode
from tests.support.signing import CREDENTIALS, NOW, Wire
from tests.support.signing_v2 import Link

EXPIRES = int(NOW) + 60
GOOD = f"AWSAccessKeyId=K&Signature=cw%3D%3D&Expires={EXPIRES}"


def refusal(link: Link) -> SignatureError:
    with pytest.raises(SignatureError) as refused:
        link.claim()
    assert refused.value.code in CODES
    return refused.value


def test_a_link_is_read() -> None:
    claim = Link(query=f"prefix=a%2Fb&versionId=a%2Fb&{GOOD}").claim()
    assert claim is not None
    assert (claim.access_key, claim.signature, claim.expires, claim.expires_at) == ("K", "cw==", str(EXPIRES), EXPIRES)
    assert (claim.payload, claim.payload_hash) == (PayloadMode.UNSIGNED, "UNSIGNED-PAYLOAD")
    assert claim.session_token is None
    assert claim.covered == (("versionId", "a/b"),)


@pytest.mark.parametrize(
    "query",
    ["", "acl", "prefix=AWSAccessKeyId", "prefix=AWSAccessKeyId=x", "awsaccesskeyid=x&Signature=y", "Signature=x"],
)
def test_what_is_no_link_of_version_2_is_left_to_version_4(query: str) -> None:
    assert Link(query=query).claim() is None


@pytest.mark.parametrize(
    "query", ["AWSAccessKeyId=K", "AWSAccessKeyId", GOOD.replace("Signature=cw%3D%3D", "Signature=")]
)
def test_half_a_link_is_refused_and_never_anonymous(query: str) -> None:
    """Attack catalogue: A2."""
    error = refusal(Link(query=query))
    assert error.code == "AccessDenied"
    assert "requires the Signature, Expires and AWSAccessKeyId parameters" in error.reason


@pytest.mark.parametrize("name", ["AWSAccessKeyId", "Signature", "Expires"])
def test_each_part_of_a_link_is_needed(name: str) -> None:
    kept = "&".join(part for part in GOOD.split("&") if not part.startswith(name))
    link = Link(query=f"{kept}&{name}=")
    assert refusal(link).code == "AccessDenied"


@pytest.mark.parametrize(
    "more", ["Expires=99999999999", "signature=x", "AWSAccessKeyID=x", "prefix=a&prefix=b", "acl&acl"]
)
def test_a_repeated_parameter_is_refused(more: str) -> None:
    error = refusal(Link(query=f"{GOOD}&{more}"))
    assert (error.code, "repeated" in error.reason) == ("AuthorizationQueryParametersError", True)


@pytest.mark.parametrize("more", ["X-Amz-Signature=0", "x-amz-algorithm=AWS4-HMAC-SHA256", "X-Amz-Expires=1"])
def test_two_versions_at_once_are_refused(more: str) -> None:
    """Attack A3: neither is looked at."""
    error = refusal(Link(query=f"{GOOD}&{more}"))
    assert (error.code, "Only one auth mechanism allowed" in error.reason) == ("InvalidArgument", True)


def test_a_link_beside_an_authorization_header_is_refused() -> None:
    """Attack A3: neither is looked at, a good one included."""
    for value in (Wire().signed().get("authorization"), "Basic eDp5", ""):
        error = refusal(Link().signed().with_header("authorization", value))
        assert "Only one auth mechanism allowed" in error.reason


@pytest.mark.parametrize(
    "name", ["x-amz-acl", "X-Amz-Meta-A", "x-amz-copy-source", "x-amz-content-sha256", "X%2dAmz-tagging"]
)
def test_a_parameter_that_would_stand_in_for_a_header_is_refused(name: str) -> None:
    """Attack A5d: no version 2 signature covers it, but for the header that says the same."""
    link = Link(query=f"{GOOD}&{name}=x%C3%A4")
    assert refusal(link).code == "InvalidRequest"
    field = name.lower().replace("%2d", "-")
    error = refusal(link.with_header(field, "y"))
    assert error.code == "InvalidRequest"
    assert "but for the header" in error.reason
    if field != "x-amz-content-sha256":  # which is read for what it says
        assert link.with_header(field, "xä".encode().decode("latin-1")).claim() is not None


@pytest.mark.parametrize(
    "expires", ["-1", "+5", "1e9", "5_0", "٣", "1.5", "0x10", "tomorrow", "9" * 12, "9" * 5000, "%20"]
)
def test_an_end_that_is_no_number_of_seconds_is_refused(expires: str) -> None:
    """Attack A6a."""
    error = refusal(Link(query=GOOD.replace(str(EXPIRES), expires.encode().decode("latin-1"))))
    assert (error.code, "seconds since epoch" in error.reason) == ("AccessDenied", True)


@pytest.mark.parametrize("mode", [mode for mode in PayloadMode if mode.streaming])
def test_a_body_in_signed_chunks_has_no_signature_to_start_from(mode: PayloadMode) -> None:
    """Attack A1: and so has none that only says it is chunked."""
    error = refusal(Link("PUT").with_header("x-amz-content-sha256", mode.value).signed())
    assert (error.code, "aws-chunked" in error.reason) == ("InvalidRequest", True)


def test_a_hash_in_the_header_is_kept() -> None:
    claim = Link("PUT").with_header("x-amz-content-sha256", EMPTY_SHA256).signed().claim()
    assert claim is not None
    assert (claim.payload, claim.payload_hash) == (PayloadMode.SIGNED, EMPTY_SHA256)


@pytest.mark.parametrize("query", [f"{GOOD}&a=%", f"{GOOD}&a=%zz", f"{GOOD}&%ff=x"])
def test_a_query_that_cannot_be_read_is_refused(query: str) -> None:
    assert refusal(Link(query=query)).code == "InvalidURI"


def test_a_field_whose_repetition_has_no_one_meaning_is_refused() -> None:
    """Attack A5b."""
    link = Link("PUT").with_header("content-type", "a/b").with_header("content-type", "c/d").with_header("x", "y")
    assert refusal(Link("PUT", query=GOOD, headers=link.headers)).code == "InvalidRequest"


def test_a_token_is_part_of_the_claim_wherever_it_stands() -> None:
    for link in (
        Link(query=f"{GOOD}&x-amz-security-token=t%C3%A9"),
        Link(query=GOOD).with_header("x-amz-security-token", "té".encode().decode("latin-1")),
    ):
        claim = link.claim()
        assert claim is not None
        assert claim.session_token == "té".encode().decode("latin-1")
    bare = Link(query=f"{GOOD}&x-amz-security-token").claim()
    assert bare is not None
    assert bare.session_token == ""
    both = Link(query=f"{GOOD}&x-amz-security-token=t").with_header("x-amz-security-token", "t")
    assert refusal(both).code == "InvalidRequest"


def test_a_repr_shows_no_secret() -> None:
    """D1a: nothing that a log or a traceback prints can be used."""
    link = Link().signed(credentials=replace(CREDENTIALS, session_token="token-of-the-example"))
    claim = link.claim()
    assert claim is not None
    assert claim.access_key == CREDENTIALS.access_key
    assert claim.signature not in repr(claim)
    assert "token-of-the-example" not in repr(claim)

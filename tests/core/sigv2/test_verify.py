"""A link is good for what was signed, until it ends, and for nothing else."""

from dataclasses import replace

import pytest

from cybous3.core.sigv2.canonical import SIGNED
from cybous3.core.sigv2.verify import AHEAD_S_MAX
from cybous3.core.sigv4.credentials import Credentials
from cybous3.core.sigv4.errors import CODES, SignatureError
from cybous3.core.sigv4.payload import EMPTY_SHA256, PayloadMode
from tests.support.signing import CREDENTIALS, HOST, NOW
from tests.support.signing_v2 import Link

NOW_S = int(NOW)


def refusal(link: Link, **given: float) -> SignatureError:
    with pytest.raises(SignatureError) as refused:
        link.verified(**given)  # type: ignore[arg-type]  # only `now` is ever given
    assert refused.value.code in CODES
    return refused.value


UPLOAD = (
    Link("PUT", query="partNumber=1&uploadId=abc&response-content-type=a%2Fb")
    .with_header("content-type", "text/plain")
    .with_header("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")
    .with_header("x-amz-meta-a", "b")
    .signed()
)


def _header(link: Link, name: str, value: str) -> Link:
    return replace(link, headers=tuple((n, value if n == name else v) for n, v in link.headers))


def test_what_was_signed_is_believed() -> None:
    assert UPLOAD.verified().payload is PayloadMode.UNSIGNED
    hashed = Link("PUT").with_header("x-amz-content-sha256", EMPTY_SHA256).signed().verified()
    assert (hashed.payload, hashed.payload_hash) == (PayloadMode.SIGNED, EMPTY_SHA256)


@pytest.mark.parametrize(
    "changed",
    [
        replace(UPLOAD, method="GET"),
        replace(UPLOAD, method="DELETE"),
        replace(UPLOAD, path="/bucket/other"),
        replace(UPLOAD, path="/bucket/ke%79"),
        replace(UPLOAD, path="/other/key"),
        replace(UPLOAD, path="/bucket//key"),
        replace(UPLOAD, hosted_bucket="other"),
        replace(UPLOAD, query=UPLOAD.query.replace(str(NOW_S + 3600), str(NOW_S + 3601))),
        replace(UPLOAD, query=UPLOAD.query.replace(str(NOW_S + 3600), f"0{NOW_S + 3600}")),
        replace(UPLOAD, query=UPLOAD.query.replace("partNumber=1", "partNumber=2")),
        replace(UPLOAD, query=UPLOAD.query.replace("partNumber=1&", "")),
        replace(UPLOAD, query=UPLOAD.query.replace("a%2Fb", "text%2Fhtml")),
        replace(UPLOAD, query=UPLOAD.query.replace("AWSAccessKeyId=", "AWSAccessKeyId=X")).adding("tagging"),
        _header(UPLOAD, "content-type", "text/html"),
        _header(UPLOAD, "content-md5", "x"),
        _header(UPLOAD, "x-amz-meta-a", "c"),
        UPLOAD.with_header("x-amz-meta-b", ""),
        UPLOAD.with_header("x-amz-meta-a", "b"),
        UPLOAD.with_header("x-amz-copy-source", "other/key"),
        UPLOAD.with_header("x-amz-acl", "public-read"),
        UPLOAD.with_header("x-amz-content-sha256", EMPTY_SHA256),
        UPLOAD.with_header("x-amz-security-token", ""),
        UPLOAD.adding("x-amz-security-token=t"),
        replace(UPLOAD, headers=(HOST,)),
        Link("PUT", query=UPLOAD.query),
    ],
)
def test_any_change_to_what_was_signed_is_refused(changed: Link) -> None:
    """Attacks A5a, A5d, A6b."""
    assert refusal(changed).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("name", sorted(SIGNED))
@pytest.mark.parametrize("value", ["", "=", "=x"])
def test_a_parameter_that_makes_another_request_of_it_is_refused(name: str, value: str) -> None:
    """Attack A6b: a link to write an object must not become one to lock, tag or rename it."""
    assert refusal(Link("PUT").signed().adding(name + value)).code == "SignatureDoesNotMatch"


def test_another_keys_signature_is_refused() -> None:
    other = Link().signed(credentials=Credentials("SOMEBODYELSE", "with another secret"))
    assert refusal(other).code == "SignatureDoesNotMatch"
    renamed = replace(other, query=other.query.replace("SOMEBODYELSE", CREDENTIALS.access_key))
    assert refusal(renamed).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("signature", ["x", "%C3%A9", "AAAAAAAAAAAAAAAAAAAAAAAAAAA%3D", "A" * 5000])
def test_a_signature_that_is_none_is_refused(signature: str) -> None:
    query = f"AWSAccessKeyId={CREDENTIALS.access_key}&Signature={signature}&Expires={NOW_S + 60}"
    assert refusal(Link(query=query)).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("more", ["prefix=a", "max-keys=1&marker=x", "list-type=2", "x-id=ListObjects"])
def test_parameters_of_a_listing_are_free_as_on_aws(more: str) -> None:
    assert Link(path="/bucket").signed().adding(more).verified().payload_hash


@pytest.mark.parametrize("field", [("range", "bytes=0-1"), ("if-match", '"x"'), ("host", "elsewhere")])
def test_other_headers_are_free_as_on_aws(field: tuple[str, str]) -> None:
    assert replace(Link().signed(), headers=(field,)).verified().payload_hash


def test_the_bucket_in_the_host_and_the_bucket_in_the_path_are_one() -> None:
    hosted = Link(path="/key", hosted_bucket="bucket").signed()
    assert hosted.verified().payload_hash
    assert replace(hosted, path="/bucket/key", hosted_bucket=None).verified().payload_hash
    assert refusal(replace(hosted, hosted_bucket=None)).code == "SignatureDoesNotMatch"


def test_a_bucket_in_the_path_may_be_signed_with_a_slash_behind_it() -> None:
    """Which is how boto3 signs what it sends without; the two are one bucket."""
    link = Link(path="/bucket/", query="acl").signed()
    assert replace(link, path="/bucket").verified().payload_hash
    assert refusal(replace(link, path="/bucke")).code == "SignatureDoesNotMatch"
    assert refusal(replace(link, path="/bucket//")).code == "SignatureDoesNotMatch"
    assert refusal(replace(Link(path="/bucket/key/").signed(), path="/bucket/key")).code == "SignatureDoesNotMatch"
    assert refusal(replace(Link(path="/").signed(), path="//")).code == "SignatureDoesNotMatch"


def test_a_bare_parameter_and_one_with_nothing_are_signed_alike() -> None:
    link = Link(query="uploads").signed()
    assert replace(link, query=link.query.replace("uploads&", "uploads=&")).verified().payload_hash


def test_a_token_is_covered_in_the_query_and_as_a_header() -> None:
    link = Link().signed(credentials=replace(CREDENTIALS, session_token="t/+="))
    assert link.verified().payload_hash
    assert refusal(replace(link, query=link.query.replace("token=t", "token=u"))).code == "SignatureDoesNotMatch"
    without = link.query.partition("&x-amz-security-token")[0]
    assert replace(link, query=without).with_header("x-amz-security-token", "t/+=").verified().payload_hash
    assert refusal(replace(link, query=without)).code == "SignatureDoesNotMatch"


# --- one string for two requests


@pytest.mark.parametrize("value", ["attachment%26versionId%3Dv", "a%26acl", "a%26tagging%26b", "%26uploads%3D"])
def test_a_value_that_reads_like_a_further_parameter_is_refused(value: str) -> None:
    """Decoded values are joined by `&` unquoted: a version's link would pass for one to the current version."""
    two = Link(query="response-content-disposition=attachment&versionId=v").signed()
    one = replace(two, query=two.query.replace("attachment&versionId=v", value))
    assert refusal(one).code == "InvalidArgument"


@pytest.mark.parametrize("value", ["Tom+%26+Jerry.txt", "a%26b%3Dc", "a%26aclx", "a%3D%26", "a%0A%2Fb", "%C3%A4%3F"])
def test_other_values_may_hold_anything(value: str) -> None:
    assert Link(query=f"response-content-disposition={value}").signed().verified().payload_hash


# --- time


def test_a_link_lives_until_its_end() -> None:
    link = Link().signed(expires=str(NOW_S))
    assert link.verified(now=NOW_S).payload_hash
    error = refusal(link, now=NOW_S + 0.5)
    assert (error.code, error.reason) == ("AccessDenied", "Request has expired")
    assert error.detail["Expires"].endswith("Z")
    assert refusal(Link().signed(expires="0")).reason == "Request has expired"


def test_a_link_may_not_live_longer_than_a_week() -> None:
    """Attack A6a."""
    assert Link().signed(expires=str(NOW_S + AHEAD_S_MAX)).verified().payload_hash
    for expires in (NOW_S + AHEAD_S_MAX + 1, 99_999_999_999):
        error = refusal(Link().signed(expires=str(expires)))
        assert (error.code, "a week" in error.reason) == ("AuthorizationQueryParametersError", True)
    assert AHEAD_S_MAX == 7 * 86_400 + 15 * 60


# --- the answer to a signature that does not match


def test_a_mismatch_shows_what_was_signed() -> None:
    link = Link(path="/bucket/caf%C3%A9", query="response-content-language=fran%C3%A7ais").signed()
    error = refusal(replace(link, method="HEAD"))
    assert error.detail["AWSAccessKeyId"] == CREDENTIALS.access_key
    assert error.detail["StringToSign"].startswith(f"HEAD\n\n\n{NOW_S + 3600}\n/bucket/caf%C3%A9?")
    assert bytes.fromhex(error.detail["StringToSignBytes"]).decode().endswith("response-content-language=français")
    assert CREDENTIALS.secret_key not in repr(error.detail)


def test_a_path_no_wire_can_hold_is_refused() -> None:
    assert refusal(replace(Link().signed(), path="/bucket/€")).code == "InvalidURI"

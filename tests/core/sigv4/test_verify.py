"""One reason per refusal. A1 to A15 are lines of the attack catalogue."""

from dataclasses import replace

import pytest

from cybous3.core.clock import amz_date, http_date
from cybous3.core.sigv4.errors import CODES, SignatureError
from cybous3.core.sigv4.payload import PayloadMode
from cybous3.core.sigv4.verify import SKEW_S_MAX
from tests.support.signing import CREDENTIALS, HOST, NOW, REGION, Wire


def refusal(wire: Wire, **given: float) -> SignatureError:
    """Return the one error a request is refused with."""
    with pytest.raises(SignatureError) as refused:
        wire.verified(**given)  # type: ignore[arg-type]  # only `now` is ever given
    assert refused.value.code in CODES
    return refused.value


WRITES = ["PUT", "POST", "DELETE"]


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("mode", [mode for mode in PayloadMode if mode is not PayloadMode.SIGNED])
def test_a_fabricated_signature_is_refused_whatever_the_payload_form(method: str, mode: PayloadMode) -> None:
    """Attack A1, A10: The seed signature is checked for every form before a byte of the body is read."""
    signed = Wire(method=method).signed(mode.value)
    authorization = signed.get("authorization")
    forged = signed.setting("authorization", authorization[:-64] + "0" * 64)
    assert refusal(forged).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("method", WRITES)
def test_a_fabricated_signature_in_the_query_is_refused(method: str) -> None:
    """Attack A2: An identity claimed in the query is held to the same rule, with a streaming body as well."""
    signed = Wire(method=method).presigned()
    forged = replace(signed, query=signed.query[:-64] + "0" * 64)
    assert refusal(forged).code == "SignatureDoesNotMatch"
    streaming = replace(forged, query=f"X-Amz-Content-Sha256=STREAMING-UNSIGNED-PAYLOAD-TRAILER&{forged.query}")
    assert refusal(streaming).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("name", ["x-amz-meta-a", "x-amz-acl", "x-amz-server-side-encryption", "x-amz-tagging"])
def test_an_unsigned_amz_field_is_refused(name: str) -> None:
    """Attack catalogue: A5a, A5c."""
    for signed in (Wire().signed(), Wire().presigned()):
        error = refusal(signed.with_header(name, "x"))
        assert (error.code, error.detail["HeadersNotSigned"]) == ("AccessDenied", name)


def test_an_unsigned_copy_source_is_refused() -> None:
    """Attack A5d: A presigned upload does not become a copy as its signer."""
    signed = Wire(method="PUT").presigned()
    assert refusal(signed.with_header("x-amz-copy-source", "/other/secret")).code == "AccessDenied"


def test_an_unsigned_streaming_form_is_refused() -> None:
    """Attack A2: Nor does it become another kind of body."""
    signed = Wire(method="PUT").presigned()
    smuggled = signed.with_header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
    assert refusal(smuggled).code == "AccessDenied"


def test_an_unsigned_host_is_refused() -> None:
    """Attack catalogue: A5a."""
    bare = Wire(headers=(("range", "bytes=0-1"),)).signed()
    error = refusal(replace(bare, headers=(HOST, *bare.headers)))
    assert (error.code, error.detail["HeadersNotSigned"]) == ("AccessDenied", "host")


@pytest.mark.parametrize("name", ["content-type", "range", "user-agent", "x-amzn-trace-id", "accept-encoding"])
def test_other_fields_need_no_signature(name: str) -> None:
    assert Wire().signed().with_header(name, "anything").verified().seed_signature


@pytest.mark.parametrize("name", ["host", "x-amz-date", "x-amz-acl", "x-amz-copy-source", "authorization", "range"])
def test_a_repeated_field_without_one_meaning_is_refused(name: str) -> None:
    """Attack A5b: With the same value too: whoever repeats it hopes that somebody picks the other one."""
    wire = Wire().with_header("x-amz-acl", "a").with_header("x-amz-copy-source", "b").with_header("range", "c").signed()
    error = refusal(wire.with_header(name, wire.get(name)))
    assert (error.code, error.detail["HeaderName"]) == ("InvalidRequest", name)
    anonymous = Wire().with_header("x-amz-acl", "a").with_header("x-amz-acl", "b")
    with pytest.raises(SignatureError, match="repeated"):
        anonymous.claim()


def test_lists_and_metadata_fold_in_order() -> None:
    wire = Wire().with_header("x-amz-meta-a", "1 ").with_header("x-amz-meta-a", " 2").with_header("accept", "a")
    wire = wire.with_header("accept", "b").signed()
    assert wire.verified().seed_signature
    assert Wire().with_header("x-amz-meta-a", "1,2").with_header("accept", "a,b").signed().get(
        "authorization"
    ) == wire.get("authorization")
    first, second, third, *rest = wire.headers
    swapped = replace(wire, headers=(first, third, second, *rest))
    assert refusal(swapped).code == "SignatureDoesNotMatch"


# --- time


@pytest.mark.parametrize("skew_s", [SKEW_S_MAX + 1, -SKEW_S_MAX - 1, 86_400 * 365 * 50])
def test_a_clock_too_far_off_is_refused(skew_s: int) -> None:
    """Attack A7c: In both directions, and the answer tells the client by how much."""
    error = refusal(Wire().signed(now=NOW + skew_s))
    assert error.code == "RequestTimeTooSkewed"
    assert error.detail["RequestTime"] == amz_date(NOW + skew_s)
    assert error.detail["MaxAllowedSkewMilliseconds"] == "900000"
    assert error.detail["ServerTime"].startswith("2026-")


@pytest.mark.parametrize("skew_s", [SKEW_S_MAX, -SKEW_S_MAX, 0])
def test_a_clock_within_fifteen_minutes_is_good(skew_s: int) -> None:
    assert Wire().signed(now=NOW + skew_s).verified().seed_signature


def test_a_presigned_url_ends_with_its_time() -> None:
    """Attack catalogue: A6a."""
    signed = Wire().presigned(60)
    assert signed.verified(now=NOW + 60).seed_signature
    error = refusal(signed, now=NOW + 61)
    assert (error.code, error.reason) == ("AccessDenied", "Request has expired")
    assert (error.detail["X-Amz-Expires"], error.detail["Expires"]) == ("60", amz_date(NOW + 60))


def test_a_presigned_url_of_the_future_is_not_yet_valid() -> None:
    """Attack catalogue: A7c."""
    signed = Wire().presigned(604_800)
    assert signed.verified(now=NOW - SKEW_S_MAX).seed_signature
    error = refusal(signed, now=NOW - SKEW_S_MAX - 1)
    assert (error.code, error.reason) == ("AccessDenied", "Request is not yet valid")


def test_the_date_field_will_do_where_there_is_no_x_amz_date() -> None:
    signed = Wire().signed()
    elder = signed.without("x-amz-date").with_header("date", http_date(int(NOW) * 1000))
    # The signature covers x-amz-date as a field here, so it cannot hold; the claim, however, is read.
    claim = elder.claim()
    assert claim is not None
    assert (claim.amz_date, claim.timestamp) == (amz_date(NOW), int(NOW))
    assert refusal(elder).code == "SignatureDoesNotMatch"


# --- the scope


@pytest.mark.parametrize("kind", ["header", "query"])
def test_a_wrong_region_is_refused_with_the_right_one(kind: str) -> None:
    """Attack catalogue: A7a."""
    wire = Wire().signed(region="mars-1") if kind == "header" else Wire().presigned(region="mars-1")
    error = refusal(wire)
    assert error.code == {"header": "AuthorizationHeaderMalformed", "query": "AuthorizationQueryParametersError"}[kind]
    assert error.detail["Region"] == REGION
    assert f"the region 'mars-1' is wrong; expecting '{REGION}'" in error.reason


@pytest.mark.parametrize("service", ["s3tables", "iam", "s3-outposts", "S3", ""])
@pytest.mark.parametrize("kind", ["header", "query"])
def test_another_service_s_signature_is_refused(service: str, kind: str) -> None:
    """Attack catalogue: A7a, A7b."""
    wire = Wire().signed(service=service) if kind == "header" else Wire().presigned(service=service)
    error = refusal(wire)
    assert error.code.startswith("Authorization")
    assert 'belongs to "s3"' in error.reason


# --- what a presigned URL is good for


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"path": "/bucket/other"},
        {"path": "/bucket//key"},
        {"path": "/bucket/./key"},
        {"headers": (("host", "elsewhere.example"),)},
    ],
)
def test_a_presigned_url_is_good_for_its_own_request_only(change: dict[str, object]) -> None:
    """Attack catalogue: A6b."""
    signed = Wire().presigned()
    assert refusal(replace(signed, **change)).code == "SignatureDoesNotMatch"  # type: ignore[arg-type]  # a table


@pytest.mark.parametrize("added", ["versionId=1", "response-content-type=text%2Fhtml", "acl", "uploads="])
def test_an_added_parameter_is_refused(added: str) -> None:
    """Attack catalogue: A6b."""
    for wire in (Wire().presigned(), Wire().signed()):
        query = f"{wire.query}&{added}" if wire.query else added
        assert refusal(replace(wire, query=query)).code == "SignatureDoesNotMatch"


def test_a_signed_streaming_form_in_the_query_is_kept() -> None:
    hashed = Wire(query="X-Amz-Content-Sha256=UNSIGNED-PAYLOAD").presigned()
    assert hashed.verified().payload is PayloadMode.UNSIGNED


# --- the answer to a signature that does not match


def test_a_mismatch_shows_what_was_signed() -> None:
    wire = Wire(path="/bucket/caf%C3%A9", query="prefix=a%20b").signed()
    error = refusal(replace(wire, method="HEAD"))
    assert error.detail["AWSAccessKeyId"] == CREDENTIALS.access_key
    assert error.detail["CanonicalRequest"].startswith("HEAD\n/bucket/caf%C3%A9\nprefix=a%20b\nhost:")
    assert error.detail["StringToSign"].startswith(f"AWS4-HMAC-SHA256\n{amz_date(NOW)}\n")
    assert bytes.fromhex(error.detail["StringToSignBytes"]).decode() == error.detail["StringToSign"]
    assert bytes.fromhex(error.detail["CanonicalRequestBytes"]).decode() == error.detail["CanonicalRequest"]
    assert CREDENTIALS.secret_key not in repr(error.detail)


@pytest.mark.parametrize("signature", ["", "é" * 64, "0" * 63, "F" * 64])
def test_a_signature_of_any_form_is_compared_and_refused(signature: str) -> None:
    """Attack catalogue: A15."""
    wire = Wire().signed()
    forged = wire.setting("authorization", wire.get("authorization")[:-64] + signature)
    assert refusal(forged).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("path", ["/bucket/100%", "/bucket/%zz", "/bucket/€"])
def test_a_path_that_cannot_be_read_is_refused_as_such(path: str) -> None:
    assert refusal(replace(Wire().signed(), path=path)).code == "InvalidURI"


@pytest.mark.parametrize(
    ("sent", "signed"),
    [("/bucket/a%28b%29", "/bucket/a(b)"), ("/bucket/%7e%c3%a9", "/bucket/~%C3%A9"), ("/b/a+b", "/b/a%2Bb")],
)
def test_the_spelling_on_the_wire_does_not_matter(sent: str, signed: str) -> None:
    assert replace(Wire(path=signed).signed(), path=sent).verified().seed_signature


def test_blanks_within_a_value_are_one() -> None:
    wire = Wire().with_header("x-amz-meta-a", "a b c").signed()
    assert wire.setting("x-amz-meta-a", " a  b \t c\t").verified().seed_signature


def test_bytes_that_look_like_latin_1_blanks_are_kept() -> None:
    """An à in UTF-8 ends in the byte of a no-break space; trimming it would change what was signed."""
    value = "voilà".encode().decode("latin-1")
    wire = Wire().with_header("x-amz-meta-a", value).signed()
    assert wire.verified().seed_signature
    assert refusal(wire.setting("x-amz-meta-a", value[:-1])).code == "SignatureDoesNotMatch"

"""Who carries a mark of an identity is read strictly or refused; only who carries none is anonymous."""

from dataclasses import replace

import pytest

from cybous3.core.sigv4.errors import SignatureError
from cybous3.core.sigv4.payload import PayloadMode
from tests.support.signing import NOW, Wire

SCOPE = "20261105/eu-test-1/s3/aws4_request"


def refusal(wire: Wire) -> SignatureError:
    with pytest.raises(SignatureError) as refused:
        wire.claim()
    return refused.value


@pytest.mark.parametrize(
    "query", ["", "acl", "x-id=GetObject", "list-type=2&prefix=signed", "prefix=a%2Fb", "marker=%00"]
)
def test_a_request_without_any_mark_is_anonymous(query: str) -> None:
    """Attack A8: anonymous is None, a case of its own, never a default identity."""
    assert Wire(query=query).claim() is None
    assert Wire(query=query).with_header("x-amz-content-sha256", "UNSIGNED-PAYLOAD").claim() is None


@pytest.mark.parametrize(
    "mark",
    [
        "X-Amz-Signature=0",
        "x-amz-signature=0",
        "X%2DAmz-Signature=0",
        "X-Amz-Algorithm=AWS4-HMAC-SHA256",
        "X-Amz-Credential",
        "X-Amz-Security-Token=t",
        "X-Amz-Expires=1",
        "X-Amz-Date=20261105T000000Z",
        "X-Amz-SignedHeaders=host",
    ],
)
def test_a_half_signed_request_is_never_an_anonymous_one(mark: str) -> None:
    """Attack catalogue: A2."""
    error = refusal(Wire(query=f"acl&{mark}"))
    assert error.code == "AuthorizationQueryParametersError"
    assert "requires the X-Amz-Algorithm, X-Amz-Credential" in error.reason


def test_two_ways_of_signing_at_once_are_refused() -> None:
    """Attack A3: neither is looked at."""
    for wire in (Wire().presigned().signed(), Wire().signed(), Wire().with_header("authorization", "nonsense")):
        both = replace(wire, query=wire.query or "X-Amz-Signature=0")
        error = refusal(both)
        assert error.code == "InvalidArgument"
        assert "Only one auth mechanism allowed" in error.reason


@pytest.mark.parametrize("query", ["AWSAccessKeyId=a&Signature=b&Expires=1", "Signature=x", "awsaccesskeyid=x"])
def test_sigv2_is_refused_by_name_in_the_query(query: str) -> None:
    error = refusal(Wire(query=query))
    assert error.code == "InvalidRequest"
    assert "Please use AWS4-HMAC-SHA256" in error.reason


@pytest.mark.parametrize(
    ("authorization", "code", "words"),
    [
        ("AWS CYBSEXAMPLE:c2lnbmF0dXJl", "InvalidRequest", "Please use AWS4-HMAC-SHA256"),
        ("AWS4-ECDSA-P256-SHA256 Credential=x", "NotImplemented", "SigV4A"),
        ("Bearer secret-thing", "InvalidArgument", "Unsupported Authorization Type"),
        ("", "InvalidArgument", "Unsupported Authorization Type"),
    ],
)
def test_other_schemes_are_refused_by_name(authorization: str, code: str, words: str) -> None:
    error = refusal(Wire().with_header("authorization", authorization))
    assert error.code == code
    assert words in error.reason
    assert "secret-thing" not in repr(error.detail)


def test_sigv4a_is_refused_by_name_in_the_query() -> None:
    query = Wire().presigned().query.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256")
    assert refusal(Wire(query=query)).code == "NotImplemented"


GOOD = f"Credential=K/{SCOPE}, SignedHeaders=host;x-amz-date, Signature=aa"


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "Credential",
        GOOD + ", Signature=bb",
        GOOD + ", Extra=1",
        GOOD.replace("Signature=", "signature="),
        GOOD.replace(f"Credential=K/{SCOPE}", f"Credential={SCOPE}"),
        GOOD.replace("K/", "/"),
        GOOD.replace("aws4_request", "aws5_request"),
        GOOD.replace("20261105", "20261104"),
        GOOD.replace("SignedHeaders=host;x-amz-date, ", ""),
        GOOD.replace("SignedHeaders=host;x-amz-date", "Credential=K/a/b/c/d"),
        "Credential=" + "K" * 9000 + GOOD,
    ],
)
def test_an_authorization_that_cannot_be_read_is_refused(rest: str) -> None:
    """Attack A7a: wrong date and terminator included."""
    wire = Wire().signed(now=NOW).setting("authorization", f"AWS4-HMAC-SHA256 {rest}")
    assert refusal(wire).code == "AuthorizationHeaderMalformed"


@pytest.mark.parametrize("names", ["", ";", "host;", "host;host", "Host;host", "ho st", "host\n;a", "a:b"])
def test_signed_fields_that_are_no_list_of_names_are_refused(names: str) -> None:
    wire = Wire().signed().setting("authorization", f"AWS4-HMAC-SHA256 {GOOD}".replace("host;x-amz-date", names))
    assert refusal(wire).code == "InvalidRequest"


@pytest.mark.parametrize("joint", [",", ", ", " ,  "])
def test_order_and_blanks_in_the_authorization_are_free(joint: str) -> None:
    wire = Wire().signed()
    parts = wire.get("authorization").removeprefix("AWS4-HMAC-SHA256 ").split(", ")
    turned = wire.setting("authorization", f"AWS4-HMAC-SHA256 {joint.join(reversed(parts))}")
    assert turned.verified().seed_signature


def test_an_access_key_may_hold_slashes() -> None:
    wire = Wire().signed()
    claim = wire.setting("authorization", wire.get("authorization").replace("=CYBS", "=a/b/CYBS")).claim()
    assert claim is not None
    assert claim.access_key.startswith("a/b/CYBS")


def test_the_payload_hash_is_required_in_the_header_form() -> None:
    error = refusal(Wire().signed().without("x-amz-content-sha256"))
    assert error.code == "InvalidRequest"
    assert error.reason == "Missing required header for this request: x-amz-content-sha256"


@pytest.mark.parametrize(
    "value", ["", "0" * 63, "g" * 64, "STREAMING", "unsigned-payload", "STREAMING-AWS4-HMAC-SHA256"]
)
def test_an_unknown_payload_hash_is_never_a_default(value: str) -> None:
    error = refusal(Wire().signed().setting("x-amz-content-sha256", value))
    assert (error.code, error.detail["ArgumentValue"]) == ("InvalidArgument", value)


@pytest.mark.parametrize("value", ["", "yesterday", "20261305T000000Z", "2026-11-05T00:00:00Z"])
def test_a_date_that_cannot_be_read_is_refused(value: str) -> None:
    error = refusal(Wire().signed().setting("x-amz-date", value))
    assert error.code == "AccessDenied"
    assert "requires a valid Date" in error.reason


# --- the presigned form, parameter by parameter


def _with(name: str, value: str) -> Wire:
    parts = [part.partition("=") for part in Wire().presigned().query.split("&")]
    return Wire(query="&".join(f"{key}={value if key == name else old}" for key, _, old in parts))


@pytest.mark.parametrize("value", ["0", "000"])
def test_a_link_for_no_time_at_all_has_expired(value: str) -> None:
    error = refusal(_with("X-Amz-Expires", value))
    assert (error.code, error.reason) == ("AccessDenied", "Request has expired")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA1", "only supports"),
        ("X-Amz-Credential", "K", "mal-formed"),
        ("X-Amz-Credential", f"K/{SCOPE.replace('aws4', 'aws5')}", "incorrect terminator"),
        ("X-Amz-Date", "20261105", "ISO8601"),
        ("X-Amz-Date", "20261104T000000Z", "not the same as X-Amz-Date"),
        ("X-Amz-Expires", "soon", "should be a number"),
        ("X-Amz-Expires", "1.5", "should be a number"),
        ("X-Amz-Expires", "%D9%A3", "should be a number"),
        ("X-Amz-Expires", "-1", "must be positive"),
        ("X-Amz-Expires", "-", "should be a number"),
        ("X-Amz-Expires", "-0", "must be positive"),
        ("X-Amz-Expires", "604801", "less than a week"),
        ("X-Amz-Expires", "9" * 5000, "less than a week"),
        ("X-Amz-Expires", str(2**64 + 60), "less than a week"),
        ("X-Amz-Signature", "", "requires the"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused(name: str, value: str, words: str) -> None:
    """Attack catalogue: A6a, A7a."""
    error = refusal(_with(name, value))
    assert error.code == "AuthorizationQueryParametersError"
    assert words in error.reason


@pytest.mark.parametrize("index", range(6))
def test_a_repeated_parameter_of_the_signature_is_refused(index: int) -> None:
    """Attack A5b, A6a: otherwise one layer might read the first X-Amz-Expires and another the last."""
    query = Wire().presigned().query
    repeated = query.split("&")[index]
    error = refusal(Wire(query=f"{query}&{repeated}"))
    assert (error.code, "repeated" in error.reason) == ("AuthorizationQueryParametersError", True)


@pytest.mark.parametrize("query", ["X-Amz-Signature=%zz", "%ff=x", "a=%"])
def test_a_query_that_cannot_be_read_is_refused(query: str) -> None:
    assert refusal(Wire(query=query)).code == "InvalidURI"


def test_a_signed_payload_hash_of_a_presigned_request_is_read() -> None:
    streaming = PayloadMode.STREAMING_UNSIGNED_TRAILER.value
    field = ("x-amz-content-sha256", streaming)
    claim = Wire(method="PUT").presigned(extra=[field]).claim()
    assert claim is not None
    assert claim.payload is PayloadMode.STREAMING_UNSIGNED_TRAILER
    differing = Wire(query="X-Amz-Content-Sha256=UNSIGNED-PAYLOAD").presigned(extra=[field])
    assert refusal(differing).code == "InvalidArgument"

"""Who sends a request: proven, or nobody, or refused. Nothing between."""

import asyncio
import hashlib
import time
from dataclasses import replace

import pytest

from cybous3.core.sigv4.credentials import Credentials
from cybous3.core.sigv4.errors import SignatureError
from cybous3.core.sigv4.sign import presign, sign
from cybous3.server.authn.identity import ANONYMOUS, Authenticated, Identity, authenticate
from cybous3.server.model.accounts import Credential
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.message import Headers, Request
from tests.support.site import ALICE, ALICE_KEY, HOST, REGION, SCOPED_KEY

NOW = 1_790_000_000.0
EMPTY = hashlib.sha256(b"").hexdigest()


def signed(
    credentials: Credentials | None = None, *, now: float = NOW, region: str = REGION, payload: str = EMPTY
) -> Request:
    credentials = credentials or Credentials(ALICE_KEY.access_key, ALICE_KEY.secret_key)
    fields = [("host", HOST)]
    fields += sign("GET", "/photos/k", "a=b", fields, payload, credentials, region, now).headers
    return Request("GET", "/photos/k", "a=b", Headers(fields))


def who(request: Request, *, now: float = NOW, known: tuple[Credential, ...] = (ALICE_KEY, SCOPED_KEY)) -> Identity:
    async def find(access_key: str) -> Credential | None:
        return next((key for key in known if key.access_key == access_key), None)

    return asyncio.run(authenticate(request, find, now=now, region=REGION))


def refused(request: Request, *, now: float = NOW, known: tuple[Credential, ...] = (ALICE_KEY,)) -> str:
    with pytest.raises((SignatureError, S3Error)) as error:
        who(request, now=now, known=known)
    return str(error.value.code)  # type: ignore[attr-defined]  # both families have one


def test_a_signature_proves_its_user() -> None:
    identity = who(signed())
    assert isinstance(identity, Authenticated)
    assert (identity.user, identity.access_key, identity.buckets) == (ALICE, ALICE_KEY.access_key, None)


def test_a_limited_key_stays_limited() -> None:
    identity = who(signed(Credentials(SCOPED_KEY.access_key, SCOPED_KEY.secret_key)))
    assert isinstance(identity, Authenticated)
    assert identity.buckets == SCOPED_KEY.buckets


def test_no_mark_of_an_identity_is_nobody() -> None:
    assert who(Request("GET", "/photos/k", "", Headers([("host", HOST)]))) is ANONYMOUS


def test_the_secret_is_not_in_the_identity() -> None:
    assert ALICE_KEY.secret_key not in repr(who(signed()))


def test_an_authorization_of_nothing_is_not_nobodys() -> None:
    assert refused(Request("GET", "/b/k", "", Headers([("host", "h"), ("authorization", "")]))) == "AccessDenied"


def test_an_unknown_or_revoked_key_is_nobodys() -> None:
    assert refused(signed(), known=()) == "InvalidAccessKeyId"


def test_a_wrong_secret_is_told_what_was_signed() -> None:
    with pytest.raises(SignatureError) as error:
        who(signed(Credentials(ALICE_KEY.access_key, "not it")))
    assert error.value.code == "SignatureDoesNotMatch"
    assert {"StringToSign", "CanonicalRequest", "AWSAccessKeyId", "SignatureProvided"} <= error.value.detail.keys()
    assert ALICE_KEY.secret_key not in str(error.value.detail)


def test_a_session_token_was_never_issued() -> None:
    assert refused(signed(Credentials(ALICE_KEY.access_key, ALICE_KEY.secret_key, "token"))) == "InvalidToken"


@pytest.mark.parametrize("skew_s", [-901, 901])
def test_a_clock_may_be_a_quarter_of_an_hour_off(skew_s: int) -> None:
    assert refused(signed(now=NOW + skew_s)) == "RequestTimeTooSkewed"
    assert isinstance(who(signed(now=NOW + skew_s * 0.99)), Authenticated)


def test_another_region_is_told_ours() -> None:
    with pytest.raises(SignatureError) as error:
        who(signed(region="mars-1"))
    assert (error.value.code, error.value.detail["Region"]) == ("AuthorizationHeaderMalformed", REGION)


@pytest.mark.parametrize("change", [{"method": "PUT"}, {"path": "/photos/j"}, {"query": "a=c"}, {"query": "a=b&c=d"}])
def test_what_was_signed_cannot_be_changed(change: dict[str, str]) -> None:
    assert refused(replace(signed(), **change)) == "SignatureDoesNotMatch"  # type: ignore[arg-type]  # strings only


def test_an_amz_header_that_was_not_signed_is_refused() -> None:
    request = signed()
    request.headers = Headers([*request.headers, ("x-amz-meta-a", "b")])
    assert refused(request) == "AccessDenied"


def test_half_an_identity_is_refused_and_never_anonymous() -> None:
    request = signed()
    halves = [
        Request("GET", "/", "", Headers([("host", HOST), ("authorization", "Basic eDp5")])),
        Request("GET", "/", "", Headers([("host", HOST), ("authorization", "AWS x:y")])),
        Request("GET", "/", "X-Amz-Signature=00", Headers([("host", HOST)])),
        Request("GET", "/", "X-Amz-Credential=x", Headers([("host", HOST)])),
        replace(request, query="X-Amz-Algorithm=AWS4-HMAC-SHA256"),
        replace(request, headers=Headers([f for f in request.headers if f[0] != "x-amz-content-sha256"])),
    ]
    assert all(refused(half) for half in halves)


def test_a_presigned_url_lives_as_long_as_it_says() -> None:
    credentials = Credentials(ALICE_KEY.access_key, ALICE_KEY.secret_key)
    query = presign("GET", HOST, "/photos/k", "", credentials, REGION, 60, NOW)
    request = Request("GET", "/photos/k", query, Headers([("host", HOST)]))
    assert isinstance(who(request, now=NOW + 59), Authenticated)
    assert refused(request, now=NOW + 61) == "AccessDenied"
    assert refused(replace(request, headers=Headers([("host", "elsewhere")]))) == "SignatureDoesNotMatch"


def test_proving_an_identity_is_cheap() -> None:
    """A target, loosely held: a slow verifier would be half of every small request."""
    request, loop = signed(), asyncio.new_event_loop()

    async def find(_: str) -> Credential | None:
        return ALICE_KEY

    async def many() -> float:
        started = time.perf_counter()
        for _ in range(200):
            await authenticate(request, find, now=NOW, region=REGION)
        return (time.perf_counter() - started) / 200

    try:
        assert min(loop.run_until_complete(many()) for _ in range(3)) < 0.001
    finally:
        loop.close()

"""Signer and verifier as a pair: whatever one signs the other believes, and any change in between is refused."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cybous3.core.sigv4.credentials import Credentials
from cybous3.core.sigv4.errors import SignatureError
from cybous3.core.sigv4.payload import EMPTY_SHA256, PayloadMode
from cybous3.core.uri import encode_query, uri_encode
from tests.support.signing import CREDENTIALS, HOST, NOW, REGION, Wire

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
NAMES = st.from_regex(r"(x-amz-meta-[a-z0-9-]{1,9}|if-[a-z]{1,8}|content-[a-z]{1,4})", fullmatch=True)
# What the edge lets through: any byte but CR, LF and NUL; blanks anywhere.
VALUES = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"))
QUERIES = st.lists(st.tuples(KEYS.filter(lambda key: "amz" not in key.lower()), st.none() | KEYS), max_size=4).map(
    tuple
)
HASHES = st.sampled_from([EMPTY_SHA256, *(mode.value for mode in PayloadMode if mode is not PayloadMode.SIGNED)])


@st.composite
def requests(draw: st.DrawFn) -> Wire:
    """Any request a client could make: UTF-8 key, repeated and empty parameters, any metadata."""
    names = draw(st.lists(NAMES, max_size=4, unique=True))
    query: tuple[tuple[str, str | None], ...] = draw(QUERIES)
    assume(not any(key.lower() in {"signature", "awsaccesskeyid"} for key, _ in query))
    return Wire(
        method=draw(st.sampled_from(["GET", "PUT", "POST", "HEAD", "DELETE"])),
        path=f"/bucket/{uri_encode(draw(KEYS), safe_slash=True)}",
        query=encode_query(query),
        headers=(HOST, *((name, draw(VALUES)) for name in names)),
    )


TOKENS = st.sampled_from([None, "token//+==", "x" * 400])


@given(requests(), HASHES, TOKENS, st.integers(-900, 900))
def test_what_is_signed_in_the_header_is_believed(wire: Wire, payload: str, token: str | None, skew_s: int) -> None:
    credentials = Credentials(CREDENTIALS.access_key, CREDENTIALS.secret_key, token)
    signed = wire.signed(payload, credentials=credentials, now=NOW + skew_s)
    claim = signed.claim()
    assert claim is not None
    assert (claim.kind, claim.access_key, claim.session_token) == ("header", CREDENTIALS.access_key, token)
    verified = signed.verified()
    assert verified.payload_hash == payload
    assert verified.seed_signature == claim.signature


@given(requests(), TOKENS, st.integers(1, 604_800), st.data())
def test_what_is_presigned_is_believed_until_it_expires(
    wire: Wire, token: str | None, expires_s: int, data: st.DataObject
) -> None:
    credentials = Credentials(CREDENTIALS.access_key, CREDENTIALS.secret_key, token)
    fields, bare = wire.headers[1:], replace(wire, headers=(HOST,))
    signed = bare.presigned(expires_s, credentials=credentials, extra=fields)
    claim = signed.claim()
    assert claim is not None
    assert (claim.kind, claim.expires_s, claim.session_token) == ("query", expires_s, token)
    later = data.draw(st.integers(0, expires_s))
    assert signed.verified(now=NOW + later).payload is PayloadMode.UNSIGNED


@given(requests(), st.data())
def test_any_change_in_between_is_refused(wire: Wire, data: st.DataObject) -> None:
    signed = wire.signed()
    at = data.draw(st.integers(0, len(wire.headers) - 1))
    name = wire.headers[at][0]
    changed = data.draw(
        st.sampled_from(
            [
                replace(signed, method="PATCH"),
                replace(signed, path=signed.path + "x"),
                replace(signed, query=f"{signed.query}&acl"),
                signed.setting(name, wire.headers[at][1] + "x"),
                signed.without("host"),
                signed.setting("x-amz-content-sha256", "0" * 64),
            ]
        )
    )
    with pytest.raises(SignatureError) as refused:
        changed.verified()
    assert refused.value.code == "SignatureDoesNotMatch"


@given(requests())
def test_another_secret_is_refused(wire: Wire) -> None:
    with pytest.raises(SignatureError) as refused:
        wire.signed().verified(secret_key=CREDENTIALS.secret_key + "x")
    assert refused.value.code == "SignatureDoesNotMatch"


@given(st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0")), VALUES, st.booleans())
def test_no_request_makes_the_verifier_raise_anything_else(query: str, value: str, in_header: bool) -> None:
    """Whatever is claimed, the answer is believed, anonymous, or one SignatureError."""
    wire = Wire().signed().setting("authorization", f"AWS4-HMAC-SHA256 {value}") if in_header else Wire()
    wire = replace(wire, query=query)
    try:
        claim = wire.claim()
        if claim is not None:
            wire.verified()
    except SignatureError as error:
        assert error.code  # noqa: PT017  (raising is allowed here, not required)


def test_a_repr_shows_no_secret() -> None:
    """D1a: nothing that a log or a traceback prints can be used."""
    credentials = Credentials("CYBSEXAMPLEACCESSKEY", "secret-of-the-example", "token-of-the-example")
    signed = Wire().signed(credentials=credentials)
    verified = signed.verified(secret_key="secret-of-the-example")
    claim = signed.claim()
    assert claim is not None
    shown = repr((credentials, claim, verified))
    for secret in ("secret-of-the-example", "token-of-the-example", claim.signature, repr(verified.signing_key)):
        assert secret not in shown
    assert REGION in shown

"""Signer and verifier as a pair: whatever one signs the other believes, and any change in between is refused."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.core.sigv2.canonical import SIGNED
from cybous3.core.sigv2.claim import LINK_MARK
from cybous3.core.sigv4.errors import CODES, SignatureError
from cybous3.core.uri import encode_query, uri_encode
from tests.support.signing import CREDENTIALS, HOST, NOW
from tests.support.signing_v2 import Link

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
CLEAN = KEYS.map(lambda text: text.replace("&", ""))  # `&` has tests of its own
NAMES = st.from_regex(r"(x-amz-meta-[a-z0-9-]{1,9}|if-[a-z]{1,8}|content-(md5|type))", fullmatch=True)
# What the edge lets through: any byte but CR, LF and NUL; blanks anywhere.
VALUES = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"))
FREE = st.sampled_from(["prefix", "marker", "x-id", "list-type", "whatever"])


@st.composite
def links(draw: st.DrawFn) -> Link:
    """Any request a client could presign: UTF-8 key, any signed and unsigned parameters, any metadata."""
    names = draw(st.lists(NAMES, max_size=4, unique=True))
    parameters = draw(st.dictionaries(st.sampled_from(sorted(SIGNED)) | FREE, st.none() | CLEAN, max_size=4))
    return Link(
        method=draw(st.sampled_from(["GET", "PUT", "POST", "HEAD", "DELETE"])),
        path=f"/bucket/{uri_encode(draw(KEYS), safe_slash=True)}",
        query=encode_query(tuple(parameters.items())),
        headers=(HOST, *((name, draw(VALUES)) for name in names)),
        hosted_bucket=draw(st.none() | st.just("hosted")),
    )


@given(links(), st.integers(0, 604_800), st.sampled_from([None, "token//+==", "x" * 400]))
def test_what_is_presigned_is_believed(link: Link, lives_s: int, token: str | None) -> None:
    expires = int(NOW) + lives_s
    signed = link.signed(expires=str(expires), credentials=replace(CREDENTIALS, session_token=token))
    claim = signed.claim()
    assert claim is not None
    assert (claim.access_key, claim.expires_at, claim.session_token) == (CREDENTIALS.access_key, expires, token)
    assert signed.verified(now=expires).payload_hash


@given(links(), st.data())
def test_any_change_in_between_is_refused(link: Link, data: st.DataObject) -> None:
    signed = link.signed()
    changed = data.draw(
        st.sampled_from(
            [
                replace(signed, method="PATCH"),
                replace(signed, path=signed.path + "x"),
                replace(signed, hosted_bucket="another"),
                replace(signed, query=signed.query.replace("Expires=", "Expires=0")),
                signed.with_header("x-amz-tagging", "a=b"),
                signed.adding("x-amz-tagging=a"),
                signed.adding("AWSAccessKeyId=other"),
            ]
        )
    )
    with pytest.raises(SignatureError) as refused:
        changed.verified()
    assert refused.value.code in CODES


@given(links())
def test_another_secret_is_refused(link: Link) -> None:
    with pytest.raises(SignatureError) as refused:
        link.signed().verified(secret_key=CREDENTIALS.secret_key + "x")
    assert refused.value.code == "SignatureDoesNotMatch"


@given(VALUES, VALUES, VALUES, st.booleans())
def test_no_request_makes_the_verifier_raise_anything_else(query: str, value: str, expires: str, raw: bool) -> None:
    """Whatever is claimed, the answer is believed, not a link, or one SignatureError."""
    parts = (
        f"{LINK_MARK}=K&Signature={value}&Expires={expires}" if raw else f"{LINK_MARK}=K&Signature=x&Expires={int(NOW)}"
    )
    link = Link(query=f"{parts}&{query}").with_header("x-amz-meta-a", value)
    try:
        if link.claim() is not None:
            link.verified()
    except SignatureError as error:
        assert error.code in CODES  # noqa: PT017  (raising is allowed here, not required)

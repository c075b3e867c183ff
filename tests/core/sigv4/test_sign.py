"""The signer's own rules; what it signs is proven against the verifier in test_pair, against AWS in test_vectors."""

import pytest

from cybous3.core.chunked.decoder import Decoder
from cybous3.core.chunked.encoder import Encoder
from cybous3.core.sigv4.errors import SignatureError
from cybous3.core.sigv4.payload import EMPTY_SHA256, PayloadMode
from cybous3.core.sigv4.sign import presign, sign, sign_headers
from tests.support.signing import CREDENTIALS, HOST, NOW, REGION, Wire


def test_what_is_added_is_all_a_request_needs() -> None:
    added = sign_headers("GET", "/", "", [HOST], EMPTY_SHA256, CREDENTIALS, REGION, "s3", NOW)
    assert [name for name, _ in added] == ["x-amz-date", "x-amz-content-sha256", "authorization"]
    assert added == sign("GET", "/", "", [HOST], EMPTY_SHA256, CREDENTIALS, REGION, NOW).headers


@pytest.mark.parametrize("name", ["User-Agent", "Expect", "Connection", "Transfer-Encoding", "TE"])
def test_what_hops_may_change_is_not_signed(name: str) -> None:
    wire = Wire().with_header(name, "x").signed()
    assert f";{name.lower()}" not in wire.get("authorization")
    assert wire.without(name).verified().seed_signature


@pytest.mark.parametrize("expires_s", [0, -1, 604_801])
def test_a_url_that_no_server_would_take_is_not_made(expires_s: int) -> None:
    with pytest.raises(ValueError, match="1 to 604800"):
        presign("GET", "h", "/", "", CREDENTIALS, REGION, expires_s, NOW)


def test_a_field_set_twice_is_not_signed() -> None:
    with pytest.raises(SignatureError, match="x-amz-date"):
        Wire().with_header("x-amz-date", "20200101T000000Z").signed()


@pytest.mark.parametrize("form", [PayloadMode.STREAMING_SIGNED, PayloadMode.STREAMING_SIGNED_TRAILER])
def test_the_chain_over_a_body_starts_at_the_request_on_both_sides(form: PayloadMode) -> None:
    signed = sign("PUT", "/bucket/key", "", [HOST], form.value, CREDENTIALS, REGION, NOW)
    verified = Wire("PUT", headers=(HOST, *signed.headers)).verified()
    encoder = Encoder(form, signer=signed.chunk_signer())
    decoder = Decoder(verified.payload, decoded_length=4, signer=verified.chunk_signer())
    assert decoder.feed(b"".join(encoder.chunk(b"data")) + encoder.end()) == [b"data"]
    decoder.finish()

"""Bodies as their signatures cover them: what comes out is the object, and the end comes only after the proof."""

import asyncio
import base64
import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.core.chunked.encoder import Encoder
from cybous3.core.sigv4.credentials import Credentials
from cybous3.core.sigv4.errors import SignatureError
from cybous3.core.sigv4.payload import PayloadMode
from cybous3.core.sigv4.sign import Signed, sign
from cybous3.server.authn.body import Opened, open_body
from cybous3.server.authn.identity import ANONYMOUS, Identity, authenticate
from cybous3.server.model.accounts import Credential
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.message import Headers, Request
from tests.support.site import ALICE_KEY, HOST, REGION, BytesBody

NOW = 1_790_000_000.0
CHUNKED = [
    PayloadMode.STREAMING_SIGNED,
    PayloadMode.STREAMING_SIGNED_TRAILER,
    PayloadMode.STREAMING_UNSIGNED_TRAILER,
]
TRAILER = "x-amz-checksum-crc32"


def send(payload: str, wire: bytes, *extra: tuple[str, str]) -> tuple[Request, Signed]:
    fields = [("host", HOST), *extra]
    credentials = Credentials(ALICE_KEY.access_key, ALICE_KEY.secret_key)
    signed = sign("PUT", "/b/k", "", fields, payload, credentials, REGION, NOW)
    return Request("PUT", "/b/k", "", Headers([*fields, *signed.headers]), BytesBody(wire, 7), len(wire)), signed


def alice(request: Request) -> Identity:
    async def find(_: str) -> Credential | None:
        return ALICE_KEY

    return asyncio.run(authenticate(request, find, now=NOW, region=REGION))


def read(opened: Opened) -> bytes:
    async def all_of_it() -> bytes:
        pieces = []
        while piece := await opened.body.read():
            pieces.append(piece)
        assert await opened.body.read() == b""
        return b"".join(pieces)

    return asyncio.run(all_of_it())


def chunked(mode: PayloadMode, chunks: Sequence[bytes], length: int | None = None) -> Request:
    content = b"".join(chunks)
    trailers = {TRAILER: base64.b64encode(zlib.crc32(content).to_bytes(4)).decode()} if mode.trailing else {}
    extra = [("x-amz-decoded-content-length", str(len(content) if length is None else length))]
    extra += [("x-amz-trailer", name) for name in trailers]
    request, signed = send(mode.value, b"", *extra)
    encoder = Encoder(mode, signer=signed.chunk_signer() if mode.chunks_signed else None, announced=list(trailers))
    wire = b"".join(piece for chunk in chunks if chunk for piece in encoder.chunk(chunk)) + encoder.end(trailers)
    request.body, request.content_length = BytesBody(wire, 7), len(wire)
    return request


def test_a_signed_digest_is_handed_on() -> None:
    request, _ = send("ab" * 32, b"body")
    opened = open_body(request, alice(request))
    assert (opened.sha256, opened.content_length, opened.trailer) == (bytes.fromhex("ab" * 32), 4, None)
    assert read(opened) == b"body"


def test_an_unsigned_payload_promises_nothing() -> None:
    request, _ = send("UNSIGNED-PAYLOAD", b"body")
    opened = open_body(request, alice(request))
    assert (opened.sha256, opened.trailer) == (None, None)


@given(mode=st.sampled_from(CHUNKED), chunks=st.lists(st.binary(max_size=40), max_size=5))
def test_what_was_chunked_comes_out_whole(mode: PayloadMode, chunks: list[bytes]) -> None:
    request = chunked(mode, chunks)
    opened = open_body(request, alice(request))
    assert opened.content_length == sum(map(len, chunks))
    assert opened.sha256 is None
    assert read(opened) == b"".join(chunks)
    assert (opened.trailer is not None) is mode.trailing
    if opened.trailer is not None:
        assert list(opened.trailer()) == [TRAILER]


@given(mode=st.sampled_from(CHUNKED), at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_byte_changed_on_the_way_never_reaches_the_end_as_the_truth(mode: PayloadMode, at: int, flip: int) -> None:
    request = chunked(mode, [b"some bytes", b"and more"])
    wire = bytearray(b"".join(request.body._pieces))  # type: ignore[attr-defined]  # it is a BytesBody
    wire[at % len(wire)] ^= flip
    request.body = BytesBody(bytes(wire), 7)
    opened = open_body(request, alice(request))
    try:
        content = read(opened)
    except SignatureError:
        return
    # Unsigned chunks are held by the checksum in the trailer, which the store compares; names and hexadecimal digits
    # may change case and mean the same.
    trailers = opened.trailer() if opened.trailer is not None else {}
    honest = base64.b64encode(zlib.crc32(content).to_bytes(4)).decode()
    assert content == b"some bytesand more" or trailers.get(TRAILER) != honest


def test_trailers_are_empty_before_the_end() -> None:
    request = chunked(CHUNKED[2], [b"bytes"])
    opened = open_body(request, alice(request))
    assert opened.trailer is not None
    assert opened.trailer() == {}


@pytest.mark.parametrize("mode", CHUNKED)
def test_a_decoded_length_is_required(mode: PayloadMode) -> None:
    request, _ = send(mode.value, b"")
    with pytest.raises(S3Error) as error:
        open_body(request, alice(request))
    assert error.value.code == "MissingContentLength"


@pytest.mark.parametrize("value", ["", "-1", "0x1", "9" * 20, "\xb2"])
def test_a_decoded_length_is_a_number(value: str) -> None:
    request, _ = send(CHUNKED[0].value, b"", ("x-amz-decoded-content-length", value))
    with pytest.raises(S3Error) as error:
        open_body(request, alice(request))
    assert error.value.code == "InvalidArgument"


def test_a_trailer_nobody_understands_is_refused() -> None:
    extra = [("x-amz-decoded-content-length", "1"), ("x-amz-trailer", "x-amz-colour")]
    request, _ = send(CHUNKED[2].value, b"", *extra)
    with pytest.raises(SignatureError) as error:
        open_body(request, alice(request))
    assert error.value.code == "InvalidRequest"


def test_nobody_may_send_unsigned_chunks_but_no_signed_ones() -> None:
    request = chunked(CHUNKED[2], [b"bytes"])
    assert read(open_body(request, ANONYMOUS)) == b"bytes"
    with pytest.raises(S3Error) as error:
        open_body(chunked(CHUNKED[0], [b"bytes"]), ANONYMOUS)
    assert error.value.code == "AccessDenied"


def test_nobody_may_say_what_the_body_is() -> None:
    request = Request("PUT", "/b/k", "", Headers([("x-amz-content-sha256", "ab" * 32)]), BytesBody(b"x"), 1)
    assert open_body(request, ANONYMOUS).sha256 == bytes.fromhex("ab" * 32)
    request.headers = Headers([])
    assert open_body(request, ANONYMOUS).sha256 is None

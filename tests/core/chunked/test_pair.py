"""Encoder and decoder as a pair: what is written is read, wherever the wire cuts it; what is changed is refused."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.core import checksums
from cybous3.core.chunked.decoder import Decoder
from cybous3.core.chunked.encoder import Encoder, encoded_length
from cybous3.core.chunked.errors import ChunkError
from cybous3.core.sigv4.chunks import ChunkSigner
from cybous3.core.sigv4.credentials import Scope
from cybous3.core.sigv4.payload import PayloadMode

FORMS = [mode for mode in PayloadMode if mode.streaming and not mode.asymmetric]
FORM = st.sampled_from(FORMS)
TRAILERS = st.dictionaries(
    st.sampled_from(sorted(checksums.HEADERS)), st.from_regex(r"[!-~]([ -~]{0,20}[!-~])?", fullmatch=True), max_size=3
)


def signer(form: PayloadMode) -> ChunkSigner | None:
    """Return a fresh chain, where the form signs its chunks."""
    if not form.chunks_signed:
        return None
    return ChunkSigner("5eed" * 16, b"k" * 32, Scope("20261105", "eu-test-1", "s3"), "20261105T120000Z")


def encode(form: PayloadMode, pieces: list[bytes], trailers: dict[str, str]) -> bytes:
    encoder = Encoder(form, signer=signer(form), announced=list(trailers))
    return b"".join(b"".join(encoder.chunk(piece)) for piece in pieces) + encoder.end(trailers)


def decode(form: PayloadMode, fed: Iterator[bytes], length: int | None, announced: list[str]) -> tuple[bytes, Decoder]:
    decoder = Decoder(form, decoded_length=length, announced=announced, signer=signer(form))
    body = b"".join(piece for data in fed for piece in decoder.feed(data))
    decoder.finish()
    return body, decoder


def cut(data: bytes, at: list[int]) -> Iterator[bytes]:
    edges = [0, *sorted(position % (len(data) + 1) for position in at), len(data)]
    return (data[start:end] for start, end in pairwise(edges))


@given(FORM, st.lists(st.binary(min_size=1)), TRAILERS, st.lists(st.integers(0, 10_000)), st.booleans())
def test_what_is_written_is_read_wherever_it_is_cut(
    form: PayloadMode,
    pieces: list[bytes],
    trailers: dict[str, str],
    at: list[int],
    announced: bool,
) -> None:
    trailers = trailers if form.trailing else {}
    wire, body = encode(form, pieces, trailers), b"".join(pieces)
    read, decoder = decode(form, cut(wire, at), len(body) if announced else None, list(trailers))
    assert read == body
    assert decoder.complete
    assert decoder.trailers == trailers


@pytest.mark.parametrize("form", FORMS)
def test_byte_by_byte_is_no_different(form: PayloadMode) -> None:
    trailers = {"x-amz-checksum-crc32": "AAAAAA=="} if form.trailing else {}
    wire = encode(form, [b"abc", b"\r\n0\r\n\r\n"], trailers)
    read, decoder = decode(form, (wire[at : at + 1] for at in range(len(wire))), 10, list(trailers))
    assert (read, decoder.trailers) == (b"abc\r\n0\r\n\r\n", trailers)


@given(FORM, st.integers(0, 5000), st.integers(1, 999), TRAILERS)
def test_the_length_is_known_before_the_first_byte(
    form: PayloadMode, length: int, chunk_size: int, trailers: dict[str, str]
) -> None:
    trailers = trailers if form.trailing else {}
    data = bytes(length)
    wire = encode(form, [data[at : at + chunk_size] for at in range(0, length, chunk_size)], trailers)
    sizes = {name: len(value) for name, value in trailers.items()}
    assert len(wire) == encoded_length(form, length, chunk_size, sizes)


@given(st.sampled_from([form for form in FORMS if form.chunks_signed]), st.data())
def test_any_flipped_bit_is_refused(form: PayloadMode, data: st.DataObject) -> None:
    """Attack A4a, A4c: no bit can change what is read; letter case in sizes and names is all that is free."""
    trailers = {"x-amz-checksum-crc32": "AAAAAA=="} if form.trailing else {}
    body = b"a" * 0xAB + b"b" * 3
    wire = encode(form, [body[:0xAB], body[0xAB:]], trailers)
    at = data.draw(st.integers(0, len(wire) - 1))
    flipped = bytearray(wire)
    flipped[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        read, decoder = decode(form, iter([bytes(flipped)]), len(body), list(trailers))
    except ChunkError:
        return
    assert (read, decoder.trailers) == (body, trailers), "a change went through"


@given(FORM, st.binary(max_size=300))
def test_no_bytes_make_the_decoder_raise_anything_else(form: PayloadMode, wire: bytes) -> None:
    try:
        decode(form, iter([wire]), None, [])
    except ChunkError as error:
        assert error.code  # noqa: PT017  (raising is allowed here, not required)


def test_a_piece_that_is_all_data_is_passed_on_itself() -> None:
    form = PayloadMode.STREAMING_UNSIGNED_TRAILER
    decoder = Decoder(form, decoded_length=None)
    decoder.feed(b"100000\r\n")
    data = bytes(0x80000)
    assert decoder.feed(data)[0] is data

"""Each way a body can fail to be what its request announced, and the code it is refused with."""

from collections.abc import Iterable

import pytest

from cybous3.core.chunked.decoder import HEADER_BYTES_MAX, Decoder
from cybous3.core.chunked.encoder import Encoder
from cybous3.core.chunked.errors import ChunkError
from cybous3.core.chunked.trailers import BLOCK_BYTES_MAX
from cybous3.core.sigv4.chunks import ChunkSigner
from cybous3.core.sigv4.credentials import Scope
from cybous3.core.sigv4.errors import CODES
from cybous3.core.sigv4.payload import PayloadMode

SIGNED = PayloadMode.STREAMING_SIGNED
SIGNED_TRAILER = PayloadMode.STREAMING_SIGNED_TRAILER
UNSIGNED = PayloadMode.STREAMING_UNSIGNED_TRAILER
CRC = "x-amz-checksum-crc32"
VALUE = "AAAAAA=="


def signer(seed: str = "5eed") -> ChunkSigner:
    return ChunkSigner(seed * 16, b"k" * 32, Scope("20261105", "eu-test-1", "s3"), "20261105T120000Z")


def decoder(form: PayloadMode = SIGNED, length: int | None = None, announced: tuple[str, ...] = ()) -> Decoder:
    return Decoder(form, decoded_length=length, announced=announced, signer=signer() if form.chunks_signed else None)


def _read(reader: Decoder, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        reader.feed(piece)
    reader.finish()


def refusal(reader: Decoder, wire: bytes) -> ChunkError:
    with pytest.raises(ChunkError) as refused:
        _read(reader, [wire])
    assert refused.value.code in CODES
    return refused.value


def chunks(*pieces: bytes, seed: str = "5eed") -> list[bytes]:
    """Return a signed body, one item a chunk, the last one of no bytes."""
    encoder = Encoder(SIGNED, signer=signer(seed))
    return [*(b"".join(encoder.chunk(piece)) for piece in pieces), encoder.end()]


# --- A4a: signatures


def test_a_bad_chunk_signature_is_refused() -> None:
    first, last = chunks(b"good")
    assert refusal(decoder(), first.replace(b"good", b"evil") + last).code == "SignatureDoesNotMatch"


def test_a_missing_chunk_signature_is_refused() -> None:
    assert refusal(decoder(), b"4\r\ngood\r\n0\r\n\r\n").code == "InvalidRequest"
    assert refusal(decoder(), b"4;chunk-signature=\r\n").code == "InvalidRequest"


def test_chunks_in_another_order_are_refused() -> None:
    one, two, last = chunks(b"1", b"2")
    assert refusal(decoder(), two + one + last).code == "SignatureDoesNotMatch"


def test_a_replayed_or_dropped_chunk_is_refused() -> None:
    one, two, last = chunks(b"1", b"2")
    assert refusal(decoder(), one + one + two + last).code == "SignatureDoesNotMatch"
    assert refusal(decoder(), two + last).code == "SignatureDoesNotMatch"
    assert refusal(decoder(), one + last).code == "SignatureDoesNotMatch"


def test_another_request_s_chunks_are_refused() -> None:
    assert refusal(decoder(), b"".join(chunks(b"1", seed="feed"))).code == "SignatureDoesNotMatch"


def test_signed_framing_is_refused_where_nothing_is_signed() -> None:
    assert refusal(decoder(UNSIGNED), b"".join(chunks(b"1"))).code == "InvalidRequest"


# --- A4b: the end


def test_a_body_cut_anywhere_is_incomplete() -> None:
    wire = b"".join(chunks(b"1"))
    for length in range(len(wire)):
        assert refusal(decoder(), wire[:length]).code == "IncompleteBody"


def test_an_empty_body_is_incomplete() -> None:
    assert refusal(decoder(), b"").code == "IncompleteBody"


def test_trailers_are_empty_before_the_end() -> None:
    reader = decoder(UNSIGNED, announced=(CRC,))
    reader.feed(f"0\r\n{CRC}:{VALUE}\r\n".encode())
    assert (reader.complete, reader.trailers) == (False, {})
    reader.feed(b"\r\n")
    assert (reader.complete, reader.trailers) == (True, {CRC: VALUE})


@pytest.mark.parametrize("tail", [b"x", b"\r\nx", b"\r\n\r\n", b"0\r\n\r\n", b"\n"])
def test_nothing_may_follow_the_end(tail: bytes) -> None:
    for form in (SIGNED, UNSIGNED):
        wire = b"".join(chunks(b"1")) if form is SIGNED else b"1\r\n1\r\n0\r\n\r\n"
        assert refusal(decoder(form), wire + tail).code == "InvalidRequest"
    assert refusal(decoder(), b"".join(chunks()) + b"\r\n").code == "InvalidRequest"


def test_half_a_line_end_behind_the_end_is_refused() -> None:
    assert refusal(decoder(UNSIGNED), b"0\r\n\r\n\r").code == "IncompleteBody"


# --- A4c: trailers


def _signed_trailer(lines: str) -> bytes:
    """Return an empty signed body with `lines` as its trailers, rightly signed where `{}` stands."""
    chain = signer()
    closing = f"0;chunk-signature={chain.sign_chunk(_EMPTY)}\r\n"
    return (closing + lines.format(chain.sign_trailers([(CRC, VALUE)])) + "\r\n").encode()


_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
GOOD = f"{CRC}:{VALUE}\r\nx-amz-trailer-signature:{{}}\r\n"


@pytest.mark.parametrize(
    "lines",
    [
        GOOD,
        GOOD.replace(":", ": \t"),
        GOOD.replace(CRC, CRC.upper()),
        GOOD.replace(VALUE, f"{VALUE} "),
        GOOD.replace(f"{VALUE}\r\n", f"{VALUE}\n\r\n"),  # as AWS's page and some senders have it
        GOOD + "\r\n",
    ],
)
def test_the_trailers_are_read_as_senders_write_them(lines: str) -> None:
    reader = decoder(SIGNED_TRAILER, announced=(CRC,))
    assert reader.feed(_signed_trailer(lines)) == []
    reader.finish()
    assert reader.trailers == {CRC: VALUE}


def test_an_unsigned_block_may_close_with_one_more_line_end() -> None:
    reader = decoder(UNSIGNED, announced=(CRC,))
    for piece in (f"0\r\n{CRC}:{VALUE}\n\r\n".encode(), b"\r", b"\n"):
        reader.feed(piece)
    reader.finish()
    assert reader.trailers == {CRC: VALUE}


def test_a_wrong_trailer_signature_is_refused() -> None:
    reader = decoder(SIGNED_TRAILER, announced=(CRC,))
    assert refusal(reader, _signed_trailer(GOOD.replace(VALUE, "BAAAAA=="))).code == "SignatureDoesNotMatch"
    reader = decoder(SIGNED_TRAILER, announced=(CRC,))
    assert refusal(reader, _signed_trailer(GOOD.replace("{}", "é"))).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    "lines",
    [
        "x-amz-trailer-signature:{}\r\n",
        GOOD.replace("{}", "{}\r\nx-amz-checksum-sha1:x"),
        GOOD.replace(f"{CRC}:{VALUE}\r\n", f"{CRC}:{VALUE}\r\n{CRC}:{VALUE}\r\n"),
        "x-amz-trailer-signature:{}\r\n" + GOOD.splitlines()[0] + "\r\n",
        GOOD.replace(CRC, "x-amz-checksum-sha1"),
        GOOD.replace(":", " :"),
        GOOD.replace(VALUE, ""),
        GOOD.replace(VALUE, "a\tb"),
        GOOD.replace(VALUE, "a\rb"),
        "no colon\r\n",
        "",
    ],
)
def test_trailers_that_are_not_the_announced_ones_are_refused(lines: str) -> None:
    reader = decoder(SIGNED_TRAILER, announced=(CRC,))
    assert refusal(reader, _signed_trailer(lines)).code == "MalformedTrailerError"


def test_a_trailer_without_its_signature_is_incomplete() -> None:
    reader = decoder(SIGNED_TRAILER, announced=(CRC,))
    assert refusal(reader, _signed_trailer(f"{CRC}:{VALUE}\r\n")).code == "IncompleteBody"


@pytest.mark.parametrize(
    ("block", "announced"),
    [
        ("", (CRC,)),
        (f"{CRC}:{VALUE}\r\n", ()),
        (f"{CRC}:{VALUE}\r\nx-amz-trailer-signature:{'0' * 64}\r\n", (CRC,)),
        (f"{CRC}:{VALUE}\r\n{CRC}:{VALUE}\r\n", (CRC,)),
    ],
)
def test_unsigned_trailers_are_exactly_the_announced_ones(block: str, announced: tuple[str, ...]) -> None:
    wire = f"0\r\n{block}\r\n".encode()
    assert refusal(decoder(UNSIGNED, announced=announced), wire).code == "MalformedTrailerError"


def test_a_trailer_in_a_form_without_them_is_refused() -> None:
    wire = chunks()[0].removesuffix(b"\r\n") + f"{CRC}:{VALUE}\r\n\r\n".encode()
    assert refusal(decoder(SIGNED), wire).code == "MalformedTrailerError"
    with pytest.raises(ChunkError, match="x-amz-trailer needs"):
        decoder(SIGNED, announced=(CRC,))


# --- A4d: length and memory


@pytest.mark.parametrize("length", [0, 1, 3, 5, 2**62])
def test_another_length_than_announced_is_refused(length: int) -> None:
    assert refusal(decoder(length=length), b"".join(chunks(b"12", b"34"))).code == "IncompleteBody"


def test_a_chunk_beyond_the_announced_length_is_refused_before_its_first_byte() -> None:
    reader = decoder(UNSIGNED, length=10)
    assert refusal(reader, b"ffffffffffffffff\r\n").code == "IncompleteBody"


@pytest.mark.parametrize("header", [b"0" * 400, b"1" * 17 + b"\r\n", b"4;chunk-signature=" + b"0" * 400])
def test_a_header_line_is_bounded(header: bytes) -> None:
    for step in (len(header), 1):
        reader = decoder(UNSIGNED)
        with pytest.raises(ChunkError) as refused:
            _read(reader, [header[at : at + step] for at in range(0, len(header), step)])
        assert refused.value.code == "InvalidRequest"
        assert len(reader._line) <= HEADER_BYTES_MAX


def test_trailers_are_bounded_together() -> None:
    for line in (b"x" * (BLOCK_BYTES_MAX + 1), b"a:b\r\n" * BLOCK_BYTES_MAX, b"\r\n" * BLOCK_BYTES_MAX):
        reader = decoder(SIGNED_TRAILER, announced=(CRC,))
        assert refusal(reader, _signed_trailer("a:b\r\n").removesuffix(b"\r\n") + line).code == "InvalidRequest"


@pytest.mark.parametrize(
    "wire",
    [
        b"\r\n",
        b"4\n",
        b" 4\r\n",
        b"+4\r\n",
        b"0x4\r\n",
        b"4_0\r\n",
        b"-1\r\n",
        b"4;ext=1\r\n",
        b"4 \r\n",
        b"4\r\nabcdX",
        b"4\r\nabcd\r4",
        b"4\r\nabcd\n",
    ],
)
def test_framing_that_is_not_aws_chunked_is_refused(wire: bytes) -> None:
    assert refusal(decoder(UNSIGNED), wire).code == "InvalidRequest"


def test_short_chunks_are_taken() -> None:
    """AWS wants 8 KiB; we deviate on purpose."""
    reader = decoder(length=2)
    assert reader.feed(b"".join(chunks(b"1", b"2"))) == [b"1", b"2"]
    reader.finish()


# --- forms


@pytest.mark.parametrize("form", [mode for mode in PayloadMode if mode.asymmetric])
def test_the_asymmetric_forms_are_refused_by_name(form: PayloadMode) -> None:
    for make in (lambda: Decoder(form, decoded_length=0), lambda: Encoder(form)):
        with pytest.raises(ChunkError, match=form.value) as refused:
            make()
        assert refused.value.code == "NotImplemented"


@pytest.mark.parametrize("form", [PayloadMode.SIGNED, PayloadMode.UNSIGNED, SIGNED, SIGNED_TRAILER])
def test_a_decoder_without_its_signer_is_the_caller_s_mistake(form: PayloadMode) -> None:
    """No signed body is ever read as an unsigned one because somebody forgot an argument."""
    with pytest.raises(ValueError, match=form.name):
        Decoder(form, decoded_length=0)
    with pytest.raises(ValueError, match="UNSIGNED"):
        Decoder(UNSIGNED, decoded_length=0, signer=signer())

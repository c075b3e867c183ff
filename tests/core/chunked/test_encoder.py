"""The encoder's own rules; what it writes is proven against the decoder in test_pair."""

import pytest

from cybous3.core.chunked.encoder import Encoder
from cybous3.core.sigv4.payload import PayloadMode


def test_the_unsigned_form_on_the_wire() -> None:
    encoder = Encoder(PayloadMode.STREAMING_UNSIGNED_TRAILER, announced=["x-amz-checksum-crc32"])
    data = b"seventeen bytes.."
    assert encoder.chunk(data) == [b"11\r\n", data, b"\r\n"]
    assert encoder.end({"x-amz-checksum-crc32": "AAAAAA=="}) == b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"


def test_an_empty_chunk_would_be_the_end() -> None:
    with pytest.raises(ValueError, match="empty"):
        Encoder(PayloadMode.STREAMING_UNSIGNED_TRAILER).chunk(b"")


@pytest.mark.parametrize("trailers", [None, {}, {"x-amz-checksum-sha1": "x"}])
def test_the_trailers_are_the_announced_ones(trailers: dict[str, str] | None) -> None:
    encoder = Encoder(PayloadMode.STREAMING_UNSIGNED_TRAILER, announced=["x-amz-checksum-crc32"])
    with pytest.raises(ValueError, match="announced"):
        encoder.end(trailers)

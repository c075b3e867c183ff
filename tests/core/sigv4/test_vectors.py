"""The examples of the AWS documentation: signer, verifier and chunk codec make of them what AWS made."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from cybous3.core import checksums
from cybous3.core.chunked.decoder import Decoder
from cybous3.core.chunked.encoder import Encoder, encoded_length
from cybous3.core.clock import parse_amz_date
from cybous3.core.sigv4.credentials import Credentials
from cybous3.core.sigv4.payload import PayloadMode
from cybous3.core.sigv4.sign import Signed, presign, sign
from cybous3.core.sigv4.verify import parse_authorization, verify

FOLDER = Path(__file__).parents[3] / "vectors/sigv4"
VECTORS = {path.stem: tomllib.loads(path.read_text()) for path in sorted(FOLDER.glob("*.toml"))}
IN_HEADER = [name for name, vector in VECTORS.items() if "expires_s" not in vector]
CHUNKED = [name for name, vector in VECTORS.items() if "body" in vector]


def _sign(vector: dict[str, Any]) -> Signed:
    return sign(
        vector["method"],
        vector["path"],
        vector["query"],
        [(name, value) for name, value in vector["headers"]],
        vector["payload_hash"],
        Credentials(vector["access_key"], vector["secret_key"]),
        vector["region"],
        parse_amz_date(vector["date"]),
    )


def test_all_examples_are_here() -> None:
    assert len(VECTORS) == 7
    assert len(CHUNKED) == 2


@pytest.mark.parametrize("name", IN_HEADER)
def test_the_documented_signature_is_made_and_believed(name: str) -> None:
    vector = VECTORS[name]
    signed = _sign(vector)
    assert signed.signature == vector["signature"]
    headers = [(name, value) for name, value in vector["headers"]] + signed.headers
    claim = parse_authorization(vector["method"], vector["path"], vector["query"], headers)
    assert claim is not None
    verified = verify(
        claim,
        vector["secret_key"],
        method=vector["method"],
        path=vector["path"],
        query=vector["query"],
        headers=headers,
        now=parse_amz_date(vector["date"]),
        region=vector["region"],
    )
    assert verified.seed_signature == vector["signature"]


def test_the_documented_presigned_url_is_made() -> None:
    vector = VECTORS["presigned-get-object"]
    credentials = Credentials(vector["access_key"], vector["secret_key"])
    query = presign(
        vector["method"],
        dict(vector["headers"])["host"],
        vector["path"],
        vector["query"],
        credentials,
        vector["region"],
        vector["expires_s"],
        parse_amz_date(vector["date"]),
    )
    assert query == (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        f"&X-Amz-Signature={vector['signature']}"
    )


@pytest.mark.parametrize("name", CHUNKED)
def test_the_documented_chunks_are_written_and_read(name: str) -> None:
    vector = VECTORS[name]
    body = vector["body"]
    form = PayloadMode(vector["payload_hash"])
    data = body["letter"].encode() * body["length"]
    trailers = dict(body.get("trailers", []))
    encoder = Encoder(form, signer=_sign(vector).chunk_signer(), announced=list(trailers))
    pieces = [data[at : at + body["chunk_size"]] for at in range(0, len(data), body["chunk_size"])]
    wire = b"".join(b"".join(encoder.chunk(piece)) for piece in pieces) + encoder.end(trailers)

    for signature in [*body["chunk_signatures"], *([body["trailer_signature"]] if trailers else [])]:
        assert signature.encode() in wire
    lengths = {name: len(value) for name, value in trailers.items()}
    assert len(wire) == encoded_length(form, len(data), body["chunk_size"], lengths)
    assert len(wire) == body.get("encoded_length", len(wire))

    decoder = Decoder(form, decoded_length=len(data), announced=list(trailers), signer=_sign(vector).chunk_signer())
    assert b"".join(decoder.feed(wire)) == data
    decoder.finish()
    assert decoder.trailers == trailers


def test_the_documented_trailer_is_the_checksum_of_the_body() -> None:
    body = VECTORS["chunked-upload-trailer"]["body"]
    digest = checksums.compute("CRC32C", body["letter"].encode() * body["length"])
    assert body["trailers"] == [["x-amz-checksum-crc32c", checksums.to_base64(digest)]]

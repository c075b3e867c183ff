"""The outside party: requests that botocore signs are believed, and its aws-chunked bodies are read."""

import io
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from botocore.httpchecksum import AwsChunkedWrapper, CrtCrc64NvmeChecksum
from hypothesis import given
from hypothesis import strategies as st

from cybous3.core import checksums
from cybous3.core.chunked.decoder import Decoder
from cybous3.core.clock import parse_amz_date
from cybous3.core.sigv4.payload import PayloadMode
from cybous3.core.uri import uri_encode
from tests.support.signing import CREDENTIALS, REGION, Wire

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
METADATA = st.dictionaries(st.from_regex(r"x-amz-meta-[a-z0-9-]{1,9}", fullmatch=True), PRINTABLE, max_size=4)
PARAMETERS = st.dictionaries(
    st.from_regex(r"[a-z-]{1,9}", fullmatch=True), st.text("a Z+/=&~é€", max_size=8), max_size=4
)
TOKENS = st.sampled_from([None, "token/with+signs=="])


def _sent(request: AWSRequest) -> Wire:
    """Return the request as botocore puts it on the wire."""
    prepared = request.prepare()
    scheme_and_host, _, rest = prepared.url.partition("://")[2].partition("/")
    path, _, query = f"/{rest}".partition("?")
    headers = {name.lower(): _text(value) for name, value in prepared.headers.items()}
    headers.setdefault("host", scheme_and_host)
    return Wire(prepared.method, path, query, tuple(headers.items()))


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _request(method: str, key: str, headers: dict[str, str], params: dict[str, str], **more: Any) -> AWSRequest:
    url = f"http://127.0.0.1:9000/bucket/{uri_encode(key, safe_slash=True)}"
    return AWSRequest(method=method, url=url, headers=headers, params=params, **more)


def _credentials(token: str | None) -> BotocoreCredentials:
    return BotocoreCredentials(CREDENTIALS.access_key, CREDENTIALS.secret_key, token)


@given(st.sampled_from(["GET", "PUT", "DELETE"]), KEYS, METADATA, PARAMETERS, TOKENS, st.binary(max_size=50))
def test_what_botocore_signs_in_the_header_is_believed(
    method: str, key: str, metadata: dict[str, str], params: dict[str, str], token: str | None, body: bytes
) -> None:
    request = _request(method, key, metadata, params, data=body)
    S3SigV4Auth(_credentials(token), "s3", REGION).add_auth(request)
    wire = _sent(request)
    verified = wire.verified(now=parse_amz_date(wire.get("x-amz-date")))
    assert verified.payload is PayloadMode.SIGNED
    assert bytes.fromhex(verified.payload_hash) == checksums.compute("SHA256", body)
    claim = wire.claim()
    assert claim is not None
    assert claim.session_token == token


@given(st.sampled_from(["GET", "PUT"]), KEYS, PARAMETERS, TOKENS, st.integers(1, 604_800))
def test_what_botocore_presigns_is_believed(
    method: str, key: str, params: dict[str, str], token: str | None, expires_s: int
) -> None:
    request = _request(method, key, {}, params)
    S3SigV4QueryAuth(_credentials(token), "s3", REGION, expires=expires_s).add_auth(request)
    wire = _sent(request)
    claim = wire.claim()
    assert claim is not None
    assert (claim.expires_s, claim.session_token) == (expires_s, token)
    assert wire.verified(now=claim.timestamp + expires_s).payload is PayloadMode.UNSIGNED


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 5000])
def test_what_botocore_sends_in_chunks_is_read(size: int) -> None:
    """The default upload of a current SDK: unsigned chunks, a CRC behind them."""
    body = bytes(range(256)) * 20
    wrapped = AwsChunkedWrapper(
        io.BytesIO(body[:size]), CrtCrc64NvmeChecksum, "x-amz-checksum-crc64nvme", chunk_size=1024
    )
    form = PayloadMode.STREAMING_UNSIGNED_TRAILER
    decoder = Decoder(form, decoded_length=size, announced=("x-amz-checksum-crc64nvme",))
    read = b"".join(piece for sent in iter(lambda: wrapped.read(700), b"") for piece in decoder.feed(sent))
    decoder.finish()
    assert read == body[:size]
    carried = checksums.from_base64("CRC64NVME", decoder.trailers["x-amz-checksum-crc64nvme"])
    assert carried == checksums.compute("CRC64NVME", read)

"""Claims about bodies, where they are small: in headers, in trailers, and where two of them differ."""

import base64
import hashlib
import zlib

import pytest

from cybous3.core.chunked.encoder import Encoder
from cybous3.core.sigv4.payload import PayloadMode
from cybous3.server.handlers.integrity import object_checksum
from cybous3.server.model.objects import Checksum
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.message import Headers, Request
from tests.support.site import Answer, BytesBody, Site

FORM = PayloadMode.STREAMING_UNSIGNED_TRAILER
DELETE = b"<Delete><Object><Key>k</Key></Object></Delete>"
CRC32 = base64.b64encode(zlib.crc32(DELETE).to_bytes(4)).decode()
TRAILER = "x-amz-checksum-crc32"


def delete(site: Site, trailer: str, **headers: str) -> Answer:
    """Send a DeleteObjects body in chunks, with its checksum behind it."""
    encoder = Encoder(FORM, announced=[TRAILER])
    wire = b"".join(encoder.chunk(DELETE)) + encoder.end({TRAILER: trailer})
    fields = {"x-amz-trailer": TRAILER, "x-amz-decoded-content-length": str(len(DELETE))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}

    def chunked(request: Request) -> Request:
        request.body, request.content_length = BytesBody(wire), len(wire)
        return request

    return site.ask("POST", "/photos", "delete", payload=FORM.value, headers=fields, edit=chunked)


@pytest.fixture(autouse=True)
def _filled(site: Site) -> None:
    site.ask("PUT", "/photos")
    site.ask("PUT", "/photos/k", body=b"x")


def test_a_document_may_have_its_checksum_behind_it(site: Site) -> None:
    assert delete(site, CRC32).status == 200
    assert site.ask("HEAD", "/photos/k").status == 404


@pytest.mark.parametrize(
    ("trailer", "headers", "code"),
    [
        ("AAAAAA==", {}, "BadDigest"),
        ("nonsense", {}, "InvalidRequest"),
        (CRC32, {"x_amz_checksum_sha1": base64.b64encode(bytes(20)).decode()}, "InvalidRequest"),
        (CRC32, {"x_amz_sdk_checksum_algorithm": "SHA1"}, "InvalidRequest"),
        (CRC32, {"content_md5": base64.b64encode(bytes(16)).decode()}, "BadDigest"),
    ],
)
def test_a_document_that_is_not_what_was_said_does_nothing(
    site: Site, trailer: str, headers: dict[str, str], code: str
) -> None:
    assert delete(site, trailer, **headers).code == code
    assert site.ask("HEAD", "/photos/k").status == 200


def test_completing_holds_the_list_against_its_md5(site: Site) -> None:
    begun = site.ask("POST", "/photos/m", "uploads").body.decode()
    upload = begun.partition("<UploadId>")[2].partition("<")[0]
    etag = site.ask("PUT", "/photos/m", f"partNumber=1&uploadId={upload}", body=b"x").headers["etag"]
    body = (
        f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    )

    def finish(md5: bytes) -> Answer:
        headers = {"content-md5": base64.b64encode(md5).decode()}
        return site.ask("POST", "/photos/m", f"uploadId={upload}", body=body.encode(), headers=headers)

    assert finish(bytes(16)).code == "BadDigest"
    assert finish(hashlib.md5(body.encode(), usedforsecurity=False).digest()).status == 200


@pytest.mark.parametrize(
    ("value", "kind", "checksum"),
    [
        ("AAAAAA==", None, Checksum("CRC32", "AAAAAA==", "FULL_OBJECT")),
        ("AAAAAA==-2", None, Checksum("CRC32", "AAAAAA==-2", "COMPOSITE")),
        ("AAAAAA==", "COMPOSITE", Checksum("CRC32", "AAAAAA==", "COMPOSITE")),
    ],
)
def test_the_whole_objects_checksum_tells_its_kind(value: str, kind: str | None, checksum: Checksum) -> None:
    assert object_checksum(Headers([("host", "h"), (TRAILER, value)]), kind) == checksum  # type: ignore[arg-type]


def test_no_checksum_of_the_whole_is_none() -> None:
    assert object_checksum(Headers([("x-amz-checksum-type", "COMPOSITE")]), "COMPOSITE") is None


@pytest.mark.parametrize("value", ["AAAAAA==-", "AAAAAA==-x", "AAAA-1", ""])
def test_what_cannot_be_a_checksum_of_the_whole_is_refused(value: str) -> None:
    with pytest.raises(S3Error) as error:
        object_checksum(Headers([(TRAILER, value)]), None)
    assert error.value.code == "InvalidRequest"

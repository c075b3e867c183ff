"""Signed requests: how they look on the wire, and what becomes of every kind of answer."""

import hashlib
import time
import zlib
from base64 import b64decode

import pytest

from cybous3.client.stores.connect import Access, open_buckets
from cybous3.client.stores.errors import (
    BadCredentials,
    ClockSkew,
    ConnectionLost,
    Denied,
    NoSuchBucket,
    NotFound,
    PreconditionFailed,
    Refused,
    ServerFailed,
    Throttled,
    Unreachable,
    WrongRegion,
)
from cybous3.client.stores.port import GIB, Capabilities, Part
from cybous3.client.stores.retry import Policy
from cybous3.client.stores.s3.buckets import S3Buckets
from cybous3.client.stores.s3.client import Call
from cybous3.client.stores.s3.store import S3Store
from cybous3.client.stores.s3.xml import list_page, parse
from cybous3.core.sigv4.claim import parse_authorization
from cybous3.core.sigv4.credentials import Credentials
from cybous3.core.sigv4.verify import verify
from tests.client.stores.s3.conftest import HANG_UP, NOW_S, Play, Request, answer, error

LISTING = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
SECRET = "not-a-secret"


def verify_signature(request: Request, region: str = "us-east-1") -> None:
    """Be the server: the request must verify with our own verifier, which was written against botocore's signer."""
    method, target, _ = request.line.split(" ")
    path, _, query = target.partition("?")
    headers = [
        (name.lower(), value.strip())
        for name, _, value in (line.partition(":") for line in request.head.split("\r\n")[1:])
    ]
    claim = parse_authorization(method, path, query, headers)
    assert claim is not None
    verify(claim, SECRET, method=method, path=path, query=query, headers=headers, now=NOW_S, region=region)


def test_every_request_is_signed_so_that_a_verifier_accepts_it(play: Play) -> None:
    server = play(answer(200, LISTING), answer(200), answer(200), answer(204))
    store = S3Store(server.client(), "bucket")
    store.list("prefix/ ü+&", delimiter="/")
    store.put("key with ü?&=", b"body", metadata={"a": "b  c"})
    store.head("k")
    store.delete("../k//x")
    for request in server.requests:
        verify_signature(request)
    assert server.connections == 1


def test_small_bodies_over_http_are_signed_and_large_ones_checksummed(play: Play) -> None:
    server = play(answer(200), answer(200))
    store = S3Store(server.client(), "bucket")
    small, large = b"x" * 1000, b"y" * 200_000
    store.put("small", small)
    store.put("large", [large[:100], large[100:]])
    assert server.requests[0].field("x-amz-content-sha256") == hashlib.sha256(small).hexdigest()
    assert server.requests[1].field("x-amz-content-sha256") == "UNSIGNED-PAYLOAD"
    for request in server.requests:
        verify_signature(request)
        assert b64decode(request.field("x-amz-checksum-crc32") or "") == zlib.crc32(request.body).to_bytes(4, "big")


def test_control_requests_are_covered_by_their_hash(play: Play) -> None:
    server = play(answer(200, b"<DeleteResult/>"))
    store = S3Store(server.client(), "bucket")
    assert store.delete_many(["a"]) == []
    request = server.requests[0]
    assert request.field("x-amz-content-sha256") == hashlib.sha256(request.body).hexdigest()
    assert request.field("content-md5")


def test_without_credentials_nothing_is_signed(play: Play) -> None:
    server = play(answer(200, b"public"))
    store = S3Store(server.client(credentials=None), "bucket")
    with store.get("k") as download:
        assert download.read() == b"public"
    assert server.requests[0].field("authorization") is None


def test_a_session_token_goes_along(play: Play) -> None:
    server = play(answer(200))
    S3Store(server.client(credentials=Credentials("AK", SECRET, "token")), "b").head("k")
    assert server.requests[0].field("x-amz-security-token") == "token"


def test_no_secret_is_in_a_request_or_a_representation(play: Play) -> None:
    server = play(answer(200))
    client = server.client()
    S3Store(client, "b").put("k", b"x")
    assert SECRET not in server.requests[0].head
    assert SECRET not in repr(client._settings)
    client.close()


def test_virtual_hosts_get_the_bucket_in_their_name(play: Play) -> None:
    server = play()
    client = server.client()
    assert b"host: 127.0.0.1" in client._request(Call("GET", "b", "k"))


# regions


@pytest.mark.parametrize(
    "refusal",
    [
        error(400, "AuthorizationHeaderMalformed", extra="<Region>eu-test-1</Region>"),
        error(301, "PermanentRedirect", "x-amz-bucket-region: eu-test-1"),
        answer(301, b"", "x-amz-bucket-region: eu-test-1"),
    ],
)
def test_a_wrong_region_is_corrected_once_and_remembered(play: Play, refusal: bytes) -> None:
    server = play(refusal, answer(200), answer(200))
    store = S3Store(server.client(), "bucket")
    store.put("k", b"")
    store.put("k", b"")
    assert store.client.region == "eu-test-1"
    verify_signature(server.requests[0], "us-east-1")
    for request in server.requests[1:]:
        verify_signature(request, "eu-test-1")


def test_a_refused_head_asks_for_the_region_with_a_body(play: Play) -> None:
    malformed = error(400, "AuthorizationHeaderMalformed", extra="<Region>eu-test-1</Region>")
    server = play(
        answer(400), malformed, answer(200), answer(400), answer(200), answer(400), error(403, "AccessDenied")
    )
    store = S3Store(server.client(), "bucket")
    store.head("k")
    assert store.client.region == "eu-test-1"
    for _ in range(2):
        with pytest.raises(Refused):
            store.head("k")


def test_a_server_that_keeps_redirecting_is_not_followed(play: Play) -> None:
    server = play(
        error(301, "PermanentRedirect", "x-amz-bucket-region: a-1"),
        error(301, "PermanentRedirect", "x-amz-bucket-region: b-1"),
    )
    with pytest.raises(WrongRegion) as caught:
        S3Store(server.client(), "bucket").head("k")
    assert (caught.value.region, caught.value.hint) == ("b-1", "use --region b-1")


def test_a_redirect_without_a_region_is_an_error(play: Play) -> None:
    server = play(answer(307))
    with pytest.raises(WrongRegion, match="another endpoint") as caught:
        S3Store(server.client(), "bucket").head("k")
    assert caught.value.region is None
    assert len(server.requests) == 1


# connections


def test_a_kept_connection_that_was_closed_is_replaced(play: Play) -> None:
    server = play(answer(200), HANG_UP, answer(200))
    store = S3Store(server.client(), "bucket")
    store.head("k")
    store.head("k")
    assert (len(server.requests), server.connections) == (3, 2)


def test_a_call_that_may_not_be_repeated_is_not(play: Play) -> None:
    server = play(answer(200), HANG_UP, answer(200))
    store = S3Store(server.client(), "bucket")
    store.head("k")
    with pytest.raises(ConnectionLost):
        store.put("k", b"", absent=True)
    assert len(server.requests) == 2


def test_a_first_connection_that_breaks_is_an_error(play: Play) -> None:
    server = play(HANG_UP)
    with pytest.raises(ConnectionLost) as caught:
        S3Store(server.client(), "bucket").head("k")
    assert caught.value.exit_code == 20
    assert caught.value.hint


def test_a_download_left_half_way_does_not_poison_the_next_request(play: Play) -> None:
    server = play(answer(200, bytes(3_000_000)), answer(200, b"second"))
    store = S3Store(server.client(), "bucket")
    with store.get("k") as download:
        download.readinto(bytearray(10))
    with store.get("k") as download:
        assert download.read() == b"second"
    assert server.connections == 2


def test_a_little_that_is_left_is_read_so_that_the_connection_can_be_kept(play: Play) -> None:
    server = play(answer(200, b"short"), answer(200, b"second"))
    store = S3Store(server.client(), "bucket")
    store.get("k").close()
    with store.get("k") as download:
        assert download.read() == b"second"
    assert server.connections == 1


def test_an_answer_beyond_every_limit_is_refused(play: Play) -> None:
    server = play(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(2_000_000) + b"HANG UP")
    client = server.client()
    with client.send(Call("GET", "b")) as got, pytest.raises(Refused):
        got.read(1_000_000)


def test_nobody_listens() -> None:
    buckets = open_buckets(Access("http://127.0.0.1:1", None, policy=Policy(attempts_max=2, first_wait_s=0.001)))
    with pytest.raises(Unreachable) as caught:
        buckets.list_buckets()
    assert (caught.value.exit_code, caught.value.hint) == (20, "is the server running?")


# refusals


def test_an_error_in_a_200_answer_is_an_error(play: Play) -> None:
    body = b"<?xml version='1.0'?>\n<Error><Code>InternalError</Code><Message>late</Message></Error>"
    server = play(answer(200, b"   " + body.lstrip()[21:]), answer(200, body))
    store = S3Store(server.client(), "bucket")
    for _ in range(2):
        with pytest.raises(ServerFailed):
            store.copy("a", "b")


def test_a_skewed_clock_is_called_so_whatever_the_server_calls_it(play: Play) -> None:
    late = "Tue, 14 Nov 2023 20:13:20 GMT"
    server = play(
        error(403, "RequestTimeTooSkewed", date=late),
        error(403, "SignatureDoesNotMatch", date=late),
        answer(403, date=late),
    )
    store = S3Store(server.client(), "bucket")
    for _ in range(3):
        with pytest.raises(ClockSkew, match="120 minutes ahead of") as caught:
            store.head("k")
        assert caught.value.exit_code == 21


def test_a_clock_behind_is_told_as_such(play: Play) -> None:
    server = play(error(403, "RequestTimeTooSkewed", date="Tue, 14 Nov 2023 23:13:20 GMT"))
    with pytest.raises(ClockSkew, match="60 minutes behind"):
        S3Store(server.client(), "bucket").head("k")


def test_slow_down_carries_how_long(play: Play) -> None:
    server = play(
        error(503, "SlowDown", "retry-after: 7"), error(503, "SlowDown", "retry-after: Wed, 21 Oct"), answer(429)
    )
    store = S3Store(server.client(), "bucket")
    waits = []
    for _ in range(3):
        with pytest.raises(Throttled) as caught:
            store.head("k")
        waits.append(caught.value.after_s)
    assert waits == [7.0, None, None]


@pytest.mark.parametrize(
    ("given", "family", "code"),
    [
        (error(403, "InvalidAccessKeyId"), BadCredentials, 21),
        (error(403, "SignatureDoesNotMatch"), BadCredentials, 21),
        (answer(403), Denied, 21),
        (answer(403, b"<html>proxy says no</html>"), Denied, 21),
        (error(404, "NoSuchBucket"), NoSuchBucket, 3),
        (answer(500), ServerFailed, 23),
        (error(500, "SomethingNew"), ServerFailed, 23),
        (error(400, "SomethingNew"), Refused, 1),
        (answer(418), Refused, 1),
    ],
)
def test_refusals_have_a_family_and_an_exit_code(play: Play, given: bytes, family: type[Exception], code: int) -> None:
    server = play(given)
    with pytest.raises(family) as caught:
        S3Store(server.client(), "bucket").get("the key")
    assert type(caught.value) is family
    assert getattr(caught.value, "exit_code", None) == code
    assert "bucket" in str(caught.value)


# answers that do not say what they must


@pytest.mark.parametrize(
    "given",
    [
        b"HTTP/1.1 200 OK\r\n\r\nno length",
        answer(200, b"whole object instead of a part"),
        answer(206, b"abc"),
        answer(206, b"abc", "content-range: bytes 1-3/10"),
        answer(206, b"abc", "content-range: bytes 5-9/10"),
        answer(206, b"abc", "content-range: bytes 5-7/7"),
        answer(206, b"abc", "content-range: bytes 5-7/*"),
        answer(206, b"abc", "content-range: lines 5-7/10"),
    ],
)
def test_another_range_than_asked_is_not_believed(play: Play, given: bytes) -> None:
    server = play(given + b"" if b"no length" not in given else given + b"HANG UP")
    store = S3Store(server.client(), "bucket")
    with pytest.raises(ServerFailed):
        store.get("k", start=5, length=5)


def test_a_server_that_repeats_conditions_as_not_found_means_changed(play: Play) -> None:
    server = play(
        error(404, "NoSuchKey"), error(404, "NoSuchBucket"), error(404, "NoSuchKey"), error(404, "NoSuchUpload")
    )
    store = S3Store(server.client(), "bucket")
    with pytest.raises(PreconditionFailed):
        store.put("k", b"", if_match="e")
    with pytest.raises(NotFound):
        store.put("k", b"", if_match="e")
    with pytest.raises(PreconditionFailed):
        store.complete_upload("k", "u", [Part(1, "e", 1)], if_match="e")
    with pytest.raises(NotFound):
        store.complete_upload("k", "u", [Part(1, "e", 1)], if_match="e")


def test_deleting_in_a_bucket_that_is_not_there_is_told(play: Play) -> None:
    server = play(error(404, "NoSuchBucket"), error(404, "NoSuchKey"), error(404, "NoSuchBucket"))
    store = S3Store(server.client(), "bucket")
    with pytest.raises(NoSuchBucket):
        store.delete("k")
    store.delete("k")
    with pytest.raises(NoSuchBucket):
        store.abort_upload("k", "u")


def test_content_types_no_header_carries_are_refused(play: Play) -> None:
    server = play()
    with pytest.raises(Refused):
        S3Store(server.client(), "b").put("k", b"", content_type="text/x\r\nevil: 1")
    assert server.requests == []


def test_keys_xml_cannot_hold_are_deleted_one_by_one(play: Play) -> None:
    failed = (
        b"<DeleteResult><Error><Key>c</Key><Code>AccessDenied</Code></Error>"
        b"<Error><Key>n</Key><Code>NoSuchKey</Code></Error></DeleteResult>"
    )
    server = play(answer(204), error(403, "AccessDenied"), answer(200, failed))
    failures = S3Store(server.client(), "b").delete_many(["a\x01", "b\x02", "c", "n"])
    assert [(failure.key, failure.code) for failure in failures] == [("b\x02", "AccessDenied"), ("c", "AccessDenied")]
    assert [request.line.split()[0] for request in server.requests] == ["DELETE", "DELETE", "POST"]


# buckets


def test_a_bucket_is_made_in_the_region_of_the_requests(play: Play) -> None:
    server = play(answer(200), answer(200))
    S3Buckets(server.client()).create_bucket("b")
    S3Buckets(server.client(region="eu-test-1")).create_bucket("b")
    assert server.requests[0].body == b""
    assert b"<LocationConstraint>eu-test-1</LocationConstraint>" in server.requests[1].body


def test_bucket_pages_are_followed(play: Play) -> None:
    def page(name: str, token: str) -> bytes:
        return answer(
            200,
            f"<ListAllMyBucketsResult><Buckets><Bucket><Name>{name}</Name><CreationDate>2026-01-01T00:00:00.000Z"
            f"</CreationDate></Bucket></Buckets>{token}</ListAllMyBucketsResult>".encode(),
        )

    server = play(page("b", "<ContinuationToken>t+/</ContinuationToken>"), page("a", ""))
    assert [bucket.name for bucket in S3Buckets(server.client()).list_buckets()] == ["a", "b"]
    assert "continuation-token=t%2B%2F" in server.requests[1].line


def test_has_bucket(play: Play) -> None:
    server = play(answer(200), answer(404), answer(403))
    buckets = S3Buckets(server.client())
    assert buckets.has_bucket("b")
    assert not buckets.has_bucket("b")
    with pytest.raises(Denied):
        buckets.has_bucket("b")


# copies and pages


def test_what_is_too_large_for_one_copy_goes_in_parts(play: Play) -> None:
    size = 3 * 1024**3 + 5
    copied = answer(200, b"<CopyPartResult><ETag>&quot;p&quot;</ETag></CopyPartResult>")
    head = f'HTTP/1.1 200 OK\r\netag: "e"\r\nx-amz-meta-a: 1\r\ncontent-length: {size}\r\n\r\n'.encode()
    server = play(
        error(400, "InvalidRequest"),
        head,
        head,
        answer(200, b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"),
        *([copied] * 4),
        answer(200, b'<CompleteMultipartUploadResult><ETag>"done"</ETag></CompleteMultipartUploadResult>'),
    )
    store = S3Store(server.client(), "b", Capabilities(copy_bytes_max=GIB))
    assert store.copy("from", "to", metadata={"b": "2"}, if_match="e").etag == "done"
    ranges = [request.field("x-amz-copy-source-range") for request in server.requests[4:8]]
    assert ranges[0] == f"bytes=0-{GIB - 1}"
    assert ranges[3] == f"bytes={3 * GIB}-{size - 1}"
    assert server.requests[3].field("x-amz-meta-b") == "2"


def test_a_large_copy_that_fails_leaves_no_upload(play: Play) -> None:
    head = b'HTTP/1.1 200 OK\r\netag: "e"\r\ncontent-length: 100\r\n\r\n'
    server = play(
        error(400, "EntityTooLarge"),
        head,
        head,
        answer(200, b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"),
        error(412, "PreconditionFailed"),
        answer(204),
    )
    store = S3Store(server.client(), "b", Capabilities(copy_bytes_max=10))
    with pytest.raises(PreconditionFailed):
        store.copy("from", "to")
    assert server.requests[-1].line.startswith("DELETE /b/to?uploadId=u")


def test_a_copy_refused_for_another_reason_stays_refused(play: Play) -> None:
    head = b'HTTP/1.1 200 OK\r\netag: "e"\r\ncontent-length: 100\r\n\r\n'
    server = play(error(400, "InvalidRequest"), head, error(400, "MetadataTooLarge"))
    store = S3Store(server.client(), "b")
    for _ in range(2):
        with pytest.raises(Refused):
            store.copy("from", "from", metadata={})


def test_the_first_version_of_listing_is_spoken_too(play: Play) -> None:
    first = (
        b"<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>a</Key><Size>1</Size><ETag>e</ETag>"
        b"<LastModified>2026-01-01T00:00:00Z</LastModified></Contents></ListBucketResult>"
    )
    server = play(answer(200, first), answer(200, LISTING))
    store = S3Store(server.client(), "b", list_version=1)
    page = store.list(after="0")
    assert page.next_token == "a"
    store.list(token=page.next_token)
    assert "marker=0" in server.requests[0].line
    assert "marker=a" in server.requests[1].line
    assert "list-type" not in server.requests[1].line


def test_part_and_upload_pages_are_followed(play: Play) -> None:
    def parts(number: int, more: str) -> bytes:
        return answer(
            200,
            f"<ListPartsResult>{more}<Part><PartNumber>{number}</PartNumber><ETag>e</ETag><Size>5</Size></Part></ListPartsResult>".encode(),
        )

    more = "<IsTruncated>true</IsTruncated><NextPartNumberMarker>1</NextPartNumberMarker>"
    uploads = (
        "<ListMultipartUploadsResult>{}<Upload><Key>{}</Key><UploadId>u</UploadId>"
        "<Initiated>2026-01-01T00:00:00Z</Initiated></Upload></ListMultipartUploadsResult>"
    )
    markers = (
        "<IsTruncated>true</IsTruncated><NextKeyMarker>a</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker>"
    )
    server = play(
        parts(1, more),
        parts(2, ""),
        answer(200, uploads.format(markers, "a").encode()),
        answer(200, uploads.format("", "b").encode()),
    )
    store = S3Store(server.client(), "b")
    assert [part.number for part in store.list_parts("k", "u")] == [1, 2]
    assert [upload.key for upload in store.list_uploads("p")] == ["a", "b"]
    assert "part-number-marker=1" in server.requests[1].line
    assert "key-marker=a" in server.requests[3].line
    assert "upload-id-marker=u" in server.requests[3].line


def test_a_listing_of_a_thousand_keys_is_read_fast() -> None:
    """No exact figure, since machines differ; a quadratic reader would take seconds."""
    item = (
        "<Contents><Key>folder/%C3%BC{:05}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        "<ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag><Size>5</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )
    document = (
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><EncodingType>url</EncodingType>'
        + "".join(item.format(number) for number in range(1000))
        + "</ListBucketResult>"
    ).encode()
    best = min(_timed(lambda: list_page(parse(document, "ListBucketResult"), version=2)) for _ in range(5))
    assert best < 0.05


def _timed(call: object) -> float:
    started = time.perf_counter()
    assert callable(call)
    call()
    return time.perf_counter() - started

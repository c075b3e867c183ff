"""What the generated decoders promise: typed, checked values or a refusal that names the argument."""

import timeit

import pytest

from cybous3.server.wire.address import CopySource
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.generated.bucket_inputs import decode_ListObjectsV2, decode_ListObjectVersions
from cybous3.server.wire.generated.decoders import DECODERS
from cybous3.server.wire.generated.object_inputs import (
    decode_CopyObject,
    decode_DeleteObject,
    decode_GetObject,
    decode_GetObjectAttributes,
    decode_PutObject,
    decode_UploadPart,
)
from cybous3.server.wire.generated.service_inputs import decode_ListBuckets
from cybous3.server.wire.message import Headers

NONE = Headers()


def test_a_listing_is_read() -> None:
    query = {"list-type": "2", "max-keys": "7", "prefix": "", "fetch-owner": "true", "encoding-type": "url"}
    read = decode_ListObjectsV2("b-1", "", query, NONE)
    assert (read.bucket, read.max_keys, read.prefix, read.fetch_owner, read.encoding_type) == (
        "b-1",
        7,
        "",
        True,
        "url",
    )
    assert (read.delimiter, read.start_after) == (None, None)


def test_an_empty_typed_parameter_counts_as_absent() -> None:
    """Clients write `max-keys=&encoding-type=` for what they do not mean to say."""
    read = decode_ListObjectsV2("b-1", "", {"max-keys": "", "encoding-type": "", "fetch-owner": ""}, NONE)
    assert (read.max_keys, read.encoding_type, read.fetch_owner) == (None, None, None)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("max-keys", "-1"),
        ("max-keys", "x"),
        ("max-keys", "2147483648"),
        ("encoding-type", "URL"),
        ("fetch-owner", "maybe"),
    ],
)
def test_a_listing_refuses_what_is_out_of_bounds(parameter: str, value: str) -> None:
    with pytest.raises(S3Error) as caught:
        decode_ListObjectsV2("b-1", "", {parameter: value}, NONE)
    assert (caught.value.code, caught.value.detail["ArgumentName"]) == ("InvalidArgument", parameter)


def test_numbers_have_their_own_limits() -> None:
    assert decode_ListBuckets("", "", {"max-buckets": "10000"}, NONE).max_buckets == 10_000
    assert decode_UploadPart("b-1", "k", {"uploadId": "u", "partNumber": "10000"}, NONE).part_number == 10_000
    for query in ({"max-buckets": "0"}, {"max-buckets": "10001"}):
        with pytest.raises(S3Error):
            decode_ListBuckets("", "", query, NONE)
    for number in ("0", "10001", "", "-1"):
        with pytest.raises(S3Error, match=r"Part number|partNumber"):
            decode_UploadPart("b-1", "k", {"uploadId": "u", "partNumber": number}, NONE)


def test_a_missing_required_parameter_is_named() -> None:
    with pytest.raises(S3Error, match="uploadId"):
        decode_UploadPart("b-1", "k", {"partNumber": "1"}, NONE)


def test_a_read_keeps_conditions_and_ignores_a_date_that_is_none() -> None:
    headers = Headers(
        [
            ("if-modified-since", "Mon, 12 Oct 2009 17:50:30 GMT"),
            ("if-unmodified-since", "tomorrow"),
            ("if-range", "e"),
            ("range", "bytes=0-"),
            ("x-amz-checksum-mode", "enabled"),
        ]
    )
    read = decode_GetObject("b-1", "k", {"partNumber": "3", "response-expires": "soon"}, headers)
    assert (read.if_modified_since_ms, read.if_unmodified_since_ms) == (1_255_369_830_000, None)
    assert (read.if_range, read.range, read.part_number, read.response_expires) == ("e", "bytes=0-", 3, "soon")
    assert read.checksum_mode == "ENABLED"


def test_a_write_is_read() -> None:
    headers = Headers(
        [
            ("x-amz-checksum-crc32", "AAAAAA=="),
            ("x-amz-sdk-checksum-algorithm", "crc32"),
            ("x-amz-storage-class", "STANDARD"),
            ("x-amz-meta-a", "b"),
            ("expires", "not a date"),
            ("if-none-match", "*"),
            ("x-amz-object-lock-retain-until-date", "2030-01-01T00:00:00Z"),
        ]
    )
    read = decode_PutObject("b-1", "k", {}, headers)
    assert (read.checksum_crc32, read.checksum_algorithm, read.storage_class) == ("AAAAAA==", "CRC32", "STANDARD")
    assert (read.metadata, read.expires, read.if_none_match) == ({"a": "b"}, "not a date", "*")
    assert read.object_lock_retain_until_date_ms == 1_893_456_000_000


@pytest.mark.parametrize(
    ("header", "value", "code"),
    [
        ("x-amz-storage-class", "GOLD", "InvalidStorageClass"),
        ("x-amz-sdk-checksum-algorithm", "CRC7", "InvalidRequest"),
        ("x-amz-server-side-encryption", "ROT13", "InvalidEncryptionAlgorithmError"),
        ("x-amz-acl", "everybody", "InvalidArgument"),
        ("x-amz-write-offset-bytes", "-1", "InvalidArgument"),
        ("x-amz-object-lock-retain-until-date", "soon", "InvalidArgument"),
    ],
)
def test_a_write_refuses_what_is_no_value(header: str, value: str, code: str) -> None:
    with pytest.raises(S3Error) as caught:
        decode_PutObject("b-1", "k", {}, Headers([(header, value)]))
    assert (caught.value.code, caught.value.detail["ArgumentName"]) == (code, header)


def test_a_copy_and_a_delete_are_read() -> None:
    headers = Headers(
        [
            ("x-amz-copy-source", "b-1/k%20"),
            ("x-amz-copy-source-if-match", "e"),
            ("x-amz-metadata-directive", "REPLACE"),
        ]
    )
    copy = decode_CopyObject("b-1", "k", {}, headers)
    assert (copy.copy_source, copy.copy_source_if_match) == (CopySource("b-1", "k "), "e")
    conditions = Headers([("x-amz-if-match-size", "5"), ("x-amz-if-match-last-modified-time", "2009-10-12T17:50:30Z")])
    delete = decode_DeleteObject("b-1", "k", {"versionId": "null"}, conditions)
    assert (delete.if_match_size, delete.if_match_last_modified_time_ms) == (5, 1_255_369_830_000)
    assert delete.version_id == "null"


def test_a_list_of_attributes_is_required() -> None:
    wanted = Headers([("x-amz-object-attributes", "ETag,Checksum"), ("x-amz-object-attributes", "ObjectSize")])
    assert decode_GetObjectAttributes("b-1", "k", {}, wanted).object_attributes == ("ETag", "Checksum", "ObjectSize")
    with pytest.raises(S3Error) as caught:
        decode_GetObjectAttributes("b-1", "k", {}, NONE)
    assert caught.value.code == "InvalidRequest"
    assert decode_ListObjectVersions("b-1", "", {}, NONE).optional_object_attributes == ()


def test_an_input_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        decode_ListBuckets("", "", {}, NONE).prefix = "x"  # type: ignore[misc]


def test_every_decoder_reads_an_empty_request_or_says_what_is_missing() -> None:
    for name, decode in DECODERS.items():
        try:
            outcome = type(decode("b-1", "k", {}, NONE)).__name__
        except S3Error as error:
            outcome = error.code
        assert outcome in {f"{name}Input", "InvalidArgument", "InvalidRequest"}


def test_a_decoder_costs_microseconds() -> None:
    """The bound is ten times what an idle machine needs: it catches interpretation coming back, no busy neighbour."""
    headers = Headers([("host", "h"), ("x-amz-date", "d"), ("range", "bytes=0-1"), ("x-amz-content-sha256", "x")])
    best = min(timeit.repeat(lambda: decode_GetObject("b-1", "k", {}, headers), number=200, repeat=20)) / 200
    print(f"decode_GetObject: {best * 1e6:.1f} us")  # noqa: T201 - the figure is the point; pytest -s shows it
    assert best < 40e-6

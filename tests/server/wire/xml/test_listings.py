"""What botocore reads in our pages is what we put into them."""

import timeit
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.handlers import decode_list_object, decode_list_object_v2, decode_list_object_versions

from cybous3.server.model.buckets import Bucket
from cybous3.server.model.objects import Checksum, ObjectSummary
from cybous3.server.model.uploads import Part, Upload
from cybous3.server.wire.generated.bucket_inputs import (
    decode_ListMultipartUploads,
    decode_ListObjects,
    decode_ListObjectsV2,
    decode_ListObjectVersions,
)
from cybous3.server.wire.message import Headers
from cybous3.server.wire.xml import listings
from cybous3.server.wire.xml.listings import Owner

Parsed = Callable[..., dict[str, Any]]

NONE = Headers()
OWNER = "a" * 64
AT_MS = 1_255_369_830_400
AT = datetime(2009, 10, 12, 17, 50, 30, tzinfo=UTC)
NAMES = {OWNER: "Ann & Bob"}
ANN = {"ID": OWNER, "DisplayName": "Ann & Bob"}
AWKWARD = ["a b", "a+b", "a%20b", "<&>\"'", "../x", "//", "ü/😀", "a\rb"]


def summary(key: str, **changes: Any) -> ObjectSummary:  # whatever field a test wants different
    return ObjectSummary(key, 5, "e" * 32, AT_MS, OWNER, "STANDARD", "CRC32", "FULL_OBJECT")._replace(**changes)


def test_buckets(parsed: Parsed) -> None:
    body = listings.list_buckets(
        Owner(OWNER, "Ann & Bob"), [Bucket("b-1", OWNER, "eu-x-1", AT_MS)], prefix="b", continuation_token="t<"
    )
    assert parsed("ListBuckets", body) == {
        "Buckets": [{"Name": "b-1", "CreationDate": AT, "BucketRegion": "eu-x-1"}],
        "Owner": ANN,
        "Prefix": "b",
        "ContinuationToken": "t<",
    }
    assert parsed("ListBuckets", listings.list_buckets(Owner(OWNER), [])) == {"Buckets": [], "Owner": {"ID": OWNER}}


def test_a_page_of_objects_version_1(parsed: Parsed) -> None:
    request = decode_ListObjects("b-1", "", {"prefix": "p&", "marker": "m<", "delimiter": "/", "max-keys": "3"}, NONE)
    body = listings.list_objects(request, [summary("k<")], ["p&/"], max_keys=3, next_marker="k<", names=NAMES)
    assert parsed("ListObjects", body) == {
        "Name": "b-1",
        "Prefix": "p&",
        "Marker": "m<",
        "NextMarker": "k<",
        "MaxKeys": 3,
        "Delimiter": "/",
        "IsTruncated": True,
        "Contents": [
            {
                "Key": "k<",
                "LastModified": AT,
                "ETag": f'"{"e" * 32}"',
                "ChecksumAlgorithm": ["CRC32"],
                "ChecksumType": "FULL_OBJECT",
                "Size": 5,
                "StorageClass": "STANDARD",
                "Owner": ANN,
            }
        ],
        "CommonPrefixes": [{"Prefix": "p&/"}],
    }


def test_version_1_shows_where_to_go_on_only_with_a_delimiter(parsed: Parsed) -> None:
    request = decode_ListObjects("b-1", "", {}, NONE)
    read = parsed("ListObjects", listings.list_objects(request, [summary("k")], [], max_keys=1, next_marker="k"))
    assert (read["IsTruncated"], "NextMarker" in read) == (True, False)
    assert read["Contents"][0]["Owner"] == {"ID": OWNER}


def test_a_page_of_objects_version_2(parsed: Parsed) -> None:
    query = {"prefix": "p", "continuation-token": "t&", "start-after": "s t", "fetch-owner": "true"}
    request = decode_ListObjectsV2("b-1", "", query, NONE)
    plain = summary("k", checksum_algorithm=None, checksum_type=None)
    body = listings.list_objects_v2(request, [plain], ["p/"], max_keys=2, next_token="n<", names=NAMES)
    assert parsed("ListObjectsV2", body) == {
        "Name": "b-1",
        "Prefix": "p",
        "ContinuationToken": "t&",
        "NextContinuationToken": "n<",
        "StartAfter": "s t",
        "KeyCount": 2,
        "MaxKeys": 2,
        "IsTruncated": True,
        "Contents": [
            {
                "Key": "k",
                "LastModified": AT,
                "ETag": f'"{"e" * 32}"',
                "Size": 5,
                "StorageClass": "STANDARD",
                "Owner": ANN,
            }
        ],
        "CommonPrefixes": [{"Prefix": "p/"}],
    }


def test_version_2_shows_owners_only_when_asked_and_may_be_empty(parsed: Parsed) -> None:
    request = decode_ListObjectsV2("b-1", "", {}, NONE)
    assert (
        "Owner"
        not in parsed("ListObjectsV2", listings.list_objects_v2(request, [summary("k")], [], max_keys=1))["Contents"][0]
    )
    empty = parsed("ListObjectsV2", listings.list_objects_v2(request, [], [], max_keys=0))
    assert empty == {"Name": "b-1", "Prefix": "", "KeyCount": 0, "MaxKeys": 0, "IsTruncated": False}


@pytest.mark.parametrize("encoding", ["url", ""])
def test_awkward_keys_and_prefixes_come_back_whole(encoding: str, parsed: Parsed) -> None:
    """With `encoding-type=url` through botocore's own decoding of what it asked for."""
    query = {"encoding-type": encoding, "prefix": "a b+<", "delimiter": "&", "marker": "m m", "key-marker": "m m"}
    objects, prefixes = [summary(key) for key in AWKWARD], [f"{key}/" for key in AWKWARD]
    pages = [
        (
            "ListObjects",
            listings.list_objects(decode_ListObjects("b-1", "", query, NONE), objects, prefixes, max_keys=9),
            decode_list_object,
            "Contents",
        ),
        (
            "ListObjectsV2",
            listings.list_objects_v2(decode_ListObjectsV2("b-1", "", query, NONE), objects, prefixes, max_keys=9),
            decode_list_object_v2,
            "Contents",
        ),
        (
            "ListObjectVersions",
            listings.list_object_versions(
                decode_ListObjectVersions("b-1", "", query, NONE), objects, prefixes, max_keys=9
            ),
            decode_list_object_versions,
            "Versions",
        ),
    ]
    for operation, body, decode, entries in pages:
        read = parsed(operation, body)
        if encoding:
            assert read["EncodingType"] == "url"
            decode(read, {"encoding_type_auto_set": True})
        assert [entry["Key"] for entry in read[entries]] == AWKWARD
        assert [entry["Prefix"] for entry in read["CommonPrefixes"]] == prefixes
        assert read["Delimiter"] == "&"
        # botocore does not decode the Prefix of version 1, so it is written in the clear.
        assert read["Prefix"] == "a b+<"


def test_control_characters_survive_only_through_url_encoding(parsed: Parsed) -> None:
    request = decode_ListObjectsV2("b-1", "", {"encoding-type": "url"}, NONE)
    read = parsed("ListObjectsV2", listings.list_objects_v2(request, [summary("a\x01\0")], [], max_keys=1))
    assert read["Contents"][0]["Key"] == "a%01%00"
    plain = listings.list_objects_v2(decode_ListObjectsV2("b-1", "", {}, NONE), [summary("a\x01")], [], max_keys=1)
    assert b"<Key>a&#x1;</Key>" in plain


def test_versions_of_a_bucket_without_versions(parsed: Parsed) -> None:
    request = decode_ListObjectVersions("b-1", "", {"key-marker": "a", "version-id-marker": "null"}, NONE)
    body = listings.list_object_versions(
        request, [summary("k")], [], max_keys=1, next_key_marker="k", next_version_id_marker="null", names=NAMES
    )
    assert parsed("ListObjectVersions", body) == {
        "Name": "b-1",
        "Prefix": "",
        "KeyMarker": "a",
        "VersionIdMarker": "null",
        "NextKeyMarker": "k",
        "NextVersionIdMarker": "null",
        "MaxKeys": 1,
        "IsTruncated": True,
        "Versions": [
            {
                "ETag": f'"{"e" * 32}"',
                "ChecksumAlgorithm": ["CRC32"],
                "ChecksumType": "FULL_OBJECT",
                "Size": 5,
                "StorageClass": "STANDARD",
                "Key": "k",
                "VersionId": "null",
                "IsLatest": True,
                "LastModified": AT,
                "Owner": ANN,
            }
        ],
    }
    empty = listings.list_object_versions(request, [], [], max_keys=1)
    assert "Versions" not in parsed("ListObjectVersions", empty)


UPLOAD = Upload("u1", "b-1", "k <", OWNER, "b" * 64, AT_MS, checksum_algorithm="CRC64NVME", checksum_type="FULL_OBJECT")


def test_uploads(parsed: Parsed) -> None:
    query = {"prefix": "k", "delimiter": "/", "key-marker": "a", "upload-id-marker": "u0", "encoding-type": "url"}
    request = decode_ListMultipartUploads("b-1", "", query, NONE)
    body = listings.list_multipart_uploads(
        request, [UPLOAD], ["k /"], max_uploads=1, next_key_marker="k <", next_upload_id_marker="u1", names=NAMES
    )
    assert parsed("ListMultipartUploads", body) == {
        "Bucket": "b-1",
        "KeyMarker": "a",
        "UploadIdMarker": "u0",
        "NextKeyMarker": "k%20%3C",
        "NextUploadIdMarker": "u1",
        "Prefix": "k",
        "Delimiter": "/",
        "EncodingType": "url",
        "MaxUploads": 1,
        "IsTruncated": True,
        "Uploads": [
            {
                "UploadId": "u1",
                "Key": "k%20%3C",
                "Initiated": AT,
                "StorageClass": "STANDARD",
                "Owner": ANN,
                "Initiator": {"ID": "b" * 64},
                "ChecksumAlgorithm": "CRC64NVME",
                "ChecksumType": "FULL_OBJECT",
            }
        ],
        "CommonPrefixes": [{"Prefix": "k%20/"}],
    }


def test_parts(parsed: Parsed) -> None:
    parts = [Part(2, 5, "e", AT_MS, Checksum("CRC64NVME", "AAAAAAAAAAA=")), Part(3, 1, "f", AT_MS)]
    body = listings.list_parts(UPLOAD, parts, max_parts=2, marker=1, truncated=True, names=NAMES)
    assert parsed("ListParts", body) == {
        "Bucket": "b-1",
        "Key": "k <",
        "UploadId": "u1",
        "PartNumberMarker": 1,
        "NextPartNumberMarker": 3,
        "MaxParts": 2,
        "IsTruncated": True,
        "Parts": [
            {"PartNumber": 2, "LastModified": AT, "ETag": '"e"', "Size": 5, "ChecksumCRC64NVME": "AAAAAAAAAAA="},
            {"PartNumber": 3, "LastModified": AT, "ETag": '"f"', "Size": 1},
        ],
        "Initiator": {"ID": "b" * 64},
        "Owner": ANN,
        "StorageClass": "STANDARD",
        "ChecksumAlgorithm": "CRC64NVME",
        "ChecksumType": "FULL_OBJECT",
    }
    empty = parsed("ListParts", listings.list_parts(UPLOAD, [], max_parts=1))
    assert (empty["NextPartNumberMarker"], empty["IsTruncated"]) == (0, False)


@pytest.mark.parametrize("pattern", ["photos/2026/11/img_{:06d}.jpeg", "my photos/{:06d}.jpeg", "übung/{:06d}&.jpeg"])
def test_a_page_of_a_thousand_keys_costs_about_a_millisecond(pattern: str) -> None:
    """0.6 to 1.2 ms on a slow virtual core, per page; the bound leaves a busy machine room and catches a tenfold."""
    objects = [summary(pattern.format(number), modified_ms=AT_MS + number * 1_234_567) for number in range(1000)]
    request = decode_ListObjectsV2("b-1", "", {"encoding-type": "url"}, NONE)
    best = min(
        timeit.repeat(lambda: listings.list_objects_v2(request, objects, [], max_keys=1000), number=1, repeat=30)
    )
    print(f"1,000 keys {pattern!r}: {best * 1e3:.2f} ms")  # noqa: T201 - the figure is the point; pytest -s shows it
    assert best < 5e-3

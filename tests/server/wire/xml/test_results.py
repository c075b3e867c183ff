from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.handlers import parse_get_bucket_location

from cybous3.server.model.objects import Checksum, ObjectPart, ObjectRecord
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.xml import results
from cybous3.server.wire.xml.results import Deletion, PartsPage

Parsed = Callable[..., dict[str, Any]]

AT_MS = 1_255_369_830_400
AT = datetime(2009, 10, 12, 17, 50, 30, tzinfo=UTC)
ETAG = "d41d8cd98f00b204e9800998ecf8427e-2"
COMPOSITE = Checksum("SHA256", "c=-2", "COMPOSITE")
RECORD = ObjectRecord("b-1", "a <&> k", 7, ETAG, AT_MS, "o", checksum=COMPOSITE)


@pytest.mark.parametrize(("region", "shown"), [("eu-x-1", "eu-x-1"), ("us-east-1", None)])
def test_location(region: str, shown: str | None) -> None:
    """Botocore reads this one by a handler of its own, from the raw body."""
    response = AWSResponse("http://h/b-1?location", 200, {}, BytesIO())
    response._content = results.location_constraint(region)
    parsed: dict[str, Any] = {}
    parse_get_bucket_location(parsed, response)
    assert parsed["LocationConstraint"] == shown


def test_an_upload_begun_and_completed(parsed: Parsed) -> None:
    begun = results.initiate_multipart_upload("b-1", "a <&> k", "u1")
    assert parsed("CreateMultipartUpload", begun) == {"Bucket": "b-1", "Key": "a <&> k", "UploadId": "u1"}
    completed = results.complete_multipart_upload("http://h/b-1/a%20k", RECORD)
    assert parsed("CompleteMultipartUpload", completed) == {
        "Location": "http://h/b-1/a%20k",
        "Bucket": "b-1",
        "Key": "a <&> k",
        "ETag": f'"{ETAG}"',
        "ChecksumSHA256": "c=-2",
        "ChecksumType": "COMPOSITE",
    }


def test_the_id_of_an_upload_can_be_read_whatever_its_key(parsed: Parsed) -> None:
    read = parsed("CreateMultipartUpload", results.initiate_multipart_upload("b-1", "a\x01\0b", "u1"))
    assert read == {"Bucket": "b-1", "Key": "a\ufffd\ufffdb", "UploadId": "u1"}


def test_copies(parsed: Parsed) -> None:
    whole = Checksum("CRC32", "AAAAAA==")
    assert parsed("CopyObject", results.copy_object("e", AT_MS, whole))["CopyObjectResult"] == {
        "ETag": '"e"',
        "LastModified": AT,
        "ChecksumCRC32": "AAAAAA==",
        "ChecksumType": "FULL_OBJECT",
    }
    assert parsed("UploadPartCopy", results.copy_part("e", AT_MS))["CopyPartResult"] == {
        "ETag": '"e"',
        "LastModified": AT,
    }
    assert b"ChecksumType" not in results.copy_part("e", AT_MS, whole)


DELETIONS = [
    Deletion("a <"),
    Deletion("b", "null"),
    Deletion("c", error=S3Error("PreconditionFailed", "no & no")),
]


def test_deletions(parsed: Parsed) -> None:
    failed = {"Key": "c", "Code": "PreconditionFailed", "Message": "no & no"}
    assert parsed("DeleteObjects", results.delete_result(DELETIONS)) == {
        "Deleted": [{"Key": "a <"}, {"Key": "b", "VersionId": "null"}],
        "Errors": [failed],
    }
    assert parsed("DeleteObjects", results.delete_result(DELETIONS, quiet=True)) == {"Errors": [failed]}


def test_attributes(parsed: Parsed) -> None:
    page = PartsPage([ObjectPart(2, 3, "e", "p=")], total=2, marker=1, max_parts=1, truncated=True)
    wanted = ("ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize")
    assert parsed("GetObjectAttributes", results.object_attributes(RECORD, wanted, page)) == {
        "ETag": ETAG,
        "Checksum": {"ChecksumSHA256": "c=-2", "ChecksumType": "COMPOSITE"},
        "ObjectParts": {
            "TotalPartsCount": 2,
            "PartNumberMarker": 1,
            "NextPartNumberMarker": 2,
            "MaxParts": 1,
            "IsTruncated": True,
            "Parts": [{"PartNumber": 2, "Size": 3, "ChecksumSHA256": "p="}],
        },
        "StorageClass": "STANDARD",
        "ObjectSize": 7,
    }


def test_attributes_are_those_asked_for_and_there(parsed: Parsed) -> None:
    plain = ObjectRecord("b-1", "k", 7, "e", AT_MS, "o")
    assert parsed("GetObjectAttributes", results.object_attributes(plain, ("Checksum", "ObjectSize"))) == {
        "ObjectSize": 7
    }
    empty = parsed("GetObjectAttributes", results.object_attributes(plain, ("ObjectParts",), PartsPage([], 0)))
    assert empty["ObjectParts"]["NextPartNumberMarker"] == 0

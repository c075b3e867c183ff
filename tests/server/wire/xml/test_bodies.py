from collections.abc import Callable
from typing import Any

import botocore.serialize
import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.server.model.objects import Checksum
from cybous3.server.model.uploads import CompletedPart
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.xml import bodies
from cybous3.server.wire.xml.bodies import Delete, Doomed

XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
MODEL = botocore.session.Session().get_service_model("s3")


def written_by_botocore(operation: str, **arguments: Any) -> bytes:  # what it sends may be anything
    serializer = botocore.serialize.create_serializer("rest-xml")
    request = serializer.serialize_to_request({"Bucket": "b-1", **arguments}, MODEL.operation_model(operation))
    body: bytes = request["body"]
    return body


def refusal(read: Callable[[bytes], object], document: str) -> S3Error:
    with pytest.raises(S3Error) as caught:
        read(document.encode())
    return caught.value


def test_a_bucket_may_name_its_location() -> None:
    body = written_by_botocore("CreateBucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert bodies.create_bucket(body) == "eu-west-1"
    assert bodies.create_bucket(b"") is None
    assert bodies.create_bucket(b"<CreateBucketConfiguration/>") is None
    assert bodies.create_bucket(f"<CreateBucketConfiguration {XMLNS}></CreateBucketConfiguration>".encode()) is None


def test_what_else_a_bucket_may_be_created_with_is_refused_by_name() -> None:
    for configuration, name in (
        ({"Tags": [{"Key": "a", "Value": "b"}]}, "Tags"),
        ({"Bucket": {"Type": "Directory"}}, "Bucket"),
        ({"Location": {"Name": "x"}}, "Location"),
    ):
        error = refusal(
            bodies.create_bucket,
            written_by_botocore("CreateBucket", CreateBucketConfiguration=configuration).decode(),
        )
        assert (error.code, error.detail["Element"]) == ("NotImplemented", name)


def test_a_list_of_objects_to_delete_is_read() -> None:
    body = written_by_botocore(
        "DeleteObjects",
        Delete={
            "Quiet": True,
            "Objects": [
                {"Key": " a/../b "},
                {"Key": "c", "VersionId": "null", "ETag": '"e"', "Size": 5, "LastModifiedTime": 1_255_369_830},
            ],
        },
    )
    assert bodies.delete(body) == Delete(
        (Doomed(" a/../b "), Doomed("c", "null", "e", 5, 1_255_369_830_000)), quiet=True
    )


# XML 1.0 cannot carry other control characters, and turns a bare CR into LF.
KEYS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1, max_size=100
)


@given(keys=st.lists(KEYS, min_size=1, max_size=20))
def test_any_key_that_xml_can_carry_arrives(keys: list[str]) -> None:
    body = written_by_botocore("DeleteObjects", Delete={"Objects": [{"Key": key} for key in keys]})
    assert [doomed.key for doomed in bodies.delete(body).objects] == keys


def test_a_thousand_keys_of_full_length_fit() -> None:
    body = written_by_botocore("DeleteObjects", Delete={"Objects": [{"Key": "&" * 700}] * 1000})
    assert len(bodies.delete(body).objects) == 1000


@pytest.mark.parametrize(
    ("inside", "code"),
    [
        ("", "MalformedXML"),
        ("<Quiet>true</Quiet>", "MalformedXML"),
        ("<Object/>", "MalformedXML"),
        ("<Object><Key></Key></Object>", "MalformedXML"),
        ("<Object><Key>a</Key></Object>" * 1001, "MalformedXML"),
        ("<Object><Key>a</Key><Etag>misspelt condition</Etag></Object>", "MalformedXML"),
        ("<Object><Key>a</Key><ETag>a</ETag><ETag>b</ETag></Object>", "MalformedXML"),
        ("<Object><Key>a</Key><Size>-1</Size></Object>", "InvalidArgument"),
        ("<Object><Key>a</Key><LastModifiedTime>x</LastModifiedTime></Object>", "InvalidArgument"),
        ("<Object><Key>a</Key></Object><Quiet>perhaps</Quiet>", "InvalidArgument"),
    ],
)
def test_a_list_that_does_not_hold_is_refused_as_a_whole(inside: str, code: str) -> None:
    assert refusal(bodies.delete, f"<Delete>{inside}</Delete>").code == code


def test_an_empty_condition_is_none() -> None:
    document = b"<Delete><Object><Key>a</Key><VersionId/><ETag/><Size/><LastModifiedTime/></Object></Delete>"
    assert bodies.delete(document).objects == (Doomed("a"),)


def test_a_list_of_parts_is_read_in_the_order_sent() -> None:
    parts = [
        {"PartNumber": 2, "ETag": '"b"', "ChecksumCRC32": "AAAAAA=="},
        {"PartNumber": 1, "ETag": "a"},
    ]
    body = written_by_botocore("CompleteMultipartUpload", Key="k", UploadId="u", MultipartUpload={"Parts": parts})
    assert bodies.complete_multipart_upload(body) == (
        CompletedPart(2, "b", Checksum("CRC32", "AAAAAA==")),
        CompletedPart(1, "a"),
    )


def test_ten_thousand_parts_fit_and_no_more() -> None:
    part = "<Part><PartNumber>1</PartNumber><ETag>&quot;{}&quot;</ETag><ChecksumSHA256>{}=</ChecksumSHA256></Part>\n"
    parts = part.format("e" * 32, "c" * 43) * 10_000
    document = f"<CompleteMultipartUpload {XMLNS}>{parts}</CompleteMultipartUpload>"
    assert len(bodies.complete_multipart_upload(document.encode())) == 10_000
    assert (
        refusal(bodies.complete_multipart_upload, document.replace(parts, parts + parts[:150])).code == "MalformedXML"
    )


@pytest.mark.parametrize(
    ("inside", "code"),
    [
        ("", "MalformedXML"),
        ("<Part><PartNumber>1</PartNumber></Part>", "MalformedXML"),
        ("<Part><ETag>a</ETag></Part>", "MalformedXML"),
        ("<Part><PartNumber>1</PartNumber><ETag></ETag></Part>", "MalformedXML"),
        ("<Part><PartNumber>0</PartNumber><ETag>a</ETag></Part>", "InvalidArgument"),
        ("<Part><PartNumber>10001</PartNumber><ETag>a</ETag></Part>", "InvalidArgument"),
        ("<Part><PartNumber>1</PartNumber><ETag>a</ETag><ChecksumCRC7>x</ChecksumCRC7></Part>", "MalformedXML"),
        ("<Part><PartNumber>1</PartNumber><ETag>a</ETag><ChecksumXXHASH3>x</ChecksumXXHASH3></Part>", "NotImplemented"),
        (
            "<Part><PartNumber>1</PartNumber><ETag>a</ETag><ChecksumSHA1>x</ChecksumSHA1><ChecksumCRC32>y</ChecksumCRC32></Part>",
            "InvalidRequest",
        ),
    ],
)
def test_parts_that_do_not_hold_are_refused(inside: str, code: str) -> None:
    document = f"<CompleteMultipartUpload>{inside}</CompleteMultipartUpload>"
    assert refusal(bodies.complete_multipart_upload, document).code == code


def test_no_list_of_parts_at_all_is_a_request_without_parts() -> None:
    error = refusal(bodies.complete_multipart_upload, "")
    assert (error.code, "at least one part" in error.message) == ("MalformedXML", True)


@pytest.mark.parametrize("instant", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"])
def test_an_instant_beyond_the_calendar_is_none(instant: str) -> None:
    document = f"<Delete><Object><Key>k</Key><LastModifiedTime>{instant}</LastModifiedTime></Object></Delete>"
    with pytest.raises(S3Error) as error:
        bodies.delete(document.encode())
    assert error.value.code == "InvalidArgument"

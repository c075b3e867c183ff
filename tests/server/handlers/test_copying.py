"""Copies: both rights, both sets of conditions, and what travels along."""

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cybous3.server.handlers import copying
from cybous3.server.model.accounts import Credential
from tests.support.site import ALICE, ALICE_KEY, BOB, BOB_KEY, ROOT_KEY, SCOPED_KEY, Site, make_site

LARGE = bytes(range(256)) * 2048


@pytest.fixture
def client(site: Site) -> Any:
    client = site.client()
    for bucket in ("photos", "scoped"):
        client.create_bucket(Bucket=bucket)
    site.client(BOB_KEY).create_bucket(Bucket="bobs")
    site.client(BOB_KEY).put_object(Bucket="bobs", Key="secret", Body=b"bob's")
    client.put_object(Bucket="photos", Key="from", Body=b"bytes", ContentType="a/b", Metadata={"colour": "red"})
    client.put_object(Bucket="photos", Key="large ü+?", Body=LARGE)
    return client


def code(call: pytest.ExceptionInfo[ClientError]) -> str:
    return str(call.value.response["Error"]["Code"])


def body_of(client: Any, key: str, bucket: str = "photos") -> bytes:
    return bytes(client.get_object(Bucket=bucket, Key=key)["Body"].read())


def test_a_copy_is_the_same_bytes_with_the_same_metadata(client: Any) -> None:
    result = client.copy_object(Bucket="scoped", Key="to", CopySource={"Bucket": "photos", "Key": "from"})
    head = client.head_object(Bucket="scoped", Key="to")
    assert body_of(client, "to", "scoped") == b"bytes"
    assert (head["ContentType"], head["Metadata"]) == ("a/b", {"colour": "red"})
    assert result["CopyObjectResult"]["ETag"] == head["ETag"]
    assert result["CopyObjectResult"]["LastModified"].replace(microsecond=0) == head["LastModified"]


@pytest.mark.parametrize("source", ["photos/large%20%C3%BC%2B%3F", "/photos/large%20%C3%BC%2B%3F?versionId=null"])
def test_a_source_is_decoded_once(site: Site, client: Any, source: str) -> None:
    assert site.ask("PUT", "/photos/to", headers={"x-amz-copy-source": source}).status == 200
    assert body_of(client, "to") == LARGE


def test_replace_takes_the_metadata_of_the_request(client: Any) -> None:
    client.copy_object(
        Bucket="photos",
        Key="to",
        CopySource="photos/from",
        MetadataDirective="REPLACE",
        Metadata={"shape": "round"},
        ContentLanguage="fr",
    )
    head = client.head_object(Bucket="photos", Key="to")
    assert (head["Metadata"], head["ContentLanguage"]) == ({"shape": "round"}, "fr")
    assert head["ContentType"] == "binary/octet-stream"


def test_a_copy_onto_itself_must_change_something(client: Any) -> None:
    with pytest.raises(ClientError) as call:
        client.copy_object(Bucket="photos", Key="from", CopySource="photos/from")
    assert code(call) == "InvalidRequest"
    client.copy_object(
        Bucket="photos", Key="from", CopySource="photos/from", MetadataDirective="REPLACE", Metadata={"a": "b"}
    )
    assert client.head_object(Bucket="photos", Key="from")["Metadata"] == {"a": "b"}
    assert body_of(client, "from") == b"bytes"
    client.copy_object(Bucket="photos", Key="from", CopySource="photos/from", ChecksumAlgorithm="SHA1")
    answer = client.head_object(Bucket="photos", Key="from", ChecksumMode="ENABLED")
    assert "ChecksumSHA1" in answer
    assert answer["Metadata"] == {"a": "b"}


def test_a_copy_has_the_checksum_asked_for(client: Any) -> None:
    result = client.copy_object(Bucket="photos", Key="to", CopySource="photos/from", ChecksumAlgorithm="SHA256")
    head = client.head_object(Bucket="photos", Key="to", ChecksumMode="ENABLED")
    assert result["CopyObjectResult"]["ChecksumSHA256"] == head["ChecksumSHA256"]


@pytest.mark.parametrize("operation", ["CopyObject", "UploadPartCopy"])
@pytest.mark.parametrize(
    ("key", "source", "wanted"),
    [
        (ALICE_KEY, "bobs/secret", "AccessDenied"),
        (ALICE_KEY, "bobs/absent", "AccessDenied"),
        (SCOPED_KEY, "photos/from", "AccessDenied"),
        (SCOPED_KEY, "nowhere/from", "AccessDenied"),
        (ALICE_KEY, "nowhere/from", "NoSuchBucket"),
        (ALICE_KEY, "photos/absent", "NoSuchKey"),
        (ALICE_KEY, "photos/from?versionId=other", "InvalidArgument"),
        (ALICE_KEY, f"photos/from?versionId={'v' * 32}", "NoSuchVersion"),
        (ALICE_KEY, "photos", "InvalidArgument"),
        (ALICE_KEY, "photos/%ZZ", "InvalidArgument"),
        (ALICE_KEY, "photos/../bobs/secret", "NoSuchKey"),
        (ALICE_KEY, "photos/from%3FversionId=null", "NoSuchKey"),
    ],
)
def test_a_source_must_be_readable_by_the_caller(
    site: Site, client: Any, operation: str, key: Credential, source: str, wanted: str
) -> None:
    query = ""
    if operation == "UploadPartCopy":
        upload = client.create_multipart_upload(Bucket="scoped", Key="to")["UploadId"]
        query = f"partNumber=1&uploadId={upload}"
    answer = site.ask("PUT", "/scoped/to", query, key=key, headers={"x-amz-copy-source": source})
    assert answer.code == wanted
    assert site.ask("HEAD", "/scoped/to").status == 404


def test_root_copies_between_owners(site: Site, client: Any) -> None:
    site.client(ROOT_KEY).copy_object(Bucket="photos", Key="to", CopySource="bobs/secret")
    assert body_of(client, "to") == b"bob's"


def test_the_owners_of_both_ends_may_be_demanded(client: Any) -> None:
    ask = {"Bucket": "photos", "Key": "to", "CopySource": "photos/from"}
    for wrong in ({"ExpectedBucketOwner": BOB.id}, {"ExpectedSourceBucketOwner": BOB.id}):
        with pytest.raises(ClientError) as call:
            client.copy_object(**ask, **wrong)
        assert code(call) == "AccessDenied"
    client.copy_object(**ask, ExpectedBucketOwner=ALICE.id, ExpectedSourceBucketOwner=ALICE.id)


def test_the_sources_conditions_decide(client: Any) -> None:
    head = client.head_object(Bucket="photos", Key="from")
    etag, modified = head["ETag"], head["LastModified"]
    hour = timedelta(hours=1)
    ask = {"Bucket": "photos", "Key": "to", "CopySource": "photos/from"}
    for wrong in (
        {"CopySourceIfMatch": '"x"'},
        {"CopySourceIfNoneMatch": etag},
        {"CopySourceIfModifiedSince": modified + hour},
        {"CopySourceIfUnmodifiedSince": modified - hour},
    ):
        with pytest.raises(ClientError) as call:
            client.copy_object(**ask, **wrong)
        assert code(call) == "PreconditionFailed"
    client.copy_object(**ask, CopySourceIfMatch=etag, CopySourceIfUnmodifiedSince=modified - hour)
    assert body_of(client, "to") == b"bytes"


def test_the_targets_conditions_decide(client: Any) -> None:
    etag = client.put_object(Bucket="photos", Key="to", Body=b"there")["ETag"]
    ask = {"Bucket": "photos", "Key": "to", "CopySource": "photos/from"}
    for wrong in ({"IfNoneMatch": "*"}, {"IfMatch": '"x"'}):
        with pytest.raises(ClientError) as call:
            client.copy_object(**ask, **wrong)
        assert code(call) == "PreconditionFailed"
    assert body_of(client, "to") == b"there"
    client.copy_object(**ask, IfMatch=etag)
    assert body_of(client, "to") == b"bytes"


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({"x-amz-metadata-directive": "KEEP"}, "InvalidArgument"),
        ({"x-amz-tagging-directive": "KEEP"}, "InvalidArgument"),
        ({"x-amz-tagging": "a=b"}, "NotImplemented"),
        ({"x-amz-checksum-algorithm": "ROT13"}, "InvalidArgument"),
        ({"x-amz-checksum-algorithm": "SHA512"}, "NotImplemented"),
        ({"x-amz-copy-source-server-side-encryption-customer-algorithm": "AES256"}, "NotImplemented"),
    ],
)
@pytest.mark.usefixtures("client")
def test_what_a_copy_cannot_do_is_refused(site: Site, headers: dict[str, str], wanted: str) -> None:
    answer = site.ask("PUT", "/photos/to", headers={"x-amz-copy-source": "photos/from"} | headers)
    assert answer.code in {wanted, "InvalidRequest"} if wanted == "InvalidArgument" else answer.code == wanted
    assert site.ask("HEAD", "/photos/to").status == 404


@pytest.mark.usefixtures("client")
def test_a_copy_header_that_was_not_signed_copies_nothing(site: Site) -> None:
    query = site.presigned("PUT", "/photos/to")
    answer = site.ask("PUT", "/photos/to", query, key=None, headers={"x-amz-copy-source": "photos/from"})
    assert (answer.status, answer.code) == (403, "AccessDenied")
    assert site.ask("HEAD", "/photos/to").status == 404


def test_a_copy_header_in_a_presigned_query_is_a_copy(site: Site, client: Any) -> None:
    """It is signed, so it means what it says; were it overlooked, the request would empty the object."""
    query = site.presigned("PUT", "/photos/to", "x-amz-copy-source=photos%2Ffrom")
    assert site.ask("PUT", "/photos/to", query, key=None).status == 200
    assert body_of(client, "to") == b"bytes"


def test_too_large_a_source_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "SIZE_MAX", 4)
    for site in make_site():
        site.ask("PUT", "/photos")
        site.ask("PUT", "/photos/from", body=b"bytes")
        answer = site.ask("PUT", "/photos/to", headers={"x-amz-copy-source": "photos/from"})
        assert answer.code == "InvalidRequest"
        assert b"maximum allowable size" in answer.body


# --- parts from objects


def test_a_part_is_a_range_of_an_object(client: Any) -> None:
    upload = client.create_multipart_upload(Bucket="photos", Key="joined")["UploadId"]
    ask = {"Bucket": "photos", "Key": "joined", "UploadId": upload}
    source = {"Bucket": "photos", "Key": "large ü+?"}
    part = client.upload_part_copy(**ask, PartNumber=1, CopySource=source, CopySourceRange="bytes=256-511")
    etag = part["CopyPartResult"]["ETag"]
    client.complete_multipart_upload(**ask, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    assert body_of(client, "joined") == LARGE[256:512]


def test_a_part_without_a_range_is_all_of_the_object(client: Any) -> None:
    upload = client.create_multipart_upload(Bucket="photos", Key="joined")["UploadId"]
    ask = {"Bucket": "photos", "Key": "joined", "UploadId": upload}
    part = client.upload_part_copy(**ask, PartNumber=7, CopySource="photos/from")
    etag = part["CopyPartResult"]["ETag"]
    client.complete_multipart_upload(**ask, MultipartUpload={"Parts": [{"PartNumber": 7, "ETag": etag}]})
    assert body_of(client, "joined") == b"bytes"


@pytest.mark.parametrize("span", ["bytes=0-99", "bytes=3-", "bytes=-2", "bytes=4-2", "0-1"])
def test_a_part_range_must_lie_inside(site: Site, client: Any, span: str) -> None:
    upload = client.create_multipart_upload(Bucket="photos", Key="joined")["UploadId"]
    headers = {"x-amz-copy-source": "photos/from", "x-amz-copy-source-range": span}
    answer = site.ask("PUT", "/photos/joined", f"partNumber=1&uploadId={upload}", headers=headers)
    assert answer.code == "InvalidArgument"


@pytest.mark.usefixtures("client")
def test_a_part_belongs_to_an_upload(site: Site) -> None:
    headers = {"x-amz-copy-source": "photos/from"}
    answer = site.ask("PUT", "/photos/joined", f"partNumber=1&uploadId={'0' * 32}", headers=headers)
    assert answer.code == "NoSuchUpload"


@pytest.mark.usefixtures("client")
def test_a_copy_of_a_range_is_refused_and_not_made_whole(site: Site) -> None:
    headers = {"x-amz-copy-source": "photos/from", "x-amz-copy-source-range": "bytes=0-1"}
    assert site.ask("PUT", "/photos/to", headers=headers).code == "InvalidArgument"
    assert site.ask("GET", "/photos/to").code == "NoSuchKey"

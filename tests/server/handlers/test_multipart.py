"""Multipart uploads: begin, fill, look, complete, abort; and everything that may go wrong between."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cybous3.server.store import multipart as joining
from tests.support.site import ALICE, BOB_KEY, Answer, BytesBody, Site, make_site

LEAST = 8192  # stands in for 5 MiB, which would be most of the time these tests take
ONE = b"1" * LEAST
TWO = b"2" * 1000


@pytest.fixture(autouse=True)
def _small_parts_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "PART_SIZE_MIN", LEAST)


@pytest.fixture
def client(site: Site) -> Any:
    client = site.client()
    client.create_bucket(Bucket="photos")
    return client


def begin(client: Any, key: str = "k", **parameters: Any) -> dict[str, str]:
    upload = client.create_multipart_upload(Bucket="photos", Key=key, **parameters)
    return {"Bucket": "photos", "Key": key, "UploadId": upload["UploadId"]}


def fill(client: Any, upload: dict[str, str], *bodies: bytes, **parameters: Any) -> list[dict[str, Any]]:
    parts = []
    for number, body in enumerate(bodies, start=1):
        answer = client.upload_part(**upload, PartNumber=number, Body=body, **parameters)
        sums = {name: value for name, value in answer.items() if name.startswith("Checksum")}
        parts.append({"PartNumber": number, "ETag": answer["ETag"], **sums})
    return parts


def complete(client: Any, upload: dict[str, str], parts: list[dict[str, Any]], **parameters: Any) -> Any:
    return client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, **parameters)


def code(call: pytest.ExceptionInfo[ClientError]) -> str:
    return str(call.value.response["Error"]["Code"])


def test_an_upload_becomes_its_object(client: Any) -> None:
    upload = begin(client, ContentType="a/b", Metadata={"colour": "red"}, CacheControl="no-store")
    parts = fill(client, upload, ONE, TWO)
    result = complete(client, upload, parts)
    digests = b"".join(hashlib.md5(body, usedforsecurity=False).digest() for body in (ONE, TWO))
    assert result["ETag"] == f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-2"'
    assert result["Location"] == "http://s3.test:9000/photos/k"
    assert (result["Bucket"], result["Key"]) == ("photos", "k")
    got = client.get_object(Bucket="photos", Key="k")
    assert got["Body"].read() == ONE + TWO
    assert (got["ContentType"], got["Metadata"], got["CacheControl"]) == ("a/b", {"colour": "red"}, "no-store")
    assert "Uploads" not in client.list_multipart_uploads(Bucket="photos")


def test_a_part_may_be_read_by_its_number(client: Any) -> None:
    upload = begin(client)
    complete(client, upload, fill(client, upload, ONE, TWO))
    answer = client.get_object(Bucket="photos", Key="k", PartNumber=2)
    assert answer["Body"].read() == TWO
    assert answer["PartsCount"] == 2
    assert answer["ContentRange"] == f"bytes {len(ONE)}-{len(ONE) + len(TWO) - 1}/{len(ONE) + len(TWO)}"
    assert client.head_object(Bucket="photos", Key="k", PartNumber=1)["ContentLength"] == len(ONE)
    with pytest.raises(ClientError) as call:
        client.get_object(Bucket="photos", Key="k", PartNumber=3)
    assert code(call) == "InvalidPartNumber"
    across = f"bytes={len(ONE) - 2}-{len(ONE) + 1}"
    assert client.get_object(Bucket="photos", Key="k", Range=across)["Body"].read() == b"1122"


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        ("CRC32", None),
        ("CRC32", "FULL_OBJECT"),
        ("CRC32C", "COMPOSITE"),
        ("CRC64NVME", None),
        ("SHA1", None),
        ("SHA256", "COMPOSITE"),
    ],
)
def test_the_whole_has_a_checksum_of_the_kind_agreed(client: Any, algorithm: str, kind: str | None) -> None:
    asked = {"ChecksumAlgorithm": algorithm} | ({"ChecksumType": kind} if kind else {})
    begun = client.create_multipart_upload(Bucket="photos", Key="k", **asked)
    default = "FULL_OBJECT" if algorithm == "CRC64NVME" else "COMPOSITE"
    assert (begun["ChecksumAlgorithm"], begun["ChecksumType"]) == (algorithm, kind or default)
    upload = {"Bucket": "photos", "Key": "k", "UploadId": begun["UploadId"]}
    parts = fill(client, upload, ONE, TWO, ChecksumAlgorithm=algorithm)
    assert all(f"Checksum{algorithm}" in part for part in parts)
    result = complete(client, upload, parts, **({"ChecksumType": kind} if kind else {}))
    assert result["ChecksumType"] == (kind or default)
    value = result[f"Checksum{algorithm}"]
    assert value.endswith("-2") is (result["ChecksumType"] == "COMPOSITE")
    assert client.head_object(Bucket="photos", Key="k", ChecksumMode="ENABLED")[f"Checksum{algorithm}"] == value
    part = client.get_object(Bucket="photos", Key="k", PartNumber=2, ChecksumMode="ENABLED")
    assert part["Body"].read() == TWO
    attributes = client.get_object_attributes(
        Bucket="photos", Key="k", ObjectAttributes=["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    )
    assert attributes["ETag"] == result["ETag"].strip('"')
    assert attributes["Checksum"][f"Checksum{algorithm}"] == value
    assert attributes["ObjectSize"] == len(ONE) + len(TWO)
    assert attributes["StorageClass"] == "STANDARD"
    assert attributes["ObjectParts"]["TotalPartsCount"] == 2


@pytest.mark.parametrize(
    "asked",
    [
        {"x-amz-checksum-algorithm": "SHA256", "x-amz-checksum-type": "FULL_OBJECT"},
        {"x-amz-checksum-algorithm": "CRC64NVME", "x-amz-checksum-type": "COMPOSITE"},
        {"x-amz-checksum-type": "COMPOSITE"},
    ],
)
@pytest.mark.usefixtures("client")
def test_a_checksum_that_cannot_be_joined_is_refused(site: Site, asked: dict[str, str]) -> None:
    assert site.ask("POST", "/photos/k", "uploads", headers=asked).code == "InvalidRequest"


def test_the_expected_checksum_of_the_whole_is_held(client: Any) -> None:
    upload = begin(client, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    parts = fill(client, upload, ONE, TWO, ChecksumAlgorithm="CRC32")
    with pytest.raises(ClientError) as call:
        complete(client, upload, parts, ChecksumCRC32="AAAAAA==", ChecksumType="FULL_OBJECT")
    assert code(call) == "BadDigest"
    with pytest.raises(ClientError) as call:
        complete(client, upload, parts, MpuObjectSize=7)
    assert code(call) == "InvalidRequest"
    complete(client, upload, parts, MpuObjectSize=len(ONE) + len(TWO))


@pytest.mark.parametrize("value", ["nonsense", "AAAAAA==-x", "AAAA-2"])
def test_a_checksum_that_cannot_be_one_is_refused(site: Site, client: Any, value: str) -> None:
    upload = begin(client)
    parts = fill(client, upload, TWO)
    answer = finish(site, upload["UploadId"], parts[0]["ETag"], {"x-amz-checksum-crc32": value})
    assert answer.code == "InvalidRequest"


def finish(site: Site, upload_id: str, etag: str, headers: dict[str, str] | None = None, **more: Any) -> Answer:
    part = f"<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>"
    body = f"<CompleteMultipartUpload>{part}</CompleteMultipartUpload>".encode()
    return site.ask("POST", "/photos/k", f"uploadId={upload_id}", headers=headers, body=body, **more)


def test_a_part_must_have_the_uploads_algorithm(client: Any) -> None:
    upload = begin(client, ChecksumAlgorithm="SHA256")
    with pytest.raises(ClientError) as call:
        client.upload_part(**upload, PartNumber=1, Body=TWO, ChecksumAlgorithm="CRC32")
    assert code(call) == "InvalidRequest"


def test_completing_again_gives_the_same_answer(client: Any) -> None:
    upload = begin(client)
    parts = fill(client, upload, ONE, TWO)
    first, again = complete(client, upload, parts), complete(client, upload, parts)
    assert first["ETag"] == again["ETag"]
    client.put_object(Bucket="photos", Key="k", Body=b"newer")
    with pytest.raises(ClientError) as call:
        complete(client, upload, parts)
    assert code(call) == "NoSuchUpload"
    client.delete_object(Bucket="photos", Key="k")
    with pytest.raises(ClientError) as call:
        complete(client, upload, parts)
    assert code(call) == "NoSuchUpload"


def test_completing_again_with_other_parts_is_no_repetition(site: Site, client: Any) -> None:
    upload = begin(client)
    parts = fill(client, upload, ONE, TWO)
    complete(client, upload, parts)
    with pytest.raises(ClientError) as call:
        complete(client, upload, parts[:1])
    assert code(call) == "NoSuchUpload"
    assert finish(site, upload["UploadId"], "not-hexadecimal").code == "NoSuchUpload"


def test_completing_again_is_held_to_what_it_demands(client: Any) -> None:
    upload = begin(client)
    parts = fill(client, upload, ONE, TWO)
    done = complete(client, upload, parts)
    size = len(ONE) + len(TWO)
    good: dict[str, Any] = {"IfMatch": done["ETag"], "MpuObjectSize": size, "ChecksumType": "FULL_OBJECT"}
    assert complete(client, upload, parts, **good)["ETag"] == done["ETag"]
    demands: tuple[tuple[dict[str, Any], str], ...] = (
        ({"IfMatch": '"x"'}, "PreconditionFailed"),
        ({"IfNoneMatch": "*"}, "PreconditionFailed"),
        ({"MpuObjectSize": size + 1}, "InvalidRequest"),
        ({"ChecksumCRC64NVME": "AAAAAAAAAAA="}, "InvalidRequest"),  # there is none: the parts came with another
    )
    for demand, refusal in demands:
        with pytest.raises(ClientError) as call:
            complete(client, upload, parts, **demand)
        assert code(call) == refusal
    with pytest.raises(ClientError) as call:
        complete(client, upload | {"UploadId": "no-id-of-ours"}, parts)
    assert code(call) == "NoSuchUpload"


@pytest.mark.parametrize(("made", "named"), [({"ChecksumAlgorithm": "SHA256"}, "FULL_OBJECT"), ({}, "COMPOSITE")])
def test_the_type_of_the_checksum_is_the_uploads(client: Any, made: dict[str, str], named: str) -> None:
    upload = begin(client, **made)
    parts = fill(client, upload, ONE, TWO, **made)
    with pytest.raises(ClientError) as call:
        complete(client, upload, parts, ChecksumType=named)
    assert code(call) == "InvalidRequest"
    complete(client, upload, parts, ChecksumType="COMPOSITE" if made else "FULL_OBJECT")


def test_a_composite_checksum_needs_those_of_the_parts(client: Any) -> None:
    upload = begin(client, ChecksumAlgorithm="SHA256")
    parts = fill(client, upload, ONE, TWO, ChecksumAlgorithm="SHA256")
    bare = {name: value for name, value in parts[1].items() if not name.startswith("Checksum")}
    with pytest.raises(ClientError, match="missing for part 2") as call:
        complete(client, upload, [parts[0], bare])
    assert code(call) == "InvalidRequest"
    complete(client, upload, parts)


def test_a_part_that_is_not_the_last_has_five_mebibytes(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    upload = begin(client)
    parts = fill(client, upload, b"1" * (5 * 1024 * 1024 - 1), TWO)
    with pytest.raises(ClientError) as call:
        complete(client, upload, parts)
    assert code(call) == "EntityTooSmall"
    parts[0] = fill(client, upload, b"1" * (5 * 1024 * 1024))[0]
    complete(client, upload, parts)


def test_parts_must_be_there_in_order_and_large_enough(client: Any) -> None:
    upload = begin(client)
    parts = fill(client, upload, TWO, ONE)
    for wanted, refusal in (
        (list(reversed(parts)), "InvalidPartOrder"),
        ([{"PartNumber": 9, "ETag": '"x"'}], "InvalidPart"),
        ([parts[0] | {"ETag": f'"{"0" * 32}"'}], "InvalidPart"),
        (parts, "EntityTooSmall"),
    ):
        with pytest.raises(ClientError) as call:
            complete(client, upload, wanted)
        assert code(call) == refusal
    with pytest.raises(ClientError) as call:
        client.head_object(Bucket="photos", Key="k")
    complete(client, upload, parts[1:])


@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        (b"", "MalformedXML"),
        (b"<CompleteMultipartUpload/>", "MalformedXML"),
        (b"<Wrong/>", "MalformedXML"),
        (b"junk", "MalformedXML"),
    ],
)
def test_a_list_of_parts_that_is_none_completes_nothing(site: Site, client: Any, document: bytes, wanted: str) -> None:
    upload = begin(client)
    fill(client, upload, TWO)
    assert site.ask("POST", "/photos/k", f"uploadId={upload['UploadId']}", body=document).code == wanted
    assert len(client.list_multipart_uploads(Bucket="photos")["Uploads"]) == 1


def test_the_conditions_of_completing_decide(client: Any) -> None:
    etag = client.put_object(Bucket="photos", Key="k", Body=b"there")["ETag"]
    upload = begin(client)
    parts = fill(client, upload, TWO)
    for wrong in ({"IfNoneMatch": "*"}, {"IfMatch": '"x"'}):
        with pytest.raises(ClientError) as call:
            complete(client, upload, parts, **wrong)
        assert code(call) == "PreconditionFailed"
    complete(client, upload, parts, IfMatch=etag)


def test_a_part_sent_again_replaces_the_first(client: Any) -> None:
    upload = begin(client)
    fill(client, upload, b"old")
    complete(client, upload, fill(client, upload, b"new"))
    assert client.get_object(Bucket="photos", Key="k")["Body"].read() == b"new"


def test_an_aborted_upload_is_gone(site: Site, client: Any) -> None:
    upload = begin(client)
    parts = fill(client, upload, TWO)
    client.abort_multipart_upload(**upload)
    calls: tuple[Callable[[], Any], ...] = (
        lambda: client.abort_multipart_upload(**upload),
        lambda: client.list_parts(**upload),
        lambda: client.upload_part(**upload, PartNumber=1, Body=b"x"),
        lambda: complete(client, upload, parts),
    )
    for call in calls:
        with pytest.raises(ClientError) as refusal:
            call()
        assert code(refusal) == "NoSuchUpload"
    assert site.ask("HEAD", "/photos/k").status == 404


@pytest.mark.parametrize("upload_id", ["../../etc/passwd", "0" * 32, "%00", "null"])
@pytest.mark.usefixtures("client")
def test_an_upload_id_is_only_looked_up(site: Site, upload_id: str) -> None:
    query = f"partNumber=1&uploadId={upload_id.replace('/', '%2F')}"
    assert site.ask("PUT", "/photos/k", query, body=b"x").code == "NoSuchUpload"


def test_an_upload_belongs_to_its_key_and_bucket(site: Site, client: Any) -> None:
    upload = begin(client)
    client.create_bucket(Bucket="other")
    query = f"partNumber=1&uploadId={upload['UploadId']}"
    assert site.ask("PUT", "/photos/another", query, body=b"x").code == "NoSuchUpload"
    assert site.ask("PUT", "/other/k", query, body=b"x").code == "NoSuchUpload"
    for method, sub in (("PUT", query), ("GET", query[13:]), ("DELETE", query[13:])):
        assert site.ask(method, "/photos/k", sub, key=BOB_KEY).code == "AccessDenied"


@pytest.mark.parametrize("number", ["0", "10001", "-1", "x"])
def test_a_part_number_has_limits(site: Site, client: Any, number: str) -> None:
    upload = begin(client)
    answer = site.ask("PUT", "/photos/k", f"partNumber={number}&uploadId={upload['UploadId']}", body=b"x")
    assert answer.code == "InvalidArgument"


def test_a_part_that_is_not_what_was_said_is_not_kept(site: Site, client: Any) -> None:
    upload = begin(client)
    query = f"partNumber=1&uploadId={upload['UploadId']}"
    answer = site.ask("PUT", "/photos/k", query, body=b"x", headers={"x-amz-checksum-crc32": "AAAAAA=="})
    assert answer.code == "BadDigest"

    def swap(request: Any) -> Any:
        request.body = BytesBody(b"y")
        return request

    assert site.ask("PUT", "/photos/k", query, body=b"x", edit=swap).code == "XAmzContentSHA256Mismatch"
    assert "Parts" not in client.list_parts(**upload)


def test_parts_are_listed_in_pages(client: Any) -> None:
    upload = begin(client, ChecksumAlgorithm="CRC32")
    fill(client, upload, b"a", b"bb", b"ccc", ChecksumAlgorithm="CRC32")
    page = client.list_parts(**upload, MaxParts=2)
    assert [(part["PartNumber"], part["Size"]) for part in page["Parts"]] == [(1, 1), (2, 2)]
    assert (page["IsTruncated"], page["NextPartNumberMarker"], page["MaxParts"]) == (True, 2, 2)
    assert (page["Initiator"]["ID"], page["Owner"]["ID"], page["StorageClass"]) == (ALICE.id, ALICE.id, "STANDARD")
    assert (page["ChecksumAlgorithm"], page["ChecksumType"]) == ("CRC32", "COMPOSITE")
    assert "ChecksumCRC32" in page["Parts"][0]
    rest = client.list_parts(**upload, PartNumberMarker=2)
    assert [part["PartNumber"] for part in rest["Parts"]] == [3]
    assert rest["IsTruncated"] is False
    none = client.list_parts(**upload, MaxParts=0)
    assert ("Parts" in none, none["IsTruncated"]) == (False, False)


def test_uploads_are_listed_in_pages_and_rolled_up(client: Any) -> None:
    uploads = [begin(client, key) for key in ("a/1", "a/2", "b", "b", "c ü")]
    page = client.list_multipart_uploads(Bucket="photos", MaxUploads=3)
    assert [upload["Key"] for upload in page["Uploads"]] == ["a/1", "a/2", "b"]
    rest = client.list_multipart_uploads(
        Bucket="photos", KeyMarker=page["NextKeyMarker"], UploadIdMarker=page["NextUploadIdMarker"]
    )
    assert [upload["Key"] for upload in rest["Uploads"]] == ["b", "c ü"]
    found = {upload["UploadId"] for upload in page["Uploads"] + rest["Uploads"]}
    assert found == {upload["UploadId"] for upload in uploads}
    rolled = client.list_multipart_uploads(Bucket="photos", Delimiter="/")
    assert [prefix["Prefix"] for prefix in rolled["CommonPrefixes"]] == ["a/"]
    assert len(client.list_multipart_uploads(Bucket="photos", Prefix="a/")["Uploads"]) == 2
    behind = client.list_multipart_uploads(Bucket="photos", KeyMarker="b")
    assert [upload["Key"] for upload in behind["Uploads"]] == ["c ü"]
    alone = client.list_multipart_uploads(Bucket="photos", UploadIdMarker=uploads[-1]["UploadId"])
    assert len(alone["Uploads"]) == 5


def test_attributes_page_their_parts(client: Any) -> None:
    upload = begin(client, ChecksumAlgorithm="SHA256")
    parts = fill(client, upload, ONE, ONE, TWO, ChecksumAlgorithm="SHA256")
    complete(client, upload, parts)
    ask = {"Bucket": "photos", "Key": "k", "ObjectAttributes": ["ObjectParts"]}
    page = client.get_object_attributes(**ask, MaxParts=2)
    assert "ETag" not in page
    shown = page["ObjectParts"]
    assert [(part["PartNumber"], part["Size"]) for part in shown["Parts"]] == [(1, len(ONE)), (2, len(ONE))]
    assert (shown["IsTruncated"], shown["NextPartNumberMarker"], shown["TotalPartsCount"]) == (True, 2, 3)
    assert shown["Parts"][0]["ChecksumSHA256"] == parts[0]["ChecksumSHA256"]
    rest = client.get_object_attributes(**ask, PartNumberMarker=2)["ObjectParts"]
    assert ([part["PartNumber"] for part in rest["Parts"]], rest["IsTruncated"]) == ([3], False)


def test_attributes_of_an_object_in_one_piece(site: Site, client: Any) -> None:
    client.put_object(Bucket="photos", Key="k", Body=b"abc")
    page = client.get_object_attributes(
        Bucket="photos", Key="k", ObjectAttributes=["ObjectParts", "ObjectSize"], VersionId="null"
    )
    assert ("ObjectParts" in page, page["ObjectSize"]) == (False, 3)
    assert page["LastModified"] == client.head_object(Bucket="photos", Key="k")["LastModified"]
    assert site.ask("GET", "/photos/k", "attributes").code == "InvalidRequest"
    headers = {"x-amz-object-attributes": "Colour"}
    assert site.ask("GET", "/photos/k", "attributes", headers=headers).code == "InvalidArgument"
    headers = {"x-amz-object-attributes": "ETag"}
    assert site.ask("GET", "/photos/none", "attributes", headers=headers).code == "NoSuchKey"


def test_an_index_that_breaks_while_completing_is_not_taken_for_a_repetition(monkeypatch: pytest.MonkeyPatch) -> None:
    for site in make_site():
        client = site.client()
        client.create_bucket(Bucket="photos")
        upload = begin(client)
        parts = fill(client, upload, TWO)
        site.ask("DELETE", "/photos/k", f"uploadId={upload['UploadId']}")

        async def broken(*_: object) -> None:
            raise OSError("the disk is gone")

        monkeypatch.setattr(type(site.store), "head", broken)
        assert finish(site, upload["UploadId"], parts[0]["ETag"]).code == "InternalError"

"""GetObject and HeadObject: the whole, the part, the range, and nothing."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from tests.support.site import BOB_KEY, ROOT_KEY, SCOPED_KEY, Answer, Site, make_site

SMALL = bytes(range(256)) * 4  # lives in the index
LARGE = bytes(range(251)) * 400  # lives in a blob


@pytest.fixture
def client(site: Site) -> Any:
    client = site.client()
    client.create_bucket(Bucket="photos")
    client.put_object(Bucket="photos", Key="small", Body=SMALL, ContentType="text/plain", Metadata={"colour": "red"})
    client.put_object(Bucket="photos", Key="large", Body=LARGE)
    client.put_object(Bucket="photos", Key="empty", Body=b"")
    return client


def status(call: pytest.ExceptionInfo[ClientError]) -> int:
    return int(call.value.response["ResponseMetadata"]["HTTPStatusCode"])


@pytest.mark.parametrize(("key", "content"), [("small", SMALL), ("large", LARGE), ("empty", b"")])
def test_what_was_put_comes_back(client: Any, key: str, content: bytes) -> None:
    answer = client.get_object(Bucket="photos", Key=key)
    assert answer["Body"].read() == content
    assert answer["ContentLength"] == len(content)
    assert answer["AcceptRanges"] == "bytes"
    assert answer["ETag"] == client.head_object(Bucket="photos", Key=key)["ETag"]
    assert answer["ETag"].startswith('"')
    assert "VersionId" not in answer


@pytest.mark.usefixtures("client")
def test_head_is_get_without_the_bytes(site: Site) -> None:
    got, head = site.ask("GET", "/photos/small"), site.ask("HEAD", "/photos/small")
    changing = {"x-amz-request-id"}
    assert {n: v for n, v in got.headers.items() if n not in changing} == {
        n: v for n, v in head.headers.items() if n not in changing
    }
    assert (got.status, head.status, head.body) == (200, 200, b"")
    assert head.headers["content-length"] == str(len(SMALL))
    assert head.headers["content-type"] == "text/plain"
    assert head.headers["x-amz-meta-colour"] == "red"


def test_a_type_that_was_not_given_is_binary(client: Any) -> None:
    assert client.head_object(Bucket="photos", Key="large")["ContentType"] == "binary/octet-stream"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.usefixtures("client")
def test_what_is_not_there_is_said_to_be_missing(site: Site, method: str) -> None:
    answer = site.ask(method, "/photos/none")
    assert answer.status == 404
    assert answer.code == ("NoSuchKey" if method == "GET" else "")
    assert (answer.body == b"") is (method == "HEAD")
    assert site.ask(method, "/nowhere/none").status == 404


@pytest.mark.parametrize("key", ["small", "large"])
@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=0-0", 0, 0), ("bytes=10-19", 10, 19), ("bytes=1000-", 1000, None), ("bytes=-7", -7, None)],
)
def test_a_range_is_cut_out(client: Any, key: str, asked: str, first: int, last: int | None) -> None:
    content = SMALL if key == "small" else LARGE
    wanted = content[first:] if last is None else content[first : last + 1]
    answer = client.get_object(Bucket="photos", Key=key, Range=asked)
    start = len(content) + first if first < 0 else first
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert answer["Body"].read() == wanted
    assert answer["ContentRange"] == f"bytes {start}-{start + len(wanted) - 1}/{len(content)}"
    assert answer["ContentLength"] == len(wanted)
    head = client.head_object(Bucket="photos", Key=key, Range=asked)
    assert head["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert head["ContentLength"] == len(wanted)


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=0-1,3-4", "lines=1-2", "bytes=a-b"])
@pytest.mark.usefixtures("client")
def test_a_range_that_is_none_gives_the_whole(site: Site, asked: str) -> None:
    answer = site.ask("GET", "/photos/small", headers={"range": asked})
    assert (answer.status, answer.body) == (200, SMALL)


@pytest.mark.parametrize(("key", "asked"), [("small", "bytes=1024-"), ("empty", "bytes=0-0"), ("small", "bytes=-0")])
@pytest.mark.usefixtures("client")
def test_a_range_outside_is_not_satisfiable(site: Site, key: str, asked: str) -> None:
    answer = site.ask("GET", f"/photos/{key}", headers={"range": asked})
    assert (answer.status, answer.code) == (416, "InvalidRange")
    assert b"<ActualObjectSize>" in answer.body
    assert answer.headers["content-range"] == f"bytes */{len(SMALL) if key == 'small' else 0}"
    assert site.ask("HEAD", f"/photos/{key}", headers={"range": asked}).headers["content-range"].startswith("bytes */")


def ask(site: Site, **headers: str) -> Answer:
    return site.ask("GET", "/photos/small", headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_preconditions_decide(site: Site, client: Any) -> None:
    head = client.head_object(Bucket="photos", Key="small")
    etag, modified = head["ETag"], head["LastModified"]
    before = (modified - timedelta(hours=1)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    now = modified.strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert ask(site, if_match=etag).status == 200
    assert ask(site, if_match='"other"').status == 412
    assert ask(site, if_none_match=etag).status == 304
    assert ask(site, if_none_match='"other"').status == 200
    assert ask(site, if_modified_since=before).status == 200
    assert ask(site, if_modified_since=now).status == 304
    assert ask(site, if_unmodified_since=before).status == 412
    assert ask(site, if_unmodified_since=now).status == 200
    assert ask(site, if_match=etag, if_unmodified_since=before).status == 200  # S3 API reference, GetObject
    assert ask(site, if_none_match=etag, if_modified_since=before).status == 304
    assert ask(site, if_modified_since="no date").status == 200


def test_a_304_has_what_a_cache_needs_and_no_body(site: Site, client: Any) -> None:
    client.put_object(Bucket="photos", Key="cached", Body=b"x", CacheControl="max-age=9", ContentType="a/b")
    etag = client.head_object(Bucket="photos", Key="cached")["ETag"]
    answer = site.ask("GET", "/photos/cached", headers={"if-none-match": etag})
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["etag"] == etag
    assert answer.headers["cache-control"] == "max-age=9"
    assert "content-type" not in answer.headers
    assert "content-length" not in answer.headers


@pytest.mark.usefixtures("client")
def test_a_failed_condition_names_itself(site: Site) -> None:
    answer = ask(site, if_match='"other"')
    assert answer.code == "PreconditionFailed"
    assert b"<Condition>If-Match</Condition>" in answer.body


def test_if_range_guards_a_range(site: Site, client: Any) -> None:
    etag = client.head_object(Bucket="photos", Key="small")["ETag"]
    assert ask(site, range="bytes=0-3", if_range=etag).status == 206
    assert ask(site, range="bytes=0-3", if_range='"older"').status == 200


@pytest.mark.parametrize("method", ["get_object", "head_object"])
def test_the_checksum_comes_when_asked_for(client: Any, method: str) -> None:
    client.put_object(Bucket="photos", Key="summed", Body=b"x", ChecksumAlgorithm="SHA256")
    answer = getattr(client, method)(Bucket="photos", Key="summed", ChecksumMode="ENABLED")
    assert answer["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(b"x").digest()).decode()
    assert answer["ChecksumType"] == "FULL_OBJECT"


@pytest.mark.usefixtures("client")
def test_the_checksum_does_not_come_unasked_or_with_a_range(site: Site) -> None:
    asked = {"x-amz-checksum-mode": "ENABLED"}
    assert any(name.startswith("x-amz-checksum-") for name in site.ask("GET", "/photos/small", headers=asked).headers)
    for headers in ({}, asked | {"range": "bytes=0-1"}):
        answer = site.ask("GET", "/photos/small", headers=headers)
        assert not any(name.startswith("x-amz-checksum-") for name in answer.headers)


def test_overrides_replace_what_is_stored(client: Any) -> None:
    answer = client.get_object(
        Bucket="photos",
        Key="small",
        ResponseContentType="image/png",
        ResponseContentDisposition='attachment; filename="ü.png"',
        ResponseCacheControl="no-store",
        ResponseContentEncoding="br",
        ResponseContentLanguage="fr",
        ResponseExpires=datetime(2030, 1, 1, tzinfo=UTC),
    )
    assert answer["ContentType"] == "image/png"
    assert answer["ContentDisposition"].encode("latin-1").decode() == 'attachment; filename="ü.png"'
    assert (answer["CacheControl"], answer["ContentEncoding"], answer["ContentLanguage"]) == ("no-store", "br", "fr")
    assert "2030" in answer["ExpiresString"]


@pytest.mark.usefixtures("client")
def test_overrides_cannot_smuggle_a_header(site: Site) -> None:
    answer = site.ask("GET", "/photos/small", "response-content-type=a%2Fb%0D%0Ax-evil%3A%201")
    assert (answer.status, answer.code) == (400, "InvalidArgument")


def test_the_null_version_is_the_object_and_no_other_is(site: Site, client: Any) -> None:
    assert client.get_object(Bucket="photos", Key="small", VersionId="null")["Body"].read() == SMALL
    for version, code in (
        ("v" * 32, "NoSuchVersion"),
        ("", "InvalidArgument"),
        ("abcDEF123", "InvalidArgument"),
        ("a%20b", "InvalidArgument"),
    ):
        assert site.ask("GET", "/photos/small", f"versionId={version}").code == code


def test_part_one_of_an_object_in_one_piece_is_all_of_it(site: Site, client: Any) -> None:
    answer = client.get_object(Bucket="photos", Key="small", PartNumber=1)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert answer["ContentRange"] == "bytes 0-1023/1024"
    assert "PartsCount" not in answer
    assert site.ask("GET", "/photos/empty", "partNumber=1").status == 200
    assert site.ask("GET", "/photos/small", "partNumber=2").code == "InvalidPartNumber"
    assert site.ask("GET", "/photos/small", "partNumber=0").code == "InvalidArgument"
    assert site.ask("GET", "/photos/small", "partNumber=1", headers={"range": "bytes=0-1"}).code == "InvalidRequest"


@pytest.mark.parametrize("key", [None, BOB_KEY, SCOPED_KEY])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.usefixtures("client")
def test_others_are_turned_away_alike_whether_the_object_exists(site: Site, method: str, key: Any) -> None:
    answers = [site.ask(method, f"/photos/{name}", key=key) for name in ("small", "none")]
    assert [answer.status for answer in answers] == [403, 403]


@pytest.mark.usefixtures("client")
def test_root_reads_everything(site: Site) -> None:
    assert site.ask("GET", "/photos/small", key=ROOT_KEY).body == SMALL


@pytest.mark.usefixtures("client")
def test_a_presigned_url_reads_and_may_override(site: Site) -> None:
    query = site.presigned("GET", "/photos/small", "response-content-type=text%2Fcsv")
    answer = site.ask("GET", "/photos/small", query, key=None)
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, SMALL, "text/csv")


@given(data=st.binary(max_size=20_000), cut=st.tuples(st.integers(0, 21_000), st.integers(0, 21_000)))
def test_every_range_is_a_slice(data: bytes, cut: tuple[int, int]) -> None:
    for site in make_site():
        site.ask("PUT", "/photos")
        site.ask("PUT", "/photos/k", body=data)
        answer = site.ask("GET", "/photos/k", headers={"range": f"bytes={cut[0]}-{cut[1]}"})
        if cut[1] < cut[0]:
            assert (answer.status, answer.body) == (200, data)
        elif cut[0] >= len(data):
            assert answer.status == 416
        else:
            assert (answer.status, answer.body) == (206, data[cut[0] : cut[1] + 1])

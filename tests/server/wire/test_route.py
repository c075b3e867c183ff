import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.core.uri import uri_encode
from cybous3.server.wire.address import CopySource
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.generated.operations import OPERATIONS, SUBRESOURCES
from cybous3.server.wire.message import Headers, Request
from cybous3.server.wire.route import Target, route

BASE = ("S3.example.com:9000", "localhost", "[::1]:9000", ".example.com.", "")


def ask(method: str, url: str, *headers: tuple[str, str], host: str = "localhost:9000") -> Target:
    path, _, query = url.partition("?")
    return route(Request(method, path, query, Headers([("host", host), *headers])), BASE)


def refusal(method: str, url: str, *headers: tuple[str, str], host: str = "localhost:9000") -> S3Error:
    with pytest.raises(S3Error) as caught:
        ask(method, url, *headers, host=host)
    return caught.value


@pytest.mark.parametrize(
    ("method", "url", "operation"),
    [
        ("GET", "/", "ListBuckets"),
        ("GET", "/?x-id=ListBuckets", "ListBuckets"),
        ("GET", "/?x-id=ListDirectoryBuckets", "ListDirectoryBuckets"),
        ("GET", "/?max-directory-buckets=5", "ListDirectoryBuckets"),
        ("GET", "/bucket", "ListObjects"),
        ("GET", "/bucket/", "ListObjects"),
        ("GET", "/bucket?list-type=2", "ListObjectsV2"),
        ("GET", "/bucket?prefix=a&unknown=b", "ListObjects"),
        ("GET", "/bucket?versions&prefix=", "ListObjectVersions"),
        ("GET", "/bucket?uploads=", "ListMultipartUploads"),
        ("GET", "/bucket?analytics", "ListBucketAnalyticsConfigurations"),
        ("GET", "/bucket?analytics&id=1", "GetBucketAnalyticsConfiguration"),
        ("GET", "/bucket?id=1", "ListObjects"),
        ("PUT", "/bucket", "CreateBucket"),
        ("PUT", "/bucket?x-id=CreateBucket", "CreateBucket"),
        ("POST", "/bucket?delete", "DeleteObjects"),
        ("POST", "/bucket", "PostObject"),
        ("OPTIONS", "/bucket?cors", "OptionsBucket"),
        ("OPTIONS", "/bucket/key?uploads", "OptionsObject"),
        ("POST", "/WriteGetObjectResponse", "WriteGetObjectResponse"),
        ("GET", "/bucket//", "GetObject"),
        ("GET", "/bucket/key?12345", "GetObject"),
        ("HEAD", "/bucket/key?partNumber=1", "HeadObject"),
        ("GET", "/bucket/key?uploadId=u", "ListParts"),
        ("PUT", "/bucket/key?partNumber=1&uploadId=u", "UploadPart"),
        ("PUT", "/bucket/key?uploadId=u", "UploadPart"),  # the decoder then misses the number
        ("POST", "/bucket/key?uploads", "CreateMultipartUpload"),
        ("POST", "/bucket/key?uploadId=u", "CompleteMultipartUpload"),
        ("DELETE", "/bucket/key?uploadId=u", "AbortMultipartUpload"),
        ("PUT", "/bucket/key?renameObject", "RenameObject"),
        ("GET", "/bucket/key?annotation", "ListObjectAnnotations"),
        ("GET", "/bucket/key?annotation&annotationName=n", "GetObjectAnnotation"),
        ("POST", "/bucket/key?select&select-type=2", "SelectObjectContent"),
    ],
)
def test_a_request_finds_its_operation(method: str, url: str, operation: str) -> None:
    assert ask(method, url, ("x-amz-rename-source", "b-1/k")).operation.name == operation


def test_the_copy_header_makes_a_copy() -> None:
    header = ("x-amz-copy-source", "/other/a%20b+c%2B?versionId=x%2Fy")
    put = ask("PUT", "/bucket/key", header)
    assert (put.operation.name, put.source) == ("CopyObject", CopySource("other", "a b c+", "x/y"))
    assert ask("PUT", "/bucket/key?uploadId=u&partNumber=2", header).operation.name == "UploadPartCopy"
    assert ask("GET", "/bucket/key", header).operation.name == "GetObject"


def test_a_copy_without_a_source_that_can_be_read_is_refused() -> None:
    for value in ("", "bucket", "/bucket", "bucket/", "/", "/bucket/%ff", "bucket/k?versionId="):
        assert refusal("PUT", "/bucket/key", ("x-amz-copy-source", value)).code == "InvalidArgument"
    assert refusal("PUT", "/bucket/key", ("x-amz-copy-source", "UP/key")).code == "InvalidBucketName"
    assert refusal("PUT", "/bucket/key?renameObject").code == "InvalidArgument"


def test_a_subresource_never_falls_through_to_the_plain_operation() -> None:
    """Every sub-resource with every method at every level: its own row, or a refusal."""
    own = {(row.method, row.level, key) for row in OPERATIONS for key in row.query}
    for level, path in (("service", "/"), ("bucket", "/bucket"), ("object", "/bucket/key")):
        for method in ("GET", "PUT", "POST", "DELETE", "HEAD", "PATCH"):
            for key in SUBRESOURCES:
                if (method, level, key) in own:
                    operation = ask(method, f"{path}?{key}&select-type=2", ("x-amz-rename-source", "b-1/k")).operation
                    assert key in operation.query
                else:
                    assert refusal(method, f"{path}?{key}").code == "MethodNotAllowed"


@pytest.mark.parametrize("url", ["/bucket?vpc", "/bucket?vpc=", "/bucket?list-type=2&vpc", "/bucket/key?newthing"])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST", "GET"])
def test_an_unknown_bare_key_is_refused_by_name(method: str, url: str) -> None:
    if method == "GET" and "/key" in url:
        assert ask(method, url).operation.name == "GetObject"
    elif method == "POST" and "/key" in url:
        assert refusal(method, url).code == "MethodNotAllowed"
    else:
        error = refusal(method, url)
        assert (error.code, error.status, error.detail["Query"]) == (
            "NotImplemented",
            501,
            "newthing" if "newthing" in url else "vpc",
        )


@pytest.mark.parametrize(
    ("method", "url", "code"),
    [
        ("PATCH", "/bucket/key", "MethodNotAllowed"),
        ("POST", "/", "MethodNotAllowed"),
        ("POST", "/bucket/key", "MethodNotAllowed"),
        ("POST", "/bucket/key?select", "MethodNotAllowed"),
        ("OPTIONS", "/", "MethodNotAllowed"),
        ("GET", "/bucket?acl&policy", "InvalidArgument"),
        ("POST", "/bucket/key?uploads&uploadId=u", "InvalidArgument"),
        ("GET", "/bucket?list-type=3", "InvalidArgument"),
        ("GET", "/bucket?prefix=a&prefix=b", "InvalidArgument"),
        ("PUT", "/bucket/key?partNumber=1", "InvalidArgument"),
        ("PUT", "/bucket/key?versionId=1", "InvalidArgument"),
        ("GET", "/bucket?prefix=%zz", "InvalidURI"),
        ("GET", "/bucket?prefix=%ff", "InvalidURI"),
        ("GET", "/bucket/%ff", "InvalidURI"),
        ("GET", "/bucket/100%", "InvalidURI"),
        ("OPTIONS", "*", "InvalidURI"),
        ("GET", "//key", "InvalidBucketName"),
        ("GET", "/Bucket/key", "InvalidBucketName"),
        ("GET", "/a%2Fb/key", "InvalidBucketName"),
        ("GET", "/%2e%2e/key", "InvalidBucketName"),
    ],
)
def test_what_cannot_be_meant_is_refused(method: str, url: str, code: str) -> None:
    assert refusal(method, url).code == code


def test_conflicting_subresources_are_named() -> None:
    error = refusal("GET", "/bucket?policy&acl")
    assert error.message == "Conflicting query string parameters: acl, policy"
    assert error.detail == {"ArgumentName": "ResourceType", "ArgumentValue": "acl"}


def test_an_unknown_parameter_may_come_twice() -> None:
    assert ask("GET", "/bucket?a=1&a=2&prefix=p").query == {"a": "1", "prefix": "p"}


@pytest.mark.parametrize(
    ("host", "path", "bucket", "key", "style"),
    [
        ("localhost:9000", "/b-1/k", "b-1", "k", "path"),
        ("b-1.localhost:9000", "/k/l", "b-1", "k/l", "virtual-hosted"),
        ("b-1.localhost", "/", "b-1", None, "virtual-hosted"),
        ("B-1.LocalHost.", "//", "b-1", "/", "virtual-hosted"),
        ("my.dotted.bucket.s3.example.com", "/k", "my.dotted.bucket", "k", "virtual-hosted"),
        ("s3.example.com:9000", "/b-1/k", "b-1", "k", "path"),
        ("www.example.com", "/k", "www", "k", "virtual-hosted"),
        ("other.org", "/b-1/k", "b-1", "k", "path"),
        ("notexample.com", "/b-1/k", "b-1", "k", "path"),
        ("127.0.0.1:9000", "/b-1/k", "b-1", "k", "path"),
        ("[::1]:9000", "/b-1/k", "b-1", "k", "path"),
        ("[fe80::1%25eth0]", "/b-1/k", "b-1", "k", "path"),
        ("", "/b-1", "b-1", None, "path"),
    ],
)
def test_the_host_may_name_the_bucket(host: str, path: str, bucket: str, key: str | None, style: str) -> None:
    target = ask("GET", path, host=host)
    assert (target.bucket, target.key, target.style) == (bucket, key, style)


@pytest.mark.parametrize("hosts", [("a.z.org", "z.org"), ("z.org", "a.z.org")])
def test_the_longest_base_host_wins(hosts: tuple[str, ...]) -> None:
    assert route(Request("GET", "/b-1/k", "", Headers([("host", "a.z.org")])), hosts).bucket == "b-1"
    assert route(Request("GET", "/k", "", Headers([("host", "b-1.a.z.org")])), hosts).bucket == "b-1"


def test_a_host_names_no_bucket_where_no_base_host_is_configured() -> None:
    target = route(Request("GET", "/b-1/k", "", Headers([("host", "x.localhost")])))
    assert (target.bucket, target.key) == ("b-1", "k")


def test_a_bucket_in_the_host_keeps_the_rules_of_names() -> None:
    assert refusal("GET", "/", host="a_b.localhost").code == "InvalidBucketName"


def test_the_literal_path_is_a_key_under_a_bucket_host() -> None:
    assert ask("GET", "/WriteGetObjectResponse", host="b-1.localhost").key == "WriteGetObjectResponse"
    assert refusal("POST", "/WriteGetObjectResponse", host="b-1.localhost").code == "MethodNotAllowed"


KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)


@given(key=KEYS)
def test_any_key_arrives_as_it_was_meant(key: str) -> None:
    """Dots, slashes, control characters, NUL and emoji are parts of a key: decoded once, never normalised."""
    target = ask("GET", f"/bucket/{uri_encode(key, safe_slash=True)}")
    assert target.key == key


@pytest.mark.parametrize(
    "key", ["..", "../x", "/", "//a//", "a/../b", ".", "\\", "a\0b", "C:\\aux", "%2e%2e", "a+b", "😀/"]
)
def test_awkward_keys_arrive_unchanged(key: str) -> None:
    assert ask("GET", f"/bucket/{uri_encode(key)}").key == key
    assert ask("GET", f"/{uri_encode(key, safe_slash=True)}", host="b-1.localhost").key == key


def test_a_plus_in_a_path_is_a_plus_and_raw_utf8_is_read() -> None:
    assert ask("GET", "/bucket/a+b").key == "a+b"
    assert ask("GET", "/bucket/" + "ü".encode().decode("latin-1")).key == "ü"
    assert ask("GET", "/bucket?prefix=a+b%2Bc").query["prefix"] == "a b+c"


def test_a_key_has_at_most_1024_bytes() -> None:
    assert ask("PUT", f"/bucket/{'k' * 1024}").key == "k" * 1024
    assert ask("PUT", f"/bucket/{uri_encode('é' * 512)}").key == "é" * 512
    for key in ("k" * 1025, "é" * 513):
        error = refusal("PUT", f"/bucket/{uri_encode(key)}")
        assert (error.code, error.detail["MaxSizeAllowed"]) == ("KeyTooLongError", "1024")


def test_one_header_cannot_say_two_things() -> None:
    twice = (("x-amz-copy-source", "a-1/b"), ("x-amz-copy-source", "a-1/c"))
    assert refusal("PUT", "/bucket/key", *twice).code == "InvalidRequest"
    assert refusal("PUT", "/bucket/key", ("if-match", "a"), ("if-match", "b")).code == "InvalidRequest"
    assert refusal("GET", "/bucket", ("host", "evil.localhost")).code == "InvalidRequest"


def test_a_header_may_be_repeated_where_that_means_a_list_or_the_same() -> None:
    assert ask("GET", "/bucket/key", ("range", "bytes=0-1"), ("range", "bytes=0-1")).operation.name == "GetObject"
    lists = (
        ("x-amz-object-attributes", "ETag"),
        ("x-amz-object-attributes", "ObjectSize"),
        ("accept", "a"),
        ("accept", "b"),
    )
    assert ask("GET", "/bucket/key?attributes", *lists).decode()
    assert ask("PUT", "/bucket/key", ("x-amz-meta-a", "1"), ("x-amz-meta-a", "2")).operation.name == "PutObject"


@pytest.mark.parametrize(
    ("method", "url", "header"),
    [
        ("PUT", "/bucket/key", "if-modified-since"),
        ("DELETE", "/bucket/key", "if-none-match"),
        ("PUT", "/bucket", "if-none-match"),
        ("PUT", "/bucket/key?uploadId=u&partNumber=1", "if-match"),
    ],
)
def test_a_write_refuses_a_condition_it_would_overlook(method: str, url: str, header: str) -> None:
    error = refusal(method, url, (header, "*"))
    assert (error.code, error.detail["Header"].lower()) == ("NotImplemented", header)


def test_a_read_and_a_write_take_the_conditions_they_know() -> None:
    assert ask("PUT", "/bucket/key", ("if-none-match", "*")).operation.name == "PutObject"
    assert ask("GET", "/bucket/key", ("if-modified-since", "x")).operation.name == "GetObject"


def test_bare_keys_of_a_signature_or_an_sdk_are_no_subresources() -> None:
    assert ask("PUT", "/bucket?X-Amz-Security-Token=&x-id=").operation.name == "CreateBucket"

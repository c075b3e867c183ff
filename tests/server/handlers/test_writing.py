"""PutObject, DeleteObject and DeleteObjects: whole and proven, or not at all."""

import base64
import hashlib
import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import unquote_plus

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from cybous3.core.chunked.encoder import Encoder
from cybous3.core.sigv4.credentials import Credentials
from cybous3.core.sigv4.payload import payload_mode
from cybous3.core.sigv4.sign import Signed, sign
from cybous3.core.uri import uri_encode
from cybous3.server.wire.message import Headers, Request
from tests.support.site import ALICE_KEY, BOB_KEY, HOST, Answer, BytesBody, Site, edited, make_site

MD5 = base64.b64encode(hashlib.md5(b"body", usedforsecurity=False).digest()).decode()
CRC32 = base64.b64encode(zlib.crc32(b"body").to_bytes(4)).decode()


@pytest.fixture
def client(site: Site) -> Any:
    client = site.client()
    client.create_bucket(Bucket="photos")
    return client


def put(site: Site, body: bytes = b"body", **headers: str) -> Answer:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return site.ask("PUT", "/photos/k", headers=fields, body=body)


def stored(site: Site) -> bytes | None:
    answer = site.ask("GET", "/photos/k")
    return None if answer.status == 404 else answer.body


def test_the_etag_is_the_md5_of_the_bytes(client: Any) -> None:
    for body in (b"", b"body", b"body" * 100_000):
        etag = client.put_object(Bucket="photos", Key="k", Body=body)["ETag"]
        assert etag == f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


def test_the_later_put_wins_whole(site: Site, client: Any) -> None:
    client.put_object(Bucket="photos", Key="k", Body=b"one", ContentType="a/b", Metadata={"x": "1"})
    client.put_object(Bucket="photos", Key="k", Body=b"two")
    head = client.head_object(Bucket="photos", Key="k")
    assert stored(site) == b"two"
    assert (head["ContentType"], head["Metadata"]) == ("binary/octet-stream", {})


def test_system_metadata_is_kept_as_it_was_said(client: Any) -> None:
    said = {
        "CacheControl": "max-age=60, public",
        "ContentDisposition": 'inline; filename="a b.txt"',
        "ContentEncoding": "gzip",
        "ContentLanguage": "de-DE",
        "ContentType": "text/plain; charset=utf-8",
    }
    client.put_object(Bucket="photos", Key="k", Body=b"x", Expires="Thu, 01 Jan 2032 00:00:00 GMT", **said)
    head = client.head_object(Bucket="photos", Key="k")
    assert {name: head[name] for name in said} == said
    assert head["ExpiresString"] == "Thu, 01 Jan 2032 00:00:00 GMT"


@pytest.mark.usefixtures("client")
def test_expires_is_kept_even_if_it_is_no_date(site: Site) -> None:
    assert put(site, expires="tomorrow").status == 200
    assert site.ask("HEAD", "/photos/k").headers["expires"] == "tomorrow"


@pytest.mark.parametrize("value", ["plain", "ünïcödé", "日本語 🗝", "=?UTF-8?B?w7w=?=", "a,b"])
@pytest.mark.usefixtures("client")
def test_user_metadata_is_any_text_there_is(site: Site, value: str) -> None:
    assert put(site, x_amz_meta_word=value.encode().decode("latin-1")).status == 200
    got = site.ask("HEAD", "/photos/k").headers["x-amz-meta-word"]
    assert got.encode("latin-1").decode() == value


@pytest.mark.usefixtures("client")
def test_user_metadata_has_its_limits(site: Site) -> None:
    assert put(site, x_amz_meta_a="x" * 2047).status == 200
    assert put(site, x_amz_meta_a="x" * 2048).code == "MetadataTooLarge"
    assert put(site, x_amz_meta_a="\xff").code == "InvalidArgument"


def test_aws_chunked_is_the_wires_and_not_the_objects(site: Site, client: Any) -> None:
    client.put_object(Bucket="photos", Key="k", Body=b"body", ContentEncoding="gzip")  # sent as gzip,aws-chunked
    assert stored(site) == b"body"
    assert site.ask("HEAD", "/photos/k").headers["content-encoding"] == "gzip"
    client.put_object(Bucket="photos", Key="k", Body=b"body")
    assert "content-encoding" not in site.ask("HEAD", "/photos/k").headers


@pytest.mark.parametrize("body", [b"body", b"body" * 50_000])
@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"content_md5": base64.b64encode(bytes(16)).decode()}, "BadDigest"),
        ({"content_md5": "short"}, "InvalidDigest"),
        ({"content_md5": "%%%"}, "InvalidDigest"),
        ({"x_amz_checksum_crc32": "AAAAAA=="}, "BadDigest"),
        ({"x_amz_checksum_sha256": base64.b64encode(bytes(32)).decode()}, "BadDigest"),
        ({"x_amz_checksum_crc32": "nonsense"}, "InvalidRequest"),
        ({"x_amz_checksum_crc32": "AAAAAA==", "x_amz_checksum_crc32c": "AAAAAA=="}, "InvalidRequest"),
        ({"x_amz_sdk_checksum_algorithm": "CRC32"}, "InvalidRequest"),
        ({"x_amz_sdk_checksum_algorithm": "CRC32C", "x_amz_checksum_crc32": "AAAAAA=="}, "InvalidRequest"),
        ({"x_amz_sdk_checksum_algorithm": "ROT13", "x_amz_checksum_crc32": "AAAAAA=="}, "InvalidRequest"),
        ({"x_amz_checksum_sha512": "x"}, "NotImplemented"),
        ({"x_amz_checksum_xxhash64": "x"}, "NotImplemented"),
        ({"x_amz_trailer": "x-amz-checksum-crc32"}, "InvalidRequest"),  # the body has no trailers
    ],
)
def test_a_body_that_is_not_what_was_said_changes_nothing(
    site: Site, client: Any, body: bytes, headers: dict[str, str], code: str
) -> None:
    client.put_object(Bucket="photos", Key="k", Body=b"before")
    assert put(site, body, **headers).code == code
    assert stored(site) == b"before"


@pytest.mark.usefixtures("client")
def test_a_body_that_is_what_was_said_is_stored(site: Site) -> None:
    answer = put(site, content_md5=MD5, x_amz_checksum_crc32=CRC32, x_amz_sdk_checksum_algorithm="crc32")
    assert answer.status == 200
    assert answer.headers["x-amz-checksum-crc32"] == CRC32
    assert answer.headers["x-amz-checksum-type"] == "FULL_OBJECT"


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_boto_sends_every_checksum_in_a_trailer(site: Site, client: Any, algorithm: str) -> None:
    answer = client.put_object(Bucket="photos", Key="k", Body=b"body" * 9000, ChecksumAlgorithm=algorithm)
    got = client.get_object(Bucket="photos", Key="k", ChecksumMode="ENABLED")
    assert got["Body"].read() == b"body" * 9000
    assert answer[f"Checksum{algorithm}"] == got[f"Checksum{algorithm}"]
    assert stored(site) is not None


def test_another_body_than_the_signed_one_changes_nothing(site: Site, client: Any) -> None:
    def swap(request: Request) -> Request:
        request.body = BytesBody(b"evil")
        return request

    client.put_object(Bucket="photos", Key="k", Body=b"before")
    answer = site.ask("PUT", "/photos/k", body=b"good", edit=swap)
    assert answer.code == "XAmzContentSHA256Mismatch"
    assert stored(site) == b"before"


@pytest.mark.usefixtures("client")
def test_an_unsigned_payload_is_taken_as_it_comes(site: Site) -> None:
    assert site.ask("PUT", "/photos/k", body=b"body", payload="UNSIGNED-PAYLOAD").status == 200
    assert stored(site) == b"body"


def test_a_body_that_ends_early_changes_nothing(site: Site, client: Any) -> None:
    def cut(request: Request) -> Request:
        request.body = BytesBody([b"be", ConnectionResetError("gone")])
        return request

    client.put_object(Bucket="photos", Key="k", Body=b"before")
    answer = site.ask("PUT", "/photos/k", body=b"body", edit=cut)
    assert (answer.status, answer.code, answer.close) == (400, "IncompleteBody", True)
    assert stored(site) == b"before"


@pytest.mark.usefixtures("client")
def test_a_body_needs_a_length(site: Site) -> None:
    def unsaid(request: Request) -> Request:
        request.content_length = None
        return request

    answer = site.ask("PUT", "/photos/k", body=b"body", edit=unsaid)
    assert (answer.status, answer.code) == (411, "MissingContentLength")


@pytest.mark.usefixtures("client")
def test_saying_nothing_is_not_saying_that_the_body_is_empty(site: Site) -> None:
    def silent(request: Request) -> Request:
        return replace(request, headers=Headers([field for field in request.headers if field[0] != "content-length"]))

    def sent(method: str, path: str, query: str = "") -> Answer:
        return site.ask(method, path, site.presigned(method, path, query), key=None, edit=silent)

    upload = site.ask("POST", "/photos/k", "uploads").body.split(b"<UploadId>")[1].split(b"<")[0].decode()
    for query in ("", f"partNumber=1&uploadId={upload}"):
        answer = sent("PUT", "/photos/k", query)
        assert (answer.status, answer.code) == (411, "MissingContentLength")
    assert site.ask("GET", "/photos/k").code == "NoSuchKey"
    assert sent("POST", "/photos/k", f"uploadId={upload}").code == "MalformedXML"
    for method, path, query in (("PUT", "/others", ""), ("POST", "/photos/k", "uploads"), ("DELETE", "/others", "")):
        assert sent(method, path, query).status in {200, 204}
    assert site.ask("PUT", "/photos/k").status == 200


@pytest.mark.usefixtures("client")
def test_a_body_beyond_five_gibibytes_is_refused_unread(site: Site) -> None:
    body = BytesBody(b"x")

    def huge(request: Request) -> Request:
        request.content_length, request.body = 5 * 1024**3 + 1, body
        return request

    assert site.ask("PUT", "/photos/k", body=b"body", edit=huge).code == "EntityTooLarge"
    assert body.reads == 0


# --- aws-chunked, in the signed and unsigned forms


def chunked(
    site: Site, form: str, *, body: bytes = b"body" * 50, mangle: Callable[[bytes], bytes] = bytes, **headers: str
) -> Answer:
    """Send a body in chunks of 64 bytes; `mangle` changes the wire after it was signed."""
    trailer = "x-amz-checksum-crc32" if form.endswith("TRAILER") else None
    fields = [("host", HOST), ("x-amz-decoded-content-length", str(len(body))), ("content-encoding", "aws-chunked")]
    fields += [("x-amz-trailer", trailer)] if trailer else []
    fields = [(name, headers.get(name.replace("-", "_"), value)) for name, value in fields]
    credentials = Credentials(ALICE_KEY.access_key, ALICE_KEY.secret_key)
    signed = sign("PUT", "/photos/k", "", fields, form, credentials, site.region, site.now())
    checksum = base64.b64encode(zlib.crc32(body).to_bytes(4)).decode()
    wire = mangle(encode(form, body, signed, {trailer: checksum} if trailer else {}))
    request = Request("PUT", "/photos/k", "", Headers([*fields, *signed.headers]), BytesBody(wire, 100), len(wire))
    return site.send(request)


def encode(form: str, body: bytes, signed: Signed, trailers: dict[str, str]) -> bytes:
    mode = payload_mode(form)
    signer = signed.chunk_signer() if mode.chunks_signed else None
    encoder = Encoder(mode, signer=signer, announced=list(trailers))
    chunks = [b"".join(encoder.chunk(body[at : at + 64])) for at in range(0, len(body), 64)]
    return b"".join(chunks) + encoder.end(trailers)


FORMS = [
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.usefixtures("client")
def test_a_chunked_body_is_stored_without_its_framing(site: Site, form: str) -> None:
    assert chunked(site, form).status == 200
    assert stored(site) == b"body" * 50


def _flip(wire: bytes) -> bytes:
    return wire.replace(b"body", b"bodi", 1)


def _cut(wire: bytes) -> bytes:
    return wire[:-40]


def _more(wire: bytes) -> bytes:
    return wire + b"GET / HTTP/1.1\r\n"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mangle", [_flip, _cut, _more])
def test_a_chunked_body_that_was_touched_changes_nothing(
    site: Site, client: Any, form: str, mangle: Callable[[bytes], bytes]
) -> None:
    client.put_object(Bucket="photos", Key="k", Body=b"before")
    answer = chunked(site, form, mangle=mangle)
    assert answer.status in {400, 403}
    assert stored(site) == b"before"


@pytest.mark.parametrize(("length", "code"), [("199", "IncompleteBody"), ("201", "IncompleteBody")])
def test_the_decoded_length_is_a_promise(site: Site, client: Any, length: str, code: str) -> None:
    client.put_object(Bucket="photos", Key="k", Body=b"before")
    answer = chunked(site, FORMS[0], x_amz_decoded_content_length=length)
    assert answer.code == code
    assert stored(site) == b"before"


@pytest.mark.parametrize("length", ["-1", "1e3", "\uff19", "9" * 20])
@pytest.mark.usefixtures("client")
def test_a_decoded_length_must_be_a_number(site: Site, length: str) -> None:
    answer = chunked(site, FORMS[0], x_amz_decoded_content_length=length.encode().decode("latin-1"))
    assert answer.code == "InvalidArgument"


@pytest.mark.usefixtures("client")
def test_sigv4a_is_known_by_name(site: Site) -> None:
    form = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
    answer = site.ask("PUT", "/photos/k", body=b"x", payload=form, headers={"x-amz-decoded-content-length": "1"})
    assert (answer.status, answer.code) == (501, "NotImplemented")


# --- conditions


def test_if_none_match_makes_and_never_replaces(site: Site, client: Any) -> None:
    client.put_object(Bucket="photos", Key="k", Body=b"one", IfNoneMatch="*")
    with pytest.raises(ClientError) as call:
        client.put_object(Bucket="photos", Key="k", Body=b"two", IfNoneMatch="*")
    assert call.value.response["Error"]["Code"] == "PreconditionFailed"
    assert stored(site) == b"one"


def test_if_match_replaces_what_it_names_and_nothing_else(site: Site, client: Any) -> None:
    etag = client.put_object(Bucket="photos", Key="k", Body=b"one")["ETag"]
    client.put_object(Bucket="photos", Key="k", Body=b"two", IfMatch=etag)
    assert put(site, if_match=etag).code == "PreconditionFailed"
    assert stored(site) == b"two"
    assert site.ask("PUT", "/photos/absent", headers={"if-match": etag}, body=b"x").code == "NoSuchKey"


@pytest.mark.parametrize(
    "headers", [{"if_none_match": '"x"'}, {"if_match": "*"}, {"if_match": '"x"', "if_none_match": "*"}]
)
@pytest.mark.usefixtures("client")
def test_a_condition_s3_does_not_have_is_refused(site: Site, headers: dict[str, str]) -> None:
    assert put(site, b"body", **headers).code == "NotImplemented"
    assert stored(site) is None


# --- deleting


def test_deleting_is_done_once_and_never_fails_twice(site: Site, client: Any) -> None:
    client.put_object(Bucket="photos", Key="k", Body=b"x")
    for _ in range(2):
        assert site.ask("DELETE", "/photos/k").status == 204
    assert stored(site) is None


def test_a_version_other_than_null_cannot_be_deleted(site: Site, client: Any) -> None:
    client.put_object(Bucket="photos", Key="k", Body=b"x")
    assert site.ask("DELETE", "/photos/k", "versionId=abc").code == "InvalidArgument"
    assert site.ask("DELETE", "/photos/k", f"versionId={'v' * 32}").code == "NoSuchVersion"
    assert stored(site) == b"x"
    assert site.ask("DELETE", "/photos/k", "versionId=null").status == 204
    assert stored(site) is None


def test_deletes_keep_their_conditions(site: Site, client: Any) -> None:
    etag = client.put_object(Bucket="photos", Key="k", Body=b"four")["ETag"]
    for headers in ({"if-match": '"x"'}, {"x-amz-if-match-size": "5"}):
        assert site.ask("DELETE", "/photos/k", headers=headers).status == 412
    modified = client.head_object(Bucket="photos", Key="k")["LastModified"]
    client.delete_object(Bucket="photos", Key="k", IfMatch=etag, IfMatchSize=4, IfMatchLastModifiedTime=modified)
    assert stored(site) is None
    assert site.ask("DELETE", "/photos/k", headers={"if-match": etag}).code == "NoSuchKey"


def test_many_are_deleted_and_each_answers(site: Site, client: Any) -> None:
    for key in ("a", "b ü", "c"):
        client.put_object(Bucket="photos", Key=key, Body=b"x")
    wanted = [
        {"Key": "a"},
        {"Key": "b ü", "VersionId": "null"},
        {"Key": "c", "VersionId": "v" * 32},
        {"Key": "none"},
        {"Key": "c", "ETag": '"wrong"'},
        {"Key": "x" * 1025},
    ]
    answer = client.delete_objects(Bucket="photos", Delete={"Objects": wanted})
    assert [deleted["Key"] for deleted in answer["Deleted"]] == ["a", "b ü", "none"]
    assert [(error["Key"], error["Code"]) for error in answer["Errors"]] == [
        ("c", "NoSuchVersion"),
        ("c", "PreconditionFailed"),
        ("x" * 1025, "KeyTooLongError"),
    ]
    assert [found["Key"] for found in client.list_objects_v2(Bucket="photos")["Contents"]] == ["c"]
    assert site.seen[-1].code == ""


def test_quiet_tells_failures_only(client: Any) -> None:
    client.put_object(Bucket="photos", Key="a", Body=b"x")
    objects = [{"Key": "a"}, {"Key": "b", "VersionId": "x"}]
    answer = client.delete_objects(Bucket="photos", Delete={"Objects": objects, "Quiet": True})
    assert "Deleted" not in answer
    assert len(answer["Errors"]) == 1


def test_only_refused_keys_reach_no_store(client: Any) -> None:
    answer = client.delete_objects(Bucket="photos", Delete={"Objects": [{"Key": "b", "VersionId": "x"}]})
    assert "Deleted" not in answer


DELETE = b"<Delete><Object><Key>k</Key></Object></Delete>"


def test_deleting_many_needs_a_digest_of_the_list(site: Site, client: Any) -> None:
    client.put_object(Bucket="photos", Key="k", Body=b"x")
    md5 = base64.b64encode(hashlib.md5(DELETE, usedforsecurity=False).digest()).decode()
    crc = base64.b64encode(zlib.crc32(DELETE).to_bytes(4)).decode()

    def ask(**headers: str) -> Answer:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return site.ask("POST", "/photos", "delete", body=DELETE, headers=fields)

    assert ask().code == "InvalidRequest"
    assert ask(content_md5=MD5).code == "BadDigest"
    assert ask(x_amz_checksum_crc32="AAAAAA==").code == "BadDigest"
    assert stored(site) == b"x"
    assert ask(content_md5=md5).status == 200
    assert ask(x_amz_checksum_crc32=crc).status == 200
    assert stored(site) is None


@pytest.mark.usefixtures("client")
def test_a_document_is_limited_before_and_while_it_is_read(site: Site) -> None:
    body = BytesBody([b"x" * 1024 * 1024] * 100)

    def endless(request: Request) -> Request:
        request.body, request.content_length = body, None
        return request

    def large(request: Request) -> Request:
        request.content_length = 1024**3
        return request

    headers = {"content-md5": MD5}
    for edit in (endless, large):
        answer = site.ask("POST", "/photos", "delete", body=b"x", headers=headers, edit=edit)
        assert answer.code == "MaxMessageLengthExceeded"
    assert body.reads < 20


def test_a_list_shorter_than_announced_or_unlike_the_signed_one_deletes_nothing(site: Site, client: Any) -> None:
    client.put_object(Bucket="photos", Key="k", Body=b"x")
    md5 = base64.b64encode(hashlib.md5(DELETE, usedforsecurity=False).digest()).decode()

    def short(request: Request) -> Request:
        request.content_length = len(DELETE) + 1
        return request

    def swap(request: Request) -> Request:
        request.body = BytesBody(DELETE.replace(b"k<", b"j<"))
        return request

    codes = [
        site.ask("POST", "/photos", "delete", body=DELETE, headers={"content-md5": md5}, edit=edit).code
        for edit in (short, swap)
    ]
    assert codes == ["IncompleteBody", "XAmzContentSHA256Mismatch"]
    assert stored(site) == b"x"


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<Delete/>",
        b"<Delete><Object><Key></Key></Object></Delete>",
        b"<Delete><Objekt><Key>k</Key></Objekt></Delete>",
        b"<Delete>" + b"<Object><Key>k</Key></Object>" * 1001 + b"</Delete>",
        b'<!DOCTYPE d [<!ENTITY e "k">]><Delete><Object><Key>&e;</Key></Object></Delete>',
    ],
)
def test_a_list_that_is_none_deletes_nothing(site: Site, client: Any, document: bytes) -> None:
    client.put_object(Bucket="photos", Key="k", Body=b"x")
    md5 = base64.b64encode(hashlib.md5(document, usedforsecurity=False).digest()).decode()
    answer = site.ask("POST", "/photos", "delete", body=document, headers={"content-md5": md5})
    assert (answer.status, answer.code) == (400, "MalformedXML")
    assert stored(site) == b"x"


# --- who writes


def test_a_stranger_writes_and_deletes_nothing_and_is_not_read(site: Site, client: Any) -> None:
    client.put_object(Bucket="photos", Key="k", Body=b"before")
    for key in (None, BOB_KEY):
        body = BytesBody(b"evil")

        def watch(request: Request, body: BytesBody = body) -> Request:
            request.body = body
            return request

        assert site.ask("PUT", "/photos/k", key=key, body=b"evil", edit=watch).status == 403
        assert body.reads == 0
        assert site.ask("DELETE", "/photos/k", key=key).status == 403
    assert stored(site) == b"before"


@pytest.mark.usefixtures("client")
def test_a_presigned_put_carries_its_headers_in_the_query(site: Site) -> None:
    query = site.presigned(
        "PUT", "/photos/k", "x-amz-meta-colour=bl%C3%BC&x-amz-checksum-crc32=" + CRC32[:-2] + "%3D%3D"
    )
    assert site.ask("PUT", "/photos/k", query, key=None, body=b"bodi").code == "BadDigest"
    assert site.ask("PUT", "/photos/k", query, key=None, body=b"body").status == 200
    assert site.ask("HEAD", "/photos/k").headers["x-amz-meta-colour"].encode("latin-1").decode() == "blü"
    query = site.presigned("PUT", "/photos/k2", "x-amz-acl=public-read")
    assert site.ask("PUT", "/photos/k2", query, key=None, body=b"x").code == "AccessControlListNotSupported"


@pytest.mark.usefixtures("client")
def test_a_header_added_after_signing_is_refused(site: Site) -> None:
    answer = site.ask("PUT", "/photos/k", body=b"x", edit=lambda request: edited(request, x_amz_meta_a="1"))
    assert (answer.status, answer.code) == (403, "AccessDenied")


KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80)


@given(
    key=st.one_of(KEYS, st.sampled_from(["../..", "..", "a//b", "/", "//", "a/../b", ".", "\0", "a\r\nb", "🗝" * 256]))
)
def test_every_key_is_just_a_key(key: str) -> None:
    for site in make_site():
        site.ask("PUT", "/photos")
        path = "/photos/" + uri_encode(key, safe_slash=True)
        assert site.ask("PUT", path, body=b"x").status == 200
        assert site.ask("GET", path).body == b"x"
        listed = re.findall(b"<Key>(.*?)</Key>", site.ask("GET", "/photos", "encoding-type=url&list-type=2").body)
        assert [unquote_plus(found.decode()) for found in listed] == [key]
        assert site.ask("DELETE", path).status == 204
        assert b"<KeyCount>0<" in site.ask("GET", "/photos", "list-type=2").body

"""Links of signature version 2, from boto3 as it comes to the answer: what they open, and what they do not."""

from functools import cache
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from cybous3.core.sigv2.canonical import SIGNED
from cybous3.server.model.accounts import Credential
from cybous3.server.wire.generated.operations import OPERATIONS, SUBRESOURCES
from cybous3.server.wire.message import Headers, Request
from tests.support.site import ALICE_KEY, BOB_KEY, HOST, SCOPED_KEY, Answer, BytesBody, Site

STYLES = ["path", "virtual"]


@cache
def client(style: str, key: Credential = ALICE_KEY) -> Any:  # boto3 makes its classes at run time
    """Return a client with the library's defaults; it only signs, nothing is sent with it."""
    return boto3.client(
        "s3",
        endpoint_url=f"http://{HOST}",
        region_name="us-east-1",
        aws_access_key_id=key.access_key,
        aws_secret_access_key=key.secret_key,
        config=Config(s3={"addressing_style": style}),
    )


def presigned(operation: str, style: str = "path", key: Credential = ALICE_KEY, **parameters: str) -> str:
    url = client(style, key).generate_presigned_url(operation, {"Bucket": "photos", **parameters}, ExpiresIn=60)
    assert "AWSAccessKeyId=" in url, "the default became another; these links prove nothing about version 2 any more"
    return str(url)


def opened(site: Site, method: str, url: str, body: bytes = b"", **headers: str) -> Answer:
    """Send what somebody would who has the URL and nothing else."""
    parts = urlsplit(url)
    fields = [("host", parts.netloc), *((name.replace("_", "-"), value) for name, value in headers.items())]
    return site.send(Request(method, parts.path, parts.query, Headers(fields), BytesBody(body), len(body)))


@pytest.fixture(autouse=True)
def _bucket(site: Site) -> None:
    site.ask("PUT", "/photos")
    site.ask("PUT", "/photos/a%20k%C3%A4y", body=b"content")


@pytest.mark.parametrize("style", STYLES)
def test_links_of_boto3_as_it_comes_are_good(site: Site, style: str) -> None:
    got = opened(site, "GET", presigned("get_object", style, Key="a käy"))
    assert (got.status, got.body) == (200, b"content")
    head = opened(site, "HEAD", presigned("head_object", style, Key="a käy"))
    assert (head.status, head.headers["content-length"]) == (200, "7")
    assert opened(site, "PUT", presigned("put_object", style, Key="new"), b"from a stranger").status == 200
    assert site.ask("GET", "/photos/new").body == b"from a stranger"
    listing = opened(site, "GET", presigned("list_objects_v2", style, Prefix="n"))
    assert (listing.status, b"<Key>new</Key>" in listing.body, b"a%20k" in listing.body) == (200, True, False)
    assert opened(site, "DELETE", presigned("delete_object", style, Key="new")).status == 204
    assert site.ask("GET", "/photos/new").code == "NoSuchKey"


@pytest.mark.parametrize("style", STYLES)
def test_a_link_may_say_under_which_name_to_save(site: Site, style: str) -> None:
    name = 'attachment; filename="Tom & Jerry = ä.txt"'
    url = presigned("get_object", style, Key="a käy", ResponseContentDisposition=name)
    answer = opened(site, "GET", url)
    assert answer.status == 200
    assert answer.headers["content-disposition"].encode("latin-1").decode() == name
    assert opened(site, "GET", url.replace("Jerry", "Harry")).code == "SignatureDoesNotMatch"


def test_a_link_to_one_part_is_good_for_that_part(site: Site) -> None:
    made = site.client().create_multipart_upload(Bucket="photos", Key="large")["UploadId"]
    parameters: dict[str, Any] = {"Bucket": "photos", "Key": "large", "UploadId": made, "PartNumber": 1}
    url = client("path").generate_presigned_url("upload_part", parameters)
    assert opened(site, "PUT", url, b"part").status == 200
    assert opened(site, "PUT", url.replace("partNumber=1", "partNumber=2"), b"x").code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("more", ["tagging", "retention", "legal-hold", "acl", "uploadId=x&partNumber=1"])
def test_a_link_to_write_an_object_does_nothing_else_to_it(site: Site, more: str) -> None:
    """Attack A6b."""
    url = presigned("put_object", Key="a käy")
    assert opened(site, "PUT", f"{url}&{more}", b"x").code == "SignatureDoesNotMatch"


def test_a_link_to_write_does_not_copy(site: Site) -> None:
    """Attack A5d."""
    url = presigned("put_object", Key="copy")
    assert opened(site, "PUT", url, x_amz_copy_source="photos/a%20k%C3%A4y").code == "SignatureDoesNotMatch"
    assert opened(site, "PUT", f"{url}&x-amz-copy-source=photos/a%20k%C3%A4y").code == "SignatureDoesNotMatch"
    hidden = f"{url}&x-amz-copy-source=photos/a%20k%C3%A4y&prefix=x-amz-signature="
    assert opened(site, "PUT", hidden).code == "SignatureDoesNotMatch"
    renaming = f"{url}&renameObject"
    assert opened(site, "PUT", renaming, x_amz_rename_source="photos/a%20k%C3%A4y").code == "SignatureDoesNotMatch"
    assert site.ask("GET", "/photos/copy").code == "NoSuchKey"


def test_metadata_of_boto3s_links_is_the_objects(site: Site) -> None:
    """The library moves what it signed as headers into the query."""
    url = presigned("put_object", Key="new", Metadata={"Colour": "red & blue"})  # type: ignore[arg-type]
    assert "&x-amz-meta-colour=red" in url
    assert opened(site, "PUT", url, b"x").status == 200
    assert site.ask("HEAD", "/photos/new").headers["x-amz-meta-colour"] == "red & blue"
    assert opened(site, "PUT", url, b"x", x_amz_meta_colour="red & blue").status == 200
    assert opened(site, "PUT", url, b"x", x_amz_meta_colour="green").code == "InvalidRequest"
    assert opened(site, "PUT", url.replace("red", "green"), b"x").code == "SignatureDoesNotMatch"
    escaped = url.replace("x-amz-meta-colour", "%58-amz%2Dmeta-colour")
    assert opened(site, "PUT", escaped, b"y").status == 200
    assert site.ask("HEAD", "/photos/new").headers["x-amz-meta-colour"] == "red & blue"
    without = url.replace("&x-amz-meta-colour=red%20%26%20blue", "")
    assert without != url
    assert opened(site, "PUT", without, b"x").code == "SignatureDoesNotMatch"


def test_a_copy_of_boto3s_links_stays_a_copy(site: Site) -> None:
    url = presigned("copy_object", Key="copy", CopySource="photos/a k\u00e4y")
    assert opened(site, "PUT", url, b"other").status == 200
    assert site.ask("GET", "/photos/copy").body == b"content"
    assert opened(site, "PUT", url.replace("x-amz-copy-source", "x-amz-copy%2Dsource")).status == 200


def test_the_type_of_a_body_is_as_it_was_signed(site: Site) -> None:
    bare = presigned("put_object", Key="new")
    assert opened(site, "PUT", bare, b"x", content_type="text/html").code == "SignatureDoesNotMatch"
    typed = presigned("put_object", Key="new", ContentType="text/plain")
    assert opened(site, "PUT", typed, b"x", content_type="text/html").code == "SignatureDoesNotMatch"
    assert opened(site, "PUT", typed, b"x").code == "SignatureDoesNotMatch"
    assert opened(site, "PUT", typed, b"x", content_type="text/plain").status == 200


@pytest.mark.parametrize("style", STYLES)
def test_a_link_is_good_for_its_method_bucket_and_key(site: Site, style: str) -> None:
    """Attack A6b."""
    site.ask("PUT", "/others")
    site.ask("PUT", "/others/a%20k%C3%A4y", body=b"other")
    url = presigned("get_object", style, Key="a käy")
    for method in ("PUT", "DELETE", "HEAD"):
        assert opened(site, method, url).status == 403
    assert opened(site, "GET", url.replace("photos", "others")).code == "SignatureDoesNotMatch"
    assert opened(site, "GET", url.replace("%C3%A4", "%C3%B6")).code == "SignatureDoesNotMatch"
    assert opened(site, "GET", url.split("&Signature")[0]).code == "AccessDenied"
    assert opened(site, "GET", url.split("?")[0]).code == "AccessDenied"


def test_a_link_opens_what_its_signer_may(site: Site) -> None:
    assert opened(site, "GET", presigned("get_object", key=BOB_KEY, Key="a käy")).code == "AccessDenied"
    assert opened(site, "GET", presigned("get_object", key=SCOPED_KEY, Key="a käy")).code == "AccessDenied"


def test_a_link_of_a_revoked_key_is_dead(site: Site) -> None:
    """Attack A6c."""
    url = presigned("get_object", Key="a käy")
    del site.credentials[ALICE_KEY.access_key]
    assert opened(site, "GET", url).code == "InvalidAccessKeyId"


def test_a_link_that_is_over_or_lasts_too_long_is_refused(site: Site) -> None:
    """Attack A6a."""
    over, long = (
        client("path").generate_presigned_url("get_object", {"Bucket": "photos", "Key": "k"}, ExpiresIn=seconds)
        for seconds in (-5, 8 * 86_400)
    )
    answer = opened(site, "GET", over)
    assert (answer.status, answer.code, b"Request has expired" in answer.body) == (403, "AccessDenied", True)
    answer = opened(site, "GET", long)
    assert (answer.status, answer.code) == (400, "AuthorizationQueryParametersError")
    assert b"a week ahead" in answer.body


def test_two_signatures_are_refused_even_if_both_are_good(site: Site) -> None:
    """Attack A3."""
    url = presigned("get_object", Key="a käy")
    both = f"{url}&{site.presigned('GET', '/photos/a%20k%C3%A4y')}"
    assert opened(site, "GET", both).code == "InvalidArgument"
    signed = site.signed("GET", "/photos/a%20k%C3%A4y", urlsplit(url).query)
    assert site.send(signed).code == "InvalidArgument"


def test_a_query_that_only_talks_about_version_2_is_version_4s(site: Site) -> None:
    assert site.ask("GET", "/photos", "prefix=AWSAccessKeyId%3D").status == 200
    assert opened(site, "GET", f"http://{HOST}/photos?prefix=AWSAccessKeyId").code == "AccessDenied"
    assert opened(site, "GET", f"http://{HOST}/photos?awsaccesskeyid=x&Signature=y").code == "InvalidRequest"


def test_the_header_form_stays_refused_by_name(site: Site) -> None:
    answer = opened(site, "GET", f"http://{HOST}/photos", authorization=f"AWS {ALICE_KEY.access_key}:c2ln")
    assert (answer.code, b"AWS4-HMAC-SHA256" in answer.body) == ("InvalidRequest", True)


def test_a_session_token_was_never_issued(site: Site) -> None:
    url = presigned("get_object", Key="a käy")
    assert opened(site, "GET", f"{url}&x-amz-security-token=t").code == "InvalidToken"
    assert opened(site, "GET", url, x_amz_security_token="t").code == "InvalidToken"


def test_a_body_in_chunks_is_refused_before_it_is_read(site: Site) -> None:
    """Attacks A1, A2."""
    parts = urlsplit(presigned("put_object", Key="new"))
    body = BytesBody(b"0\r\n\r\n")
    fields = [("host", HOST), ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")]
    answer = site.send(Request("PUT", parts.path, parts.query, Headers(fields), body, 5))
    assert (answer.code, body.reads) == ("InvalidRequest", 0)


def test_all_that_selects_an_operation_is_signed() -> None:
    """A sub-resource that comes to the table has to come to the signature too, or links grow with it."""
    assert SUBRESOURCES <= SIGNED
    free = {key for row in OPERATIONS for key in row.query if key not in SIGNED}
    # None of these leads from one permission to another: they choose a page's form, or one of what can be listed whole.
    assert free == {"list-type", "id", "annotationName", "max-directory-buckets"}

"""Presigned queries that carry headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.core.uri import uri_encode
from cybous3.server.service.presented import presented
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.message import Headers, Request
from tests.support.site import Site

SIGNATURE = (
    "X-Amz-Algorithm=a&X-Amz-Credential=b&X-Amz-Date=c&X-Amz-Expires=d&X-Amz-SignedHeaders=host&X-Amz-Signature=e"
)


def seen(query: str, *headers: tuple[str, str]) -> list[tuple[str, str]]:
    return list(presented(Request("PUT", "/b/k", query, Headers([("host", "h"), *headers]))).headers)


def test_a_request_without_a_presigned_query_is_itself() -> None:
    for query in (
        "",
        "x-amz-acl=public-read",
        "x-amz-acl=public-read&prefix=x-amz-signature=%41",
        SIGNATURE,
        f"{SIGNATURE}&X-Amz-Content-Sha256=f&x-id=PutObject",
    ):
        request = Request("PUT", "/b/k", query, Headers([("host", "h")]))
        assert presented(request) is request


def test_amz_parameters_become_headers() -> None:
    assert seen(f"x-amz-acl=public-read&{SIGNATURE}&X-Amz-Meta-A=%C3%BC&other=1") == [
        ("host", "h"),
        ("x-amz-acl", "public-read"),
        ("x-amz-meta-a", "ü".encode().decode("latin-1")),
    ]


def test_saying_it_twice_alike_is_saying_it() -> None:
    both = seen(f"x-amz-meta-a=x&{SIGNATURE}", ("x-amz-meta-a", "x"))
    assert both == [("host", "h"), ("x-amz-meta-a", "x")]


@pytest.mark.parametrize(
    "query",
    [
        f"x-amz-acl=public-read&{SIGNATURE}",
        f"x-amz-meta-a=1&x-amz-meta-a=1&{SIGNATURE}",
        f"x-amz-meta-a=1&X-Amz-Meta-A=2&{SIGNATURE}",
    ],
)
def test_saying_it_in_two_ways_is_refused(query: str) -> None:
    with pytest.raises(S3Error) as error:
        seen(query, ("x-amz-acl", "private"))
    assert error.value.code == "InvalidRequest"


@pytest.mark.parametrize("value", ["a%0Ab", "a%0D", "%00"])
def test_what_no_header_can_hold_is_refused(value: str) -> None:
    with pytest.raises(S3Error) as error:
        seen(f"x-amz-meta-a={value}&{SIGNATURE}")
    assert error.value.code == "InvalidArgument"


def spellings(name: str) -> list[str]:
    """Return `name` as every reader of escapes reads it: each letter escaped in both cases, all of them, some."""
    every = [f"{name[:at]}%{ord(name[at]):02{case}}{name[at + 1 :]}" for at in range(len(name)) for case in "Xx"]
    return [name, *every, "".join(f"%{ord(letter):02X}" for letter in name)]


@pytest.mark.parametrize("mark", [*spellings("X-Amz-Signature"), *spellings("AWSAccessKeyId"), "x-AMZ-signature"])
def test_a_mark_is_a_mark_in_any_spelling(mark: str) -> None:
    assert ("x-amz-acl", "private") in seen(f"x-amz-acl=private&{mark}=e")
    assert ("x-amz-acl", "private") in seen(f"x-amz-acl=private&{mark}")


@pytest.mark.parametrize("name", [*spellings("x-amz-acl"), "X-AMZ-ACL", "X%2dAMZ%2DAcl"])
def test_a_parameter_stands_in_for_a_header_in_any_spelling(name: str) -> None:
    assert ("x-amz-acl", "private") in seen(f"{name}=private&{SIGNATURE}")


def respelled(query: str, name: str, spelling: str) -> str:
    parts = [part.split("=", 1) for part in query.split("&")]
    assert name in [part[0] for part in parts]
    return "&".join(f"{spelling if key == name else key}={value}" for key, value in parts)


@pytest.mark.parametrize("name", ["X-Amz-Signature", "x-amz-checksum-crc32"])
def test_a_pinned_checksum_stays_pinned(site: Site, name: str) -> None:
    """Attack A5d: whoever holds a link spells it in a way that verifies, and is still held to what was signed."""
    site.ask("PUT", "/photos")
    query = site.presigned("PUT", "/photos/k", "x-amz-checksum-crc32=AAAAAA%3D%3D")
    for spelling in spellings(name):
        request = site.signed("PUT", "/photos/k", respelled(query, name, spelling), key=None, body=b"other")
        assert site.send(request).code == "BadDigest", spelling
    assert site.ask("GET", "/photos/k").code == "NoSuchKey"


@pytest.mark.parametrize("name", ["X-Amz-Signature", "x-amz-copy-source"])
def test_a_link_to_copy_stays_one(site: Site, name: str) -> None:
    """Attack A5d."""
    site.ask("PUT", "/photos")
    site.ask("PUT", "/photos/from", body=b"content")
    query = site.presigned("PUT", "/photos/to", "x-amz-copy-source=photos%2Ffrom")
    for spelling in spellings(name):
        request = site.signed("PUT", "/photos/to", respelled(query, name, spelling), key=None, body=b"other")
        assert site.send(request).status == 200, spelling
        assert site.ask("GET", "/photos/to").body == b"content"


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20))
def test_any_text_arrives_as_its_bytes(text: str) -> None:
    *_, (name, value) = seen(f"x-amz-meta-a={uri_encode(text)}&{SIGNATURE}")
    assert (name, value.encode("latin-1").decode()) == ("x-amz-meta-a", text)

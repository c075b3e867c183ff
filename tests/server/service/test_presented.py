"""Presigned queries that carry headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.core.uri import uri_encode
from cybous3.server.service.presented import presented
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.message import Headers, Request

SIGNATURE = (
    "X-Amz-Algorithm=a&X-Amz-Credential=b&X-Amz-Date=c&X-Amz-Expires=d&X-Amz-SignedHeaders=host&X-Amz-Signature=e"
)


def seen(query: str, *headers: tuple[str, str]) -> list[tuple[str, str]]:
    return list(presented(Request("PUT", "/b/k", query, Headers([("host", "h"), *headers]))).headers)


def test_a_request_without_a_presigned_query_is_itself() -> None:
    for query in ("", "x-amz-acl=public-read", SIGNATURE, f"{SIGNATURE}&X-Amz-Content-Sha256=f&x-id=PutObject"):
        request = Request("PUT", "/b/k", query, Headers([("host", "h")]))
        assert presented(request) is request


def test_amz_parameters_become_headers() -> None:
    assert seen(f"x-amz-acl=public-read&{SIGNATURE}&X-Amz-Meta-A=%C3%BC&other=1") == [
        ("host", "h"),
        ("x-amz-acl", "public-read"),
        ("x-amz-meta-a", "ü".encode().decode("latin-1")),
    ]


def test_saying_it_twice_alike_is_saying_it() -> None:
    assert ("x-amz-acl", "private") in seen(f"x-amz-acl=private&{SIGNATURE}", ("x-amz-acl", "private"))


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


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20))
def test_any_text_arrives_as_its_bytes(text: str) -> None:
    *_, (name, value) = seen(f"x-amz-meta-a={uri_encode(text)}&{SIGNATURE}")
    assert (name, value.encode("latin-1").decode()) == ("x-amz-meta-a", text)

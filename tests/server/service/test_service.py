"""One request, ten steps: what holds for every answer, whatever was asked."""

import asyncio
import time

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from cybous3.core.errors import CybousError
from cybous3.server.service.service import UNROUTED
from cybous3.server.wire.message import Headers, Request
from tests.support.site import ALICE_KEY, BOB_KEY, HOST, BytesBody, Site, edited, make_site


@pytest.fixture(autouse=True)
def _structlog_as_it_comes() -> None:
    structlog.reset_defaults()


def test_every_answer_carries_its_own_id_and_the_hosts(site: Site) -> None:
    answers = [site.ask("GET", "/"), site.ask("GET", "/missing"), site.ask("GET", "/", key=None)]
    assert len({answer.headers["x-amz-request-id"] for answer in answers}) == 3
    assert len({answer.headers["x-amz-id-2"] for answer in answers}) == 1
    for answer in answers[1:]:
        assert f"<RequestId>{answer.headers['x-amz-request-id']}</RequestId>".encode() in answer.body
        assert f"<HostId>{answer.headers['x-amz-id-2']}</HostId>".encode() in answer.body
        assert answer.headers["content-type"] == "application/xml"


def test_a_failed_signature_says_what_was_signed(site: Site) -> None:
    answer = site.ask("GET", "/", edit=lambda request: edited(request, host="elsewhere"))
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")
    for element in (b"StringToSign", b"CanonicalRequest", b"AWSAccessKeyId", b"SignatureProvided"):
        assert b"<" + element + b">" in answer.body
    assert ALICE_KEY.secret_key.encode() not in answer.body


def test_every_answer_is_observed_with_bounded_labels(site: Site) -> None:
    site.ask("PUT", "/photos")
    site.ask("GET", "/photos/none")
    site.ask("GET", "/UPPER")
    assert [(one.operation, one.status, one.code) for one in site.seen] == [
        ("CreateBucket", 200, ""),
        ("GetObject", 404, "NoSuchKey"),
        (UNROUTED, 400, "InvalidBucketName"),
    ]
    assert all(0 <= one.seconds < 5 for one in site.seen)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ValueError("a bug with s3cr3t-key-name"), 500, "InternalError"),
        (OSError(5, "the disk is gone"), 503, "ServiceUnavailable"),
        (KeyError("x"), 500, "InternalError"),
    ],
)
def test_what_nobody_foresaw_is_told_by_an_id_in_the_log_and_no_more(
    site: Site, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
) -> None:
    async def broken(*_: object) -> None:
        raise error

    site.ask("PUT", "/photos")
    monkeypatch.setattr(type(site.store), "head", broken)
    with capture_logs() as logs:
        answer = site.ask("GET", "/photos/s3cr3t-key-name")
    assert (answer.status, answer.code) == (status, code)
    assert b"a bug" not in answer.body
    assert logs[0]["request_id"] == answer.headers["x-amz-request-id"]
    assert (logs[0]["log_level"], logs[0]["operation"]) == ("error", "GetObject")


def test_a_full_disk_is_said_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object) -> None:
        raise OSError(28, "no space left on device")

    site.ask("PUT", "/photos")
    monkeypatch.setattr(type(site.store), "put", full)
    with capture_logs():
        answer = site.ask("PUT", "/photos/k", body=b"x")
    assert (answer.status, answer.code) == (507, "InsufficientStorage")


def test_a_denial_is_logged_with_its_reason_and_without_names(site: Site) -> None:
    site.ask("PUT", "/photos")
    with capture_logs() as logs:
        answer = site.ask("GET", "/photos/private-name", key=BOB_KEY)
    assert "belongs to somebody else" not in answer.body.decode()
    assert [(log["event"], log["log_level"], log["operation"]) for log in logs] == [
        ("request denied", "debug", "GetObject")
    ]
    assert "private-name" not in str(logs)
    assert "photos" not in str(logs)
    assert BOB_KEY.secret_key not in str(logs)


def test_nothing_is_logged_of_what_goes_well(site: Site) -> None:
    with capture_logs() as logs:
        site.ask("PUT", "/photos")
        site.ask("GET", "/photos/none")
    assert logs == []


def test_an_index_that_breaks_while_the_bucket_is_looked_up_is_no_missing_bucket(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise OSError("gone")

    monkeypatch.setattr(type(site.store.index.buckets), "get", broken)
    with capture_logs():
        assert site.ask("GET", "/photos/k").code == "InternalError"


def test_being_cancelled_is_not_answered(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def cancelled(*_: object) -> None:
        raise asyncio.CancelledError

    site.ask("PUT", "/photos")
    monkeypatch.setattr(type(site.store), "head", cancelled)
    with pytest.raises(asyncio.CancelledError):
        site.ask("GET", "/photos/k")


def test_a_body_that_comes_too_slowly_is_given_up(site: Site) -> None:
    def slow(request: Request) -> Request:
        request.body = BytesBody([b"b", TimeoutError("idle")])
        return request

    site.ask("PUT", "/photos")
    answer = site.ask("PUT", "/photos/k", body=b"body", edit=slow)
    assert (answer.code, answer.close) == ("RequestTimeout", True)


def test_nobody_is_told_of_what_is_not_built_before_who_they_are(site: Site) -> None:
    site.ask("PUT", "/photos")
    for query in ("policy", "acl", "versioning", "tagging"):
        assert site.ask("GET", "/photos", query, key=None).code == "AccessDenied"
        answer = site.ask("GET", "/photos", query)
        assert (answer.status, answer.code) == (501, "NotImplemented")
        assert f"GetBucket{query.title()}".encode() in answer.body


def test_what_is_not_built_changes_nothing(site: Site) -> None:
    site.ask("PUT", "/photos")
    site.ask("PUT", "/photos/k", body=b"x")
    for method, path, query in (
        ("PUT", "/photos", "versioning"),
        ("DELETE", "/photos", "policy"),
        ("DELETE", "/photos/k", "tagging"),
        ("PUT", "/photos/k", "acl"),
    ):
        assert site.ask(method, path, query).status == 501
    assert site.ask("GET", "/photos/k").body == b"x"


@pytest.mark.parametrize(
    ("method", "path", "query", "code"),
    [
        ("PATCH", "/photos", "", "MethodNotAllowed"),
        ("POST", "/", "", "MethodNotAllowed"),
        ("GET", "/UPPER", "", "InvalidBucketName"),
        ("GET", "/photos/%zz", "", "InvalidURI"),
        ("GET", "/photos/%ff", "", "InvalidURI"),
        ("GET", "/photos/" + "x" * 1025, "", "KeyTooLongError"),
        ("GET", "/photos", "acl&policy", "InvalidArgument"),
        ("GET", "/photos", "prefix=%ff", "InvalidURI"),
    ],
)
def test_a_request_that_is_none_is_refused_in_s3s_words(
    site: Site, method: str, path: str, query: str, code: str
) -> None:
    answer = site.send(Request(method, path, query, Headers([("host", HOST)])))
    assert answer.code == code
    assert 400 <= answer.status < 500


_NAMES = st.sampled_from(
    [
        "authorization",
        "x-amz-date",
        "x-amz-content-sha256",
        "range",
        "if-match",
        "x-amz-copy-source",
        "content-md5",
        "x-amz-acl",
        "expires",
        "x-amz-decoded-content-length",
        "x-amz-trailer",
        "x-amz-meta-a",
        "x-amz-checksum-crc32",
    ]
)
_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=20)
_PATHS = st.text("abc/.%2F0-Z", max_size=12).map(lambda text: f"/{text}")
_QUERIES = st.text("aclpoiy&=%20X-AmzSignature", max_size=30)


@given(
    method=st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "BREW"]),
    path=_PATHS,
    query=_QUERIES,
    headers=st.lists(st.tuples(_NAMES, _TEXT), max_size=5),
)
def test_no_request_is_ever_an_internal_error(
    method: str, path: str, query: str, headers: list[tuple[str, str]]
) -> None:
    for site in make_site():
        request = Request(method, path, query, Headers([("host", HOST), *headers]), BytesBody(b"body"), 4)
        with capture_logs() as logs:
            answer = site.send(request)
        assert 400 <= answer.status < 500 or answer.status == 501
        assert not [log for log in logs if log["log_level"] == "error"]


@given(
    method=st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE"]),
    path=st.sampled_from(["/", "/photos", "/photos/k"]),
    query=st.one_of(
        _QUERIES,
        st.sampled_from(
            ["uploads", "delete", "list-type=2", "versions", "attributes", "partNumber=1&uploadId=x", "acl"]
        ),
    ),
    headers=st.dictionaries(_NAMES.filter(lambda name: name not in {"authorization", "x-amz-date"}), _TEXT, max_size=4),
    body=st.sampled_from([b"", b"body", b"<Delete><Object><Key>k</Key></Object></Delete>", b"<a><b/></a>", b"\xff"]),
)
def test_no_signed_request_is_ever_an_internal_error(
    method: str, path: str, query: str, headers: dict[str, str], body: bytes
) -> None:
    headers.pop("x-amz-content-sha256", None)
    for site in make_site():
        site.ask("PUT", "/photos")
        site.ask("PUT", "/photos/k", body=b"x")
        try:
            with capture_logs() as logs:
                answer = site.ask(method, path, query, headers=headers, body=body)
        except CybousError:  # the signer signs no path or query that is none
            return
        assert answer.status < 500 or answer.status == 501
        assert not [log for log in logs if log["log_level"] == "error"]


def test_a_small_get_is_lean(site: Site) -> None:
    """Service and handler on a 4 KiB object, index and signature included; the target is far below this bound."""
    site.ask("PUT", "/photos")
    site.ask("PUT", "/photos/k", body=b"x" * 4096)
    request = site.signed("GET", "/photos/k")

    async def many(count: int) -> float:
        started = time.process_time()
        for _ in range(count):
            await site.service(request)
        return (time.process_time() - started) / count

    assert min(site.run(many(200)) for _ in range(5)) < 0.002

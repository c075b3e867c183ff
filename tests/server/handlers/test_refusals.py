"""What is not built is refused by the name of the header that asks for it."""

import pytest

from cybous3.server.handlers.refusals import FAMILIES, RULES, refuse_unbuilt
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.message import Headers
from tests.support.site import Site


def refused(name: str, value: str) -> S3Error:
    with pytest.raises(S3Error) as error:
        refuse_unbuilt(Headers([("host", "h"), (name, value)]))
    return error.value


@pytest.mark.parametrize("name", [*(f"{family}anything" for family in FAMILIES), "x-amz-server-side-encryption"])
def test_families_are_refused_whatever_they_say(name: str) -> None:
    error = refused(name, "value")
    verdict = (400, "AccessControlListNotSupported") if "grant" in name else (501, "NotImplemented")
    assert (error.status, error.code, error.detail["Header"]) == (*verdict, name)
    assert name in error.message


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, rule in RULES.items() for value in sorted(rule.honoured)]
)
def test_what_is_honoured_passes(name: str, value: str) -> None:
    refuse_unbuilt(Headers([(name, value)]))


@pytest.mark.parametrize("name", RULES)
def test_a_word_that_is_not_honoured_never_passes(name: str) -> None:
    error = refused(name, "no-such-word")
    rule = RULES[name]
    assert error.code == ("NotImplemented" if rule.unbuilt is None else rule.unknown)


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, rule in RULES.items() for value in sorted(rule.unbuilt or ())]
)
def test_a_word_that_s3_knows_is_not_implemented(name: str, value: str) -> None:
    assert refused(name, value).code == RULES[name].refusal


def test_other_headers_are_not_looked_at() -> None:
    refuse_unbuilt(Headers([("x-amz-meta-acl", "public-read"), ("accept", "*/*"), ("x-amz-date", "now")]))


@pytest.mark.parametrize(
    ("header", "value", "code"),
    [
        ("x-amz-storage-class", "GLACIER", "NotImplemented"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY", "NotImplemented"),
        ("x-amz-storage-class", "GRANITE", "InvalidStorageClass"),
        ("x-amz-acl", "public-read", "AccessControlListNotSupported"),
        ("x-amz-grant-read", "id=1", "AccessControlListNotSupported"),
        ("x-amz-acl", "everyone", "InvalidArgument"),
        ("x-amz-tagging", "a=b", "NotImplemented"),
        ("x-amz-server-side-encryption", "AES256", "NotImplemented"),
        ("x-amz-website-redirect-location", "/other", "NotImplemented"),
        ("x-amz-object-lock-mode", "GOVERNANCE", "NotImplemented"),
        ("x-amz-write-offset-bytes", "1", "NotImplemented"),
    ],
)
@pytest.mark.parametrize("write", [("PUT", "/photos/k", ""), ("POST", "/photos/k", "uploads")])
def test_a_write_that_asks_for_it_writes_nothing(
    site: Site, write: tuple[str, str, str], header: str, value: str, code: str
) -> None:
    site.ask("PUT", "/photos")
    answer = site.ask(*write, headers={header: value})
    assert answer.code == code
    assert site.ask("HEAD", "/photos/k").status == 404
    assert b"<Upload>" not in site.ask("GET", "/photos", "uploads").body


def test_standard_and_private_are_what_everything_is(site: Site) -> None:
    site.ask("PUT", "/photos")
    headers = {"x-amz-storage-class": "STANDARD", "x-amz-acl": "bucket-owner-full-control", "x-amz-tagging": ""}
    assert site.ask("PUT", "/photos/k", headers=headers).status == 200
    assert "x-amz-storage-class" not in site.ask("HEAD", "/photos/k").headers

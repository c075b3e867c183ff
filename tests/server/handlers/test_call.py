"""What handlers do when the steps before them let more through than they do today: they hold on their own."""

import base64
import hashlib
from dataclasses import replace

import pytest

from cybous3.server.authz.decide import Nobody
from cybous3.server.handlers.buckets import list_buckets
from cybous3.server.handlers.call import Call
from cybous3.server.handlers.copying import copy_object
from cybous3.server.handlers.reading import get_object
from cybous3.server.handlers.writing import delete_objects
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.message import Headers, Request
from cybous3.server.wire.route import route
from tests.support.site import ALICE, BytesBody, Site

DELETE = b"<Delete><Object><Key>k</Key></Object></Delete>"
MD5 = base64.b64encode(hashlib.md5(DELETE, usedforsecurity=False).digest()).decode()


def call(site: Site, method: str, target: str, body: bytes = b"", **headers: str) -> Call:
    """Return a call by nobody, as if a rule had allowed it."""
    path, _, query = target.partition("?")
    fields = [(name.replace("_", "-"), value) for name, value in headers.items()]
    found = route(Request(method, path, query, Headers([("host", "h"), *fields])))
    return Call(
        target=found,
        params=found.decode(),
        bucket=found.bucket or "",
        key=found.key or "",
        owner=ALICE.id,
        principal=Nobody(),
        user=None,
        store=site.store,
        region=site.region,
        now_ms=0,
        url="",
        body=BytesBody(body),
        content_length=len(body),
        sha256=None,
        trailer=None,
    )


@pytest.fixture(autouse=True)
def _filled(site: Site) -> None:
    site.ask("PUT", "/photos")
    site.ask("PUT", "/photos/k", body=b"x")


def test_nobody_has_no_buckets(site: Site) -> None:
    with pytest.raises(S3Error) as error:
        site.run(list_buckets(call(site, "GET", "/")))
    assert error.value.code == "AccessDenied"


def test_nobody_overrides_no_header(site: Site) -> None:
    assert site.run(get_object(call(site, "GET", "/photos/k"))).body == b"x"
    with pytest.raises(S3Error) as error:
        site.run(get_object(call(site, "GET", "/photos/k?response-content-type=text/html")))
    assert error.value.code == "InvalidRequest"


def test_a_source_is_authorised_where_it_is_looked_up(site: Site) -> None:
    copy = call(site, "PUT", "/photos/to", x_amz_copy_source="photos/k")
    with pytest.raises(S3Error) as error:
        site.run(copy_object(copy))
    assert error.value.code == "AccessDenied"


def test_a_copy_without_a_source_copies_nothing(site: Site) -> None:
    copy = call(site, "PUT", "/photos/to", x_amz_copy_source="photos/k")
    copy.target = copy.target._replace(source=None)
    with pytest.raises(S3Error) as error:
        site.run(copy_object(copy))
    assert error.value.code == "InvalidRequest"


def test_a_row_without_a_need_on_its_source_copies_nothing(site: Site) -> None:
    copy = call(site, "PUT", "/photos/to", x_amz_copy_source="photos/k")
    bare = tuple(need for need in copy.target.operation.permissions if need.on != "source")
    copy.target = copy.target._replace(operation=replace(copy.target.operation, permissions=bare))
    with pytest.raises(S3Error) as error:
        site.run(copy_object(copy))
    assert error.value.code == "AccessDenied"


def test_an_index_that_answers_with_another_error_is_broken(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> list[Exception]:
        return [OSError("gone")]

    monkeypatch.setattr(type(site.store), "delete_many", broken)
    with pytest.raises(OSError, match="gone"):
        site.run(delete_objects(call(site, "POST", "/photos?delete", DELETE, content_md5=MD5)))

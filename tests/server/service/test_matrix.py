"""Every operation against every kind of caller: who is denied never reaches the store.

The rows come from the operation table, so an operation that is added is tested without anybody thinking of it.
"""

from collections.abc import Callable
from typing import Any, Final, cast

import pytest

from cybous3.server.handlers.table import HANDLERS
from cybous3.server.model.accounts import Credential
from cybous3.server.store.store import Store
from cybous3.server.wire.generated.operations import OPERATIONS
from cybous3.server.wire.message import Headers, Request
from cybous3.server.wire.operations import Operation
from cybous3.server.wire.route import route
from tests.support.site import ALICE_KEY, BOB_KEY, HOST, ROOT_KEY, SCOPED_KEY, Answer, Site

# Of alice's own: anyone with an identity may ask.
ANYBODYS: Final = {"CreateBucket", "ListBuckets"}
# Nobody's bucket is touched, and no rule gives them to a plain user.
ROOTS: Final = {"ListDirectoryBuckets", "WriteGetObjectResponse"}
VALUES: Final = {"partNumber": "1", "uploadId": "0" * 32}
PATHS: Final = {"service": "/", "bucket": "/photos", "object": "/photos/k"}
SOURCES: Final = {"CopyObject", "UploadPartCopy", "RenameObject"}


def shape(operation: Operation, source: str = "photos/from") -> tuple[str, str, str, dict[str, str]]:
    """Return method, path, query and headers of a request for `operation`."""
    query = {key: value if value is not None else VALUES.get(key, "") for key, value in operation.query.items()}
    if "partNumber" in operation.parameters and operation.method == "PUT":
        query["partNumber"] = VALUES["partNumber"]
    if operation.x_id:
        query["x-id"] = operation.name
    path = operation.path or ("/fresh" if operation.name == "CreateBucket" else PATHS[operation.level])
    headers = {"origin": "http://a.test"} if operation.method == "OPTIONS" else {}
    if operation.name in SOURCES:
        headers[operation.header or "x-amz-rename-source"] = source
    if operation.name == "GetObjectAttributes":
        headers["x-amz-object-attributes"] = "ETag"
    raw = "&".join(f"{key}={value}" if value else key for key, value in sorted(query.items()))
    return operation.method, path, raw, headers


class Watched:
    """A store, or a part of one, that writes down what is called."""

    def __init__(self, watched: Any, log: list[str], name: str = "store") -> None:
        self._watched, self._log, self._name = watched, log, name

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._watched, name)
        full = f"{self._name}.{name}"
        if not callable(value):
            return Watched(value, self._log, full)

        def call(*args: Any, **named: Any) -> Any:
            self._log.append(full)
            return cast("Callable[..., Any]", value)(*args, **named)

        return call


@pytest.fixture
def log(site: Site) -> list[str]:
    """Fill the site, then watch what its store is asked for. Looking up a bucket's owner is not reaching the store."""
    for path in ("/photos", "/photos/from", "/photos/k"):
        site.ask("PUT", path)
    for path in ("/bobs", "/bobs/secret"):
        site.ask("PUT", path, key=BOB_KEY)
    log: list[str] = []
    site.service = site.serve(cast("Store", Watched(site.store, log)))
    return log


# The mark says whether anything changed, and nothing of what there is.
HARMLESS = {"store.index.buckets.get", "store.index.mark"}


def reached(log: list[str]) -> list[str]:
    return [call for call in log if call not in HARMLESS]


def ask(site: Site, operation: Operation, key: Credential | None, source: str = "photos/from") -> Answer:
    method, path, query, headers = shape(operation, source)
    return site.ask(method, path, query, key=key, headers=headers)


def by_name(operation: Operation) -> str:
    return operation.name


@pytest.mark.parametrize("operation", OPERATIONS, ids=by_name)
def test_a_request_of_that_shape_asks_for_that_operation(operation: Operation) -> None:
    method, path, query, headers = shape(operation)
    request = Request(method, path, query, Headers([("host", HOST), *headers.items()]))
    assert route(request).operation.name == operation.name


@pytest.mark.parametrize("operation", OPERATIONS, ids=by_name)
def test_nobody_reaches_nothing(site: Site, log: list[str], operation: Operation) -> None:
    answer = ask(site, operation, None)
    assert answer.status == 403
    assert answer.code in {"AccessDenied", ""}
    assert reached(log) == []


@pytest.mark.parametrize("operation", [row for row in OPERATIONS if row.name not in ANYBODYS], ids=by_name)
@pytest.mark.parametrize("key", [BOB_KEY, SCOPED_KEY], ids=["foreign", "limited elsewhere"])
def test_others_reach_nothing(site: Site, log: list[str], operation: Operation, key: Credential) -> None:
    answer = ask(site, operation, key)
    assert answer.status == 403
    assert reached(log) == []


def test_a_limited_key_makes_no_other_bucket(site: Site, log: list[str]) -> None:
    assert ask(site, next(row for row in OPERATIONS if row.name == "CreateBucket"), SCOPED_KEY).status == 403
    assert reached(log) == []


@pytest.mark.parametrize("operation", [row for row in OPERATIONS if row.name not in ROOTS], ids=by_name)
@pytest.mark.parametrize("key", [ALICE_KEY, ROOT_KEY], ids=["owner", "root"])
def test_the_owner_gets_through(site: Site, log: list[str], operation: Operation, key: Credential) -> None:
    answer = ask(site, operation, key)
    assert answer.status != 403
    if operation.name in HANDLERS:
        assert answer.status < 500
        assert reached(log) or operation.name in {"HeadBucket", "GetBucketLocation", "DeleteObjects"} | {
            "CompleteMultipartUpload"
        }
    else:
        assert answer.status == 501
        assert operation.method == "HEAD" or f"operation {operation.name} is".encode() in answer.body
        assert reached(log) == []


@pytest.mark.parametrize("operation", [row for row in OPERATIONS if row.name in ROOTS], ids=by_name)
def test_what_no_rule_gives_is_roots(site: Site, log: list[str], operation: Operation) -> None:
    assert ask(site, operation, ALICE_KEY).status == 403
    assert ask(site, operation, ROOT_KEY).status == 501
    assert reached(log) == []


@pytest.mark.parametrize("operation", [row for row in OPERATIONS if row.name in SOURCES & HANDLERS.keys()], ids=by_name)
@pytest.mark.parametrize(
    ("key", "source"), [(ALICE_KEY, "bobs/secret"), (BOB_KEY, "photos/from"), (SCOPED_KEY, "photos/from")]
)
def test_a_foreign_source_is_not_looked_at(
    site: Site, log: list[str], operation: Operation, key: Credential, source: str
) -> None:
    method, path, query, headers = shape(operation, source)
    own = {BOB_KEY.access_key: "bobs", SCOPED_KEY.access_key: "scoped"}.get(key.access_key, "photos")
    if own == "scoped":
        site.ask("PUT", "/scoped")
        log.clear()
    answer = site.ask(method, path.replace("photos", own), query, key=key, headers=headers)
    assert (answer.status, answer.code) == (403, "AccessDenied")
    assert reached(log) == []


def test_every_row_that_names_a_source_needs_to_read_it() -> None:
    for operation in OPERATIONS:
        needs = {need.action for need in operation.permissions if need.on == "source"}
        assert ("s3:GetObject" in needs) is (operation.name in SOURCES)


def test_every_handler_has_a_row() -> None:
    assert HANDLERS.keys() <= {operation.name for operation in OPERATIONS}


@pytest.mark.parametrize("operation", [row for row in OPERATIONS if row.level != "service"], ids=by_name)
def test_a_missing_bucket_is_told_to_anyone_it_may_concern(site: Site, log: list[str], operation: Operation) -> None:
    if operation.name == "CreateBucket":
        return
    method, path, query, headers = shape(operation)
    path = path.replace("photos", "missing")
    for key in (None, ALICE_KEY, BOB_KEY, ROOT_KEY):
        answer = site.ask(method, path, query, key=key, headers=headers)
        assert answer.status == 404
        assert answer.code in {"NoSuchBucket", ""}
    assert site.ask(method, path, query, key=SCOPED_KEY, headers=headers).status == 403
    assert reached(log) == []

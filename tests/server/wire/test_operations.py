"""The three short promises of the table, and that botocore's requests and the table mean the same."""

from collections.abc import Callable, Iterator
from typing import Any

import botocore.session
import pytest

from cybous3.server.wire.generated.decoders import DECODERS
from cybous3.server.wire.generated.operations import OPERATIONS
from cybous3.server.wire.message import Headers, Request
from cybous3.server.wire.operations import Operation
from cybous3.server.wire.route import OPERATIONS_BY_NAME, Target, route

MODEL = botocore.session.Session().get_service_model("s3")
LIVE = [name for name in MODEL.operation_names if not MODEL.operation_model(name).deprecated]
PATHS = {"service": "/", "bucket": "/some-bucket", "object": "/some-bucket/a/key"}

Sent = Callable[[str, dict[str, Any]], Request]


def request_for(row: Operation) -> Request:
    """Return the least request that the row describes."""
    query = "&".join(key if value is None else f"{key}={value}" for key, value in row.query.items())
    headers = [("host", "localhost"), ("x-amz-rename-source", "/b-1/k")]
    if row.header:
        headers.append((row.header, "source-bucket/key"))
    return Request(row.method, row.path or PATHS[row.level], query, Headers(headers))


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.name)
def test_every_row_can_be_reached(row: Operation) -> None:
    assert route(request_for(row)).operation is row


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.name)
def test_every_row_needs_a_permission_that_always_applies(row: Operation) -> None:
    assert any(not need.when for need in row.permissions)
    assert all(need.action.partition(":")[2] for need in row.permissions)
    assert route(request_for(row)).needs()


@pytest.mark.parametrize("row", [row for row in OPERATIONS if row.header], ids=lambda row: row.name)
def test_a_row_chosen_by_the_copy_header_needs_to_read_the_source(row: Operation) -> None:
    reads = [need for need in row.permissions if need.on == "source" and need.action == "s3:GetObject"]
    assert [(need.versioned, need.when) for need in reads] == [("s3:GetObjectVersion", frozenset())]


def test_every_operation_that_takes_a_source_is_known_to_read_it() -> None:
    """A member called copy or rename source without a permission on it would be a read that nobody checks."""
    taking = {
        name
        for name in LIVE
        if {"CopySource", "RenameSource"} & set(getattr(MODEL.operation_model(name).input_shape, "members", {}))
    }
    assert taking == {row.name for row in OPERATIONS if any(need.on == "source" for need in row.permissions)}


def test_all_live_operations_and_three_more_have_a_row() -> None:
    assert len(LIVE) == 112
    assert {row.name for row in OPERATIONS} == {*LIVE, "PostObject", "OptionsBucket", "OptionsObject"}
    assert len(OPERATIONS) == len(OPERATIONS_BY_NAME) == 115


def test_every_row_that_has_anything_to_read_has_a_decoder() -> None:
    assert set(DECODERS) == set(OPERATIONS_BY_NAME)


def sample(shape: Any, name: str = "") -> Any:
    """Return a value that satisfies a shape, required members only."""
    fixed = {"Bucket": "some-bucket", "CopySource": "b-1/k", "RenameSource": "b-1/k", "RequestRoute": "route"}
    if name in fixed:
        return fixed[name]
    if shape.type_name == "structure":
        chosen = list(shape.members)[:1] if getattr(shape, "is_tagged_union", False) else shape.required_members
        return {key: sample(shape.members[key], key) for key in chosen}
    makers: dict[str, Callable[[], Any]] = {
        "string": lambda: (getattr(shape, "enum", None) or [("text" * 8)[: shape.metadata.get("min", 4)]])[0],
        "integer": lambda: 1,
        "long": lambda: 1,
        "boolean": lambda: True,
        "timestamp": lambda: 0,
        "blob": lambda: b"bytes",
        "list": lambda: [sample(shape.member)],
        "map": dict,
    }
    return makers[shape.type_name]()


def arguments_of(name: str) -> dict[str, Any]:
    shape = MODEL.operation_model(name).input_shape
    return {} if shape is None else dict(sample(shape))


# botocore names it by its host, s3express-control, which an endpoint of our own replaces; the other SDKs send x-id.
BY_ANOTHER_SIGN = {"ListDirectoryBuckets": {"MaxDirectoryBuckets": 5}}
# botocore demands fields, or a host, that this endpoint cannot have.
PLAIN_HOST = {"WriteGetObjectResponse"}


@pytest.mark.parametrize("name", [name for name in LIVE if name not in PLAIN_HOST])
def test_what_botocore_sends_reaches_the_operation_it_means(name: str, sent: Sent) -> None:
    request = sent(name, arguments_of(name) | BY_ANOTHER_SIGN.get(name, {}))
    target = route(request)
    assert target.operation.name == name
    assert target.bucket == (None if target.operation.level == "service" else "some-bucket")
    assert target.key == ("t" if target.operation.level == "object" else None)
    assert type(target.decode()).__name__ == f"{name}Input"


def located(name: str) -> Iterator[tuple[str, str]]:
    for member, shape in MODEL.operation_model(name).input_shape.members.items():
        if shape.serialization.get("location") in {"header", "querystring"} and shape.type_name == "string":
            yield member, shape.serialization["name"]


@pytest.mark.parametrize(
    "name", ["GetObject", "ListObjectsV2", "ListObjectVersions", "ListMultipartUploads", "ListParts"]
)
def test_what_botocore_writes_is_what_the_decoder_reads(name: str, sent: Sent) -> None:
    """Every text that botocore puts anywhere in the request comes back under some name."""
    arguments = arguments_of(name)
    enums = {"url", "requester", "ENABLED"}
    for member, _ in located(name):
        shape = MODEL.operation_model(name).input_shape.members[member]
        arguments[member] = (getattr(shape, "enum", None) or [f"value-of-{member}"])[0]
    arguments.pop("SSECustomerKeyMD5", None)  # botocore computes it
    arguments["Bucket"], arguments["Key"] = "some-bucket", "a/key"
    if "Key" not in MODEL.operation_model(name).input_shape.members:
        del arguments["Key"]
    decoded = route(sent(name, arguments)).decode()
    assert isinstance(decoded, tuple)
    got = set(filter(lambda value: isinstance(value, str), decoded))
    wanted = {value for value in arguments.values() if isinstance(value, str) and value not in enums}
    assert {value for value in wanted if not value.startswith("value-of-SSE")} <= got


def needs(target: Target) -> set[tuple[str, str]]:
    return {(need.action, need.on) for need in target.needs()}


def test_a_version_asks_for_the_permission_on_versions() -> None:
    host = ("host", "localhost")
    plain = Request("GET", "/some-bucket/k", "", Headers([host]))
    version = Request("GET", "/some-bucket/k", "versionId=abc", Headers([host]))
    assert needs(route(plain)) == {("s3:GetObject", "object")}
    assert needs(route(version)) == {("s3:GetObjectVersion", "object")}


def test_a_version_of_the_source_asks_for_the_permission_on_versions() -> None:
    headers = Headers([("host", "h"), ("x-amz-copy-source", "b-1/k?versionId=7"), ("x-amz-tagging", "a=b")])
    assert needs(route(Request("PUT", "/some-bucket/k", "", headers))) == {
        ("s3:PutObject", "object"),
        ("s3:GetObjectVersion", "source"),
        ("s3:PutObjectTagging", "object"),
    }

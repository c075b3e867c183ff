"""botocore as the outside party: it writes the requests we route and reads the documents we write."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import botocore.awsrequest
import botocore.parsers
import botocore.session
import pytest

from cybous3.server.wire.message import Headers, Request

Kwargs = dict[str, Any]


@cache
def service_model() -> Any:  # botocore is untyped
    return botocore.session.Session().get_service_model("s3")


@cache
def s3_client() -> Any:
    config = botocore.config.Config(s3={"addressing_style": "path"}, signature_version=botocore.UNSIGNED)
    return botocore.session.Session().create_client(
        "s3", region_name="us-east-1", endpoint_url="http://127.0.0.1:9000", config=config
    )


@dataclass
class Sent(Exception):
    request: Any

    def __hash__(self) -> int:
        return id(self)


def botocore_request(operation: str, arguments: Kwargs) -> Request:
    """Return what botocore would send for an operation, as our edge would hand it on."""

    def stop(request: Any, **_: object) -> None:
        raise Sent(request)

    client = s3_client()
    client.meta.events.register_first("before-send.s3", stop)
    try:
        with pytest.raises(Sent) as caught:
            client._make_api_call(operation, arguments)
    finally:
        client.meta.events.unregister("before-send.s3", stop)
    prepared = caught.value.request
    url = urlsplit(prepared.url)
    headers = [
        (name.lower(), value.decode("latin-1") if isinstance(value, bytes) else str(value))
        for name, value in prepared.headers.items()
    ]
    return Request(prepared.method, url.path, url.query, Headers([("host", url.netloc), *headers]))


def botocore_parse(operation: str, body: bytes, status: int = 200) -> dict[str, Any]:
    """Return what botocore makes of a document as the answer to an operation."""
    model = service_model().operation_model(operation)
    parser = botocore.parsers.create_parser("rest-xml")
    parsed: dict[str, Any] = parser.parse(
        {"status_code": status, "headers": {}, "body": body, "context": {"operation_name": operation}},
        model.output_shape,
    )
    del parsed["ResponseMetadata"]
    return parsed


@pytest.fixture
def sent() -> Callable[[str, Kwargs], Request]:
    return botocore_request


@pytest.fixture
def parsed() -> Callable[..., dict[str, Any]]:
    return botocore_parse

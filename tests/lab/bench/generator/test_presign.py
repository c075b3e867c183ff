import pytest

from cybous3.client.stores.s3.endpoint import parse_endpoint
from cybous3.core.sigv4.credentials import Credentials
from cybous3.core.sigv4.sign import EXPIRES_S_MAX, presign
from cybous3.lab.bench.generator.presign import Presigner, query_value

NOW = 1_790_000_000.0


@pytest.mark.parametrize("token", [None, "a+token/="])
@pytest.mark.parametrize(
    ("key", "query"), [("o/1", ""), ("", "list-type=2&prefix=o%2F"), ("k", "partNumber=1&uploadId=a")]
)
def test_the_quick_signature_is_the_signature(token: str | None, key: str, query: str) -> None:
    """For whatever request, `head` carries the signature that core.sigv4 makes of it."""
    credentials = Credentials("AKEXAMPLE", "secret", token)
    endpoint = parse_endpoint("http://127.0.0.1:9000")
    head = Presigner(endpoint, "bucket", credentials, "eu-x", NOW).head("PUT", key, query, length=3)
    line, *fields = head.decode().split("\r\n")
    method, target, _ = line.split(" ")
    path, _, asked = target.partition("?")
    host = endpoint.authority("bucket")
    expected = presign(method, host, path, query, credentials, "eu-x", EXPIRES_S_MAX, NOW)
    assert sorted(asked.split("&")) == sorted(expected.split("&"))
    assert path == f"/bucket/{key}".rstrip("/")
    assert fields == [f"Host: {host}", "Content-Length: 3", "", ""]


def test_further_fields_and_values() -> None:
    signer = Presigner(parse_endpoint("http://h"), "b", Credentials("A", "s"), "r", NOW)
    head = signer.head("GET", "k", fields="Range: bytes=0-1\r\n")
    assert head.endswith(b"Host: h\r\nRange: bytes=0-1\r\n\r\n")
    assert query_value("a/b c") == "a%2Fb%20c"

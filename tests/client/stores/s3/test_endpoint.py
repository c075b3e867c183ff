import pytest

from cybous3.client.stores.errors import Refused
from cybous3.client.stores.s3.endpoint import parse_endpoint


@pytest.mark.parametrize(
    ("url", "authority", "shown"),
    [
        ("https://s3.example.net", "s3.example.net", "https://s3.example.net"),
        ("s3.example.net", "s3.example.net", "https://s3.example.net"),
        ("http://localhost:9000/", "localhost:9000", "http://localhost:9000"),
        ("http://h:80", "h", "http://h"),
        ("https://h:443", "h", "https://h"),
        ("https://h:80", "h:80", "https://h:80"),
        ("http://[::1]:9000", "[::1]:9000", "http://[::1]:9000"),
    ],
)
def test_an_endpoint_is_scheme_host_and_port(url: str, authority: str, shown: str) -> None:
    endpoint = parse_endpoint(url)
    assert (endpoint.authority(), endpoint.authority("bucket"), endpoint.url) == (authority, authority, shown)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://h",
        "http://",
        "http://h/path",
        "http://h?q",
        "http://user@h",
        "http://h:port",
        "http://h:99999",
        "http://[::1",
    ],
)
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        parse_endpoint(url)


def test_path_style_puts_the_bucket_into_the_path() -> None:
    endpoint = parse_endpoint("http://h")
    assert endpoint.path(None) == "/"
    assert endpoint.path("b") == "/b"
    assert endpoint.path("b", "a b/ü+%") == "/b/a%20b/%C3%BC%2B%25"


def test_virtual_style_puts_the_bucket_into_the_host() -> None:
    endpoint = parse_endpoint("https://h:9000", "virtual")
    assert endpoint.authority("b") == "b.h:9000"
    assert endpoint.authority() == "h:9000"
    assert (endpoint.path("b"), endpoint.path("b", "k")) == ("/", "/k")


def test_an_address_has_no_host_names_below_it() -> None:
    with pytest.raises(Refused, match="address"):
        parse_endpoint("http://127.0.0.1:9000", "virtual")


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("s3.eu-west-1.amazonaws.com", "eu-west-1"),
        ("s3-us-west-2.amazonaws.com", "us-west-2"),
        ("s3.dualstack.eu-west-1.amazonaws.com", "eu-west-1"),
        ("s3.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("s3.amazonaws.com", "us-east-1"),
        ("s3.us-west-004.backblazeb2.com", "us-west-004"),
        ("nyc3.digitaloceanspaces.com", "nyc3"),
        ("s3.fr-par.scw.cloud", "fr-par"),
        ("cos.ap-guangzhou.myqcloud.com", "ap-guangzhou"),
        ("0123.r2.cloudflarestorage.com", "auto"),
        ("localhost", "us-east-1"),
    ],
)
def test_some_hosts_tell_their_region(host: str, region: str) -> None:
    assert parse_endpoint(f"https://{host}").likely_region() == region

import asyncio

from cybous3.server.wire.message import EmptyBody, Headers


def test_headers_keep_order_and_repetition_and_show_the_first() -> None:
    headers = Headers([("b", "1"), ("a", "2"), ("b", "3")])
    assert list(headers) == [("b", "1"), ("a", "2"), ("b", "3")]
    assert len(headers) == 3
    assert (headers.get("b"), headers.get("c"), headers.first["b"]) == ("1", None, "1")
    assert headers.all("b") == ["1", "3"]
    assert "a" in headers
    assert "c" not in headers


def test_an_empty_body_is_over_at_once() -> None:
    assert asyncio.run(EmptyBody().read()) == b""

"""The smuggling table: what is not one unambiguous request never becomes a `Head` (attacks.md C5)."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.server.edge.head import Parser
from cybous3.server.edge.limits import Limits
from cybous3.server.edge.refusal import Refusal

LIMITS = Limits(header_count=20, target_bytes=200, body_bytes=10_000, plain_body_bytes=100)


def parse(text: str | bytes) -> object:
    raw = text if isinstance(text, bytes) else text.encode("latin-1")
    return Parser(LIMITS).parse(raw)


def head(*lines: str, start: str = "PUT /b/k HTTP/1.1") -> bytes:
    return "".join(f"{line}\r\n" for line in (start, *lines, "")).encode("latin-1")


REFUSED = {
    "two equal lengths": (head("Host: x", "Content-Length: 5", "Content-Length: 5"), 400),
    "two different lengths": (head("Host: x", "Content-Length: 5", "Content-Length: 6"), 400),
    "a list of lengths": (head("Host: x", "Content-Length: 5, 5"), 400),
    "a signed length": (head("Host: x", "Content-Length: +5"), 400),
    "a negative length": (head("Host: x", "Content-Length: -5"), 400),
    "a length in hexadecimal": (head("Host: x", "Content-Length: 0x5"), 400),
    "a length with an underscore": (head("Host: x", "Content-Length: 1_0"), 400),
    "an empty length": (head("Host: x", "Content-Length:"), 400),
    "a length beyond 64 bits": (head("Host: x", "Content-Length: 99999999999999999999999"), 400),
    "a length beyond the limit": (head("Host: x", "Content-Length: 10001"), 400),
    "a large body where none is expected": (head("Host: x", "Content-Length: 101", start="GET / HTTP/1.1"), 400),
    "length and chunked": (head("Host: x", "Content-Length: 5", "Transfer-Encoding: chunked"), 400),
    "chunked and length": (head("Host: x", "Transfer-Encoding: chunked", "Content-Length: 5"), 400),
    "chunked twice": (head("Host: x", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 400),
    "chunked, chunked": (head("Host: x", "Transfer-Encoding: chunked, chunked"), 400),
    "gzip, chunked": (head("Host: x", "Transfer-Encoding: gzip, chunked"), 400),
    "identity": (head("Host: x", "Transfer-Encoding: identity"), 400),
    "xchunked": (head("Host: x", "Transfer-Encoding: xchunked"), 400),
    "chunked behind a vertical tab": (head("Host: x", "Transfer-Encoding: \x0bchunked"), 400),
    "an empty coding": (head("Host: x", "Transfer-Encoding:"), 400),
    "chunked in HTTP/1.0": (head("Host: x", "Transfer-Encoding: chunked", start="PUT / HTTP/1.0"), 400),
    "no host": (head("X: y"), 400),
    "two hosts": (head("Host: x", "Host: x"), 400),
    "an empty host": (head("Host:"), 400),
    "a host with a path": (head("Host: x/y"), 400),
    "a host with user info": (head("Host: a@b"), 400),
    "a host with a blank": (head("Host: a b"), 400),
    "two authorizations": (head("Host: x", "Authorization: a", "Authorization: b"), 400),
    "a blank before the colon": (head("Host : x"), 400),
    "no colon": (head("Host: x", "foo"), 400),
    "an empty name": (head("Host: x", ": y"), 400),
    "a name that is no token": (head("Host: x", "a(b): y"), 400),
    "a blank in front of the first name": (head(" Host: x"), 400),
    "a folded line": (head("Host: x", "A: b", " c"), 400),
    "a line folded with a tab": (head("Host: x", "A: b", "\tc"), 400),
    "an empty line folded": (head("Host: x", "A:", " c"), 400),
    "NUL in a value": (head("Host: x", "A: b\0c"), 400),
    "a control character in a value": (head("Host: x", "A: b\x01c"), 400),
    "DEL in a value": (head("Host: x", "A: b\x7fc"), 400),
    "CR in a value": (head("Host: x", "A: b\rc"), 400),
    "CR at the end of a value": (head("Host: x", "A: b\r"), 400),
    "LF in a value": (head("Host: x", "A: b\nc"), 400),
    "bare LF": (b"GET / HTTP/1.1\nHost: x\n\r\n\r\n", 400),
    "bare LF behind a header": (b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", 400),
    "CR behind the version": (b"GET / HTTP/1.1\r\r\nHost: x\r\n\r\n", 400),
    "two blanks behind the method": (head("Host: x", start="GET  / HTTP/1.1"), 400),
    "two blanks behind the target": (head("Host: x", start="GET /  HTTP/1.1"), 400),
    "a tab in the request line": (head("Host: x", start="GET\t/ HTTP/1.1"), 400),
    "a blank behind the version": (head("Host: x", start="GET / HTTP/1.1 "), 400),
    "no version": (head("Host: x", start="GET /"), 400),
    "a blank in the target": (head("Host: x", start="GET /a b HTTP/1.1"), 400),
    "NUL in the target": (head("Host: x", start="GET /a\0b HTTP/1.1"), 400),
    "raw bytes in the target": (head("Host: x", start="GET /\xe4 HTTP/1.1"), 400),
    "a fragment": (head("Host: x", start="GET /a#b HTTP/1.1"), 400),
    "no slash": (head("Host: x", start="GET a HTTP/1.1"), 400),
    "an asterisk": (head("Host: x", start="OPTIONS * HTTP/1.1"), 400),
    "another host in the target": (head("Host: x", start="GET http://y/ HTTP/1.1"), 400),
    "user info in the target": (head("Host: x", start="GET http://a@x/ HTTP/1.1"), 400),
    "another scheme": (head("Host: x", start="GET ftp://x/ HTTP/1.1"), 400),
    "a tunnel": (head("Host: x", start="CONNECT x:80 HTTP/1.1"), 405),
    "a method that nobody knows": (head("Host: x", start="FOO / HTTP/1.1"), 405),
    "a method in small letters": (head("Host: x", start="get / HTTP/1.1"), 405),
    "a method that is none": (head("Host: x", start="G@T / HTTP/1.1"), 400),
    "WebDAV": (head("Host: x", start="PROPFIND / HTTP/1.1"), 405),
    "HTTP/0.9": (head("Host: x", start="GET / HTTP/0.9"), 505),
    "HTTP/1.2": (head("Host: x", start="GET / HTTP/1.2"), 400),
    "HTTP/2.0": (head("Host: x", start="GET / HTTP/2.0"), 505),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\n", 405),
    "another protocol": (head("Host: x", start="SOURCE / ICE/1.0"), 405),
    "too many headers": (head("Host: x", *(f"A{i}: b" for i in range(20))), 431),
    "a long target": (head("Host: x", start=f"GET /{'a' * 200} HTTP/1.1"), 414),
    "an expectation that cannot be met": (head("Host: x", "Content-Length: 1", "Expect: magic"), 417),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_ambiguous_is_refused(name: str) -> None:
    raw, status = REFUSED[name]
    with pytest.raises(Refusal) as refused:
        parse(raw)
    assert refused.value.status == status


def test_a_plain_request_is_read_as_it_is() -> None:
    got = Parser(LIMITS).parse(
        head(
            "Host: b.example:9000",
            "X-Amz-Date:  20260101  ",
            "x-amz-meta-a: \xe4",
            start="GET /k%20/../x?a&b=%2F HTTP/1.1",
        )
    )
    assert (got.method, got.path, got.query) == ("GET", "/k%20/../x", "a&b=%2F")
    assert got.headers.get("x-amz-date") == "20260101"
    assert got.headers.get("x-amz-meta-a") == "\xe4"
    assert (got.length, got.keep_alive, got.expects_continue, got.modern) == (0, True, False, True)


@pytest.mark.parametrize("target", ["http://x/a?b=c", "HTTP://X/a?b=c", "https://x/a?b=c"])
def test_an_absolute_target_is_read_as_its_path(target: str) -> None:
    got = Parser(LIMITS).parse(head("Host: x", start=f"GET {target} HTTP/1.1"))
    assert (got.path, got.query) == ("/a", "b=c")


def test_an_absolute_target_without_path_is_the_root() -> None:
    got = Parser(LIMITS).parse(head("Host: x", start="GET http://x?b HTTP/1.1"))
    assert (got.path, got.query) == ("/", "b")


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        ("1.1", None, True),
        ("1.1", "close", False),
        ("1.1", "x, Close", False),
        ("1.1", "keep-alive", True),
        ("1.0", None, False),
        ("1.0", "Keep-Alive", True),
        ("1.0", "keep-alive, close", False),
    ],
)
def test_connections_are_kept_as_http_says(version: str, connection: str | None, kept: bool) -> None:
    lines = ["Host: x"] + ([f"Connection: {connection}"] if connection else [])
    assert Parser(LIMITS).parse(head(*lines, start=f"GET / HTTP/{version}")).keep_alive is kept


def test_http_1_0_needs_no_host_and_gets_no_continue() -> None:
    got = Parser(LIMITS).parse(head("Content-Length: 5", "Expect: 100-continue", start="PUT / HTTP/1.0"))
    assert not got.expects_continue
    assert not got.modern


def test_an_offer_to_upgrade_is_ignored() -> None:
    parser = Parser(LIMITS)
    for _ in range(2):
        got = parser.parse(
            head("Host: x", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", start="GET / HTTP/1.1")
        )
        assert (got.path, got.keep_alive) == ("/", True)


def test_one_parser_reads_many_requests_of_every_kind() -> None:
    parser = Parser(LIMITS)
    for _ in range(3):
        assert parser.parse(head("Host: x", start="GET /a HTTP/1.1")).length == 0
        assert parser.parse(head("Host: x", "Content-Length: 5")).length == 5
        assert parser.parse(head("Host: x", "Transfer-Encoding: Chunked")).length is None
        with pytest.raises(Refusal):
            parser.parse(head("Host: x", "Host: y"))


def test_the_peer_cannot_make_the_memory_of_names_grow() -> None:
    parser = Parser(LIMITS)
    for i in range(100):
        assert parser.parse(head("Host: x", f"X-{i}: y", start="GET / HTTP/1.1")).headers.get(f"x-{i}") == "y"
    assert len(parser._names) <= LIMITS.header_count


TOKEN = st.text(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~", min_size=1, max_size=12)
VALUE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=20)


def test_a_long_name_is_read_and_not_remembered() -> None:
    parser = Parser(LIMITS)
    name = "x-amz-meta-" + "n" * 1000
    for _ in range(2):
        head = parser.parse(f"GET / HTTP/1.1\r\nHost: a\r\n{name}: v\r\nShort: v\r\n\r\n".encode())
        assert head.headers.get(name) == "v"
    assert sorted(parser._names) == [b"Host", b"Short"]
    assert parser._fields == []


@given(st.lists(st.tuples(TOKEN, VALUE), max_size=10))
def test_header_fields_survive(fields: list[tuple[str, str]]) -> None:
    special = {"host", "content-length", "transfer-encoding", "authorization", "expect", "connection", "upgrade"}
    fields = [(name, value) for name, value in fields if name.lower() not in special]
    got = Parser(LIMITS).parse(head("Host: x", *(f"{name}: {value}" for name, value in fields), start="GET / HTTP/1.1"))
    assert list(got.headers)[1:] == [(name.lower(), value) for name, value in fields]


@given(st.binary(max_size=200))
def test_noise_is_refused_or_read_and_nothing_else(noise: bytes) -> None:
    for raw in (noise + b"\r\n\r\n", b"GET / HTTP/1.1\r\n" + noise + b"\r\n\r\n"):
        try:
            path = Parser(LIMITS).parse(raw).path
        except Refusal as refusal:
            path = f"/{refusal.status}"
        assert path.startswith("/")


def test_an_empty_expectation_expects_nothing() -> None:
    got = Parser(LIMITS).parse(head("Host: x", "Content-Length: 5", "Expect:"))
    assert not got.expects_continue

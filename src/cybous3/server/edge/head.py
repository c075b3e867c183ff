"""The head of a request: from bytes to one reading that no other HTTP implementation would dispute.

Keeps true of every head that passes: lines end in CRLF and nowhere else, nothing is folded, names are tokens, values
hold no control characters, there is exactly one Host, and at most one statement of the body's length. llhttp
(through httptools) does the tokenising and, being strict unless told otherwise, refuses bare CR and LF, folded lines,
NUL and blanks before a colon; what it lets pass out of kindness is refused here. The table in the tests pins both
halves. RFC 9112 §§2-6, §11.

No I/O: `Parser.parse` gets the head's bytes, end mark included.
"""

import re
from dataclasses import dataclass

import httptools

from cybous3.server.edge.limits import Limits
from cybous3.server.edge.refusal import Refusal, bad_request
from cybous3.server.wire.message import Headers

END = b"\r\n\r\n"

# RFC 9110 §7.2: host and optional port. Reg-names beyond letters, digits, dot, hyphen and underscore meet no DNS.
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_ABSOLUTE = re.compile(r"https?://([^/?#]*)([^#]*)", re.IGNORECASE)
# More digits than any limit has; what `int` would also take ("+5", "5_0", non-ASCII digits) is not a length.
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}")
_SINGLE = ("host", "content-length", "transfer-encoding", "authorization")
_BODY_METHODS = frozenset(("PUT", "POST"))
_VERSIONS = ("1.1", "1.0")
_NAME_BYTES_KEPT = 64  # no longer than the longest of S3's own
_METHODS = {name.encode(): name for name in ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS")}


@dataclass(slots=True)
class Head:
    """One request head. `length` is None for the chunked transfer coding. Not frozen: that costs a microsecond."""

    method: str
    path: str
    query: str
    headers: Headers
    length: int | None
    keep_alive: bool
    expects_continue: bool
    modern: bool  # HTTP/1.1, as opposed to 1.0


class Parser:
    """Parses the heads of one connection; the tokeniser is reused from one bodiless request to the next."""

    __slots__ = ("_fields", "_host", "_limits", "_names", "_target", "_tokeniser")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._names: dict[bytes, str] = {}
        self._tokeniser: httptools.HttpRequestParser | None = None
        self._host: str | None = None  # the last that was good: a connection rarely names another
        self._target = b""
        self._fields: list[tuple[str, str]] = []

    def on_url(self, target: bytes) -> None:
        """Receive the request target (httptools calls this)."""
        self._target = target

    def on_header(self, name: bytes, value: bytes) -> None:
        """Receive one header field (httptools calls this)."""
        lower = self._names.get(name)
        if lower is None:
            lower = self._learn(name)
        text = value.decode("latin-1")
        self._fields.append((lower, text.rstrip(" \t") if text[-1:] in " \t" else text))

    def _learn(self, name: bytes) -> str:
        lower = name.decode("ascii").lower()
        # Names are the peer's choice: bounded in number and, since they stay as long as the connection, in length.
        if len(self._names) < self._limits.header_count and len(name) <= _NAME_BYTES_KEPT:
            self._names[name] = lower
        return lower

    def parse(self, head: bytes) -> Head:
        """Return the parsed head. Refusal for anything that is not one plain request."""
        method, version = self._tokenise(head)
        headers = Headers(self._fields)
        if len(headers) > self._limits.header_count:
            raise Refusal(431, "RequestHeaderSectionTooLarge", "Your request has too many header fields.")
        _refuse_duplicates(self._fields)
        modern = version == "1.1"
        host = headers.get("host")
        if host is None or host != self._host:
            _check_host(host, modern=modern)
            self._host = host
        path, query = _target(self._target.decode("ascii"), host, self._limits)
        length = _length(method, headers, self._limits, modern=modern)
        if length != 0:
            self._tokeniser = None  # it waits for a body that it will never see
        self._target, self._fields = b"", []  # an idle connection holds nothing of what was asked
        return Head(
            method,
            path,
            query,
            headers,
            length,
            _keep_alive(headers.get("connection"), modern=modern),
            modern and length != 0 and _expects_continue(headers.get("expect")),
            modern,
        )

    def _tokenise(self, head: bytes) -> tuple[str, str]:
        """Feed the tokeniser and return method and version; target and fields are left in place."""
        self._target, self._fields = b"", []
        tokeniser, self._tokeniser = self._tokeniser, None
        if tokeniser is None:
            tokeniser = httptools.HttpRequestParser(self)
        try:
            tokeniser.feed_data(head)
            self._tokeniser = tokeniser
        except httptools.HttpParserUpgrade:
            pass  # an offer to speak something else may be ignored (RFC 9110 §7.8); this tokeniser is spent
        except httptools.HttpParserInvalidMethodError:
            raise _refused_method(head) from None
        except httptools.HttpParserError as broken:
            raise bad_request(f"An error occurred when parsing the HTTP request: {broken}.") from None
        method, version = _METHODS.get(tokeniser.get_method()), tokeniser.get_http_version()
        if method is None:
            raise _refused_method(head)
        # llhttp accepts further blanks in the request line, and a line without any version.
        end = head.find(b"\r\n")
        if end != len(method) + len(self._target) + len("  HTTP/1.1"):
            raise bad_request("The request line is malformed.")
        if version not in _VERSIONS:
            raise Refusal(505, "HttpVersionNotSupported", "The HTTP version specified is not supported.")
        return method, version


def refuse_bare_lines(begun: bytes) -> None:
    """Refuse at once, not at a deadline, the beginning of a head whose lines do not end in CRLF: it would never end."""
    if begun.count(b"\n") != begun.count(b"\r\n"):
        raise bad_request("A line does not end in CRLF.")


def _refused_method(head: bytes) -> Refusal:
    if _TOKEN.fullmatch(head.split(b" ", 1)[0]):
        return Refusal(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
    return bad_request("The request line is malformed.")


def _refuse_duplicates(fields: list[tuple[str, str]]) -> None:
    if len(dict(fields)) == len(fields):
        return
    names = [name for name, _ in fields]
    for single in _SINGLE:
        if names.count(single) > 1:
            raise bad_request(f"The header {single} occurs more than once.")


def _check_host(host: str | None, *, modern: bool) -> None:
    """RFC 9112 §3.2: exactly one Host that is a valid authority; HTTP/1.0 knew none."""
    if host is None:
        if modern:
            raise bad_request("The request has no Host header.")
    elif not _HOST.fullmatch(host):
        raise bad_request("The Host header is not a host.")


def _target(target: str, host: str | None, limits: Limits) -> tuple[str, str]:
    """Return path and query of an origin-form or absolute-form target (RFC 9112 §3.2)."""
    if len(target) > limits.target_bytes:
        raise Refusal(414, "RequestURITooLong", "The request target is too long.")
    if "#" in target:
        raise Refusal(400, "InvalidURI", "The request target holds a fragment.")
    if not target.startswith("/"):
        target = _origin_form(target, host)
    path, _, query = target.partition("?")
    return path, query


def _origin_form(target: str, host: str | None) -> str:
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise Refusal(400, "InvalidURI", "The request target is neither a path nor an absolute URI.")
    # Two names for one request would let a proxy and us see different buckets.
    if host is None or absolute[1].lower() != host.lower():
        raise bad_request("The request target and the Host header name different hosts.")
    rest = absolute[2]
    return rest if rest.startswith("/") else "/" + rest


def _length(method: str, headers: Headers, limits: Limits, *, modern: bool) -> int | None:
    """Return the one length of the body; None when it comes in chunks (RFC 9112 §6)."""
    stated, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if coding is not None:
        if stated is not None or not modern or coding.lower() != "chunked":
            raise bad_request("The transfer coding is not exactly 'chunked', or comes with another length.")
        return None
    if stated is None:
        return 0
    if not _LENGTH.fullmatch(stated):
        raise bad_request("The Content-Length is not a number.")
    length = int(stated)
    if length > body_bound(method, limits):
        raise Refusal(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.")
    return length


def body_bound(method: str, limits: Limits) -> int:
    """Return the largest body that a request of this method may have."""
    return limits.body_bytes if method in _BODY_METHODS else limits.plain_body_bytes


def _keep_alive(connection: str | None, *, modern: bool) -> bool:
    if connection is None:
        return modern
    options = [option.strip().lower() for option in connection.split(",")]
    return "close" not in options and (modern or "keep-alive" in options)


def _expects_continue(expect: str | None) -> bool:
    if not expect:  # an empty field expects nothing
        return False
    if expect.lower() != "100-continue":
        raise Refusal(417, "ExpectationFailed", "The only expectation that can be met is 100-continue.")
    return True

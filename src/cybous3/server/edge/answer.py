"""The head of an answer: from a Response to the bytes that frame it."""

import time
from email.utils import formatdate
from http import HTTPStatus

from cybous3.server.wire.message import Response

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_BODILESS = frozenset((204, 304))
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_FINAL = 200  # what is below is not an answer


class BadAnswerError(Exception):
    """A handler made an answer that cannot be sent as one HTTP message: our mistake, never the peer's."""


class _Date:
    """The Date header's line, formatted once a second."""

    __slots__ = ("_line", "_second")

    def __init__(self) -> None:
        self._second = -1
        self._line = b""

    def __call__(self) -> bytes:
        now = int(time.time())
        if now != self._second:
            self._second, self._line = now, f"Date: {formatdate(now, usegmt=True)}\r\n".encode()
        return self._line


date_line = _Date()


def body_length(response: Response) -> int:
    """Return the number of bytes of the response's body, whoever it is for."""
    return len(response.body) if isinstance(response.body, bytes) else response.body.length


def sends_body(method: str, status: int) -> bool:
    """Return whether a body follows the head (RFC 9110 §6.4.1)."""
    return method != "HEAD" and status not in _BODILESS


def encode_head(response: Response, *, method: str, close: bool, modern: bool = True) -> bytes:
    """Return status line and headers, with the empty line behind them. BadAnswerError as `encode_fields`."""
    fields = encode_fields(response, method=method)
    # A date of the handler's own stands behind a line end, as every name does and no value can.
    date = b"" if b"\ndate:" in fields.lower() else date_line()
    ends = b"Connection: close\r\n\r\n" if close else b"\r\n" if modern else b"Connection: keep-alive\r\n\r\n"
    return b"%s%s%s" % (fields, date, ends)


def encode_fields(response: Response, *, method: str) -> bytes:
    """Return status line and headers but for the date and what belongs to the connection.

    BadAnswerError for a status without a name, for a value that would break out of its line, and for a stated length
    that is not the body's.
    """
    fields = response.headers
    text = "".join([f"{name}: {value}\r\n" for name, value in fields])
    if text.count("\n") != len(fields) or text.count("\r") != len(fields) or "\0" in text:
        raise BadAnswerError("a header value of the answer holds a line end or NUL")
    line = _STATUS_LINES.get(response.status)
    if line is None or response.status < _FINAL:
        raise BadAnswerError(f"the answer has the status {response.status}")
    names = ("\n" + text).lower()  # a name stands behind a line end and before a colon, and only there
    if "\nconnection:" in names or "\ntransfer-encoding:" in names:
        raise BadAnswerError("a handler set a header that belongs to the connection")
    length = _length(response, method, stated="\ncontent-length:" in names)
    try:
        return f"{line}{text}{length}Server: SwiftS3\r\n".encode("latin-1")
    except UnicodeEncodeError as wide:
        raise BadAnswerError("a header value of the answer is not latin-1 text") from wide


def _length(response: Response, method: str, *, stated: bool) -> str:
    """Return the Content-Length line that is still missing. A HEAD answer states the length of what GET would send."""
    if not stated:
        return "" if response.status in _BODILESS else f"Content-Length: {body_length(response)}\r\n"
    if sends_body(method, response.status):
        length = str(body_length(response))
        if [value for name, value in response.headers if name.lower() == "content-length"] != [length]:
            raise BadAnswerError(f"the answer does not state the {length} bytes that it has")
    return ""

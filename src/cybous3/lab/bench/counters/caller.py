"""One connection, one signed request at a time, one `send` for each: so that the server's work does not depend on luck.

The payload is not hashed (UNSIGNED-PAYLOAD), as presigned links and most SDKs over TLS do. Answers are read whole.
No two requests are the same bytes, not even within a second, unless `again` is asked for: a server may remember.
"""

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from cybous3.core.errors import CybousError
from cybous3.core.sigv4.credentials import Credentials
from cybous3.core.sigv4.payload import PayloadMode
from cybous3.core.sigv4.sign import sign_headers

_TIMEOUT_S: Final = 60.0
_RECEIVE_BYTES: Final = 1 << 20


class UnexpectedAnswer(CybousError):
    """A request that must succeed did not."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, fields (lower-case names) and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Caller:
    """A client of one endpoint. Every request must succeed: UnexpectedAnswer."""

    def __init__(self, address: tuple[str, int], credentials: Credentials, region: str) -> None:
        self._socket = socket.create_connection(address, timeout=_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._host = f"{address[0]}:{address[1]}"
        self._credentials, self._region = credentials, region
        self._last = b""
        self._counts = {"http.requests": 0, "http.sent_bytes": 0}

    def counts(self) -> dict[str, int]:
        """Return the number of requests, and the bytes that the server sent in answer."""
        return dict(self._counts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def call(
        self, method: str, path: str, query: str = "", body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request and return its answer."""
        self._counts["http.requests"] += 1
        self._last = self._head(method, path, query, len(body), headers or {}) + body
        return self._exchange()

    def again(self) -> Answer:
        """Send the last request once more, byte for byte, as load generators and presigned links do."""
        self._counts["http.requests"] += 1
        return self._exchange()

    def _exchange(self) -> Answer:
        self._socket.sendall(self._last)
        answer = self._receive(self._last[: self._last.index(b" ")].decode())
        if answer.status // 100 != 2:  # noqa: PLR2004  # success
            asked = self._last.partition(b" HTTP/")[0].decode("latin-1")
            raise UnexpectedAnswer(f"{asked}: {answer.status} {answer.body[:300].decode('latin-1')}")
        return answer

    def _head(self, method: str, path: str, query: str, length: int, headers: Mapping[str, str]) -> bytes:
        fields = [("host", self._host), ("content-length", str(length)), *headers.items()]
        mode = PayloadMode.UNSIGNED.value
        fields += sign_headers(
            method, path, query, fields, mode, self._credentials, self._region, "s3", float(int(time.time()))
        )
        fields.append(("user-agent", f"counters/{self._counts['http.requests']:06}"))
        lines = [
            f"{method} {path}{'?' if query else ''}{query} HTTP/1.1",
            *(f"{name}: {text}" for name, text in fields),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _receive(self, method: str) -> Answer:
        data = bytearray()
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._some()
        status, *lines = data[:end].decode("latin-1").split("\r\n")
        fields = {name.lower(): text for name, _, text in (line.partition(": ") for line in lines)}
        body = data[end + 4 :]
        length = 0 if method == "HEAD" else int(fields.get("content-length", "0"))
        while len(body) < length:
            body += self._some()
        return Answer(int(status.split(" ")[1]), fields, bytes(body))

    def _some(self) -> bytes:
        data = self._socket.recv(_RECEIVE_BYTES)
        if not data:
            raise UnexpectedAnswer("the server closed the connection in the middle of an answer")
        self._counts["http.sent_bytes"] += len(data)
        return data

"""One large object after the other over one connection, with nothing between the socket and the clock.

A PUT sends finished bytes, a GET reads into one buffer that is there before: both cost this side less than any server,
being system calls on megabytes. What came is compared with what was sent after the clock has stopped.
"""

import socket
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from cybous3.core.errors import CybousError

_READ: Final = 1024 * 1024
_HEAD_MAX: Final = 64 * 1024
_TIMEOUT_S: Final = 120.0
_END: Final = b"\r\n\r\n"


class StreamFailed(CybousError):
    """A large transfer was refused, cut off, or came back different."""

    exit_code = 5


class Line:
    """One connection to `base` (`http://host:port`), kept as long as the server keeps it. Not for two threads."""

    def __init__(self, base: str, clock: Callable[[], float] = time.perf_counter) -> None:
        parts = urlsplit(base)
        self._host = parts.netloc
        self._clock = clock
        self._address = (parts.hostname or "", parts.port or 80)
        self._socket = self._connected()
        self._kept = True

    def _connected(self) -> socket.socket:
        made = socket.create_connection(self._address, _TIMEOUT_S)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _send(self, head: str, body: bytes = b"") -> None:
        if not self._kept:  # the last answer ended the connection; what a new one costs belongs to such a server
            self._socket.close()
            self._socket = self._connected()
        self._socket.sendall(head.encode("latin-1"))
        if body:
            self._socket.sendall(body)

    def put(self, path: str, body: bytes) -> float:
        """Send `body` to a presigned path and return the seconds until the answer was read. Raises StreamFailed."""
        head = f"PUT {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Length: {len(body)}\r\n\r\n"
        begun = self._clock()
        self._send(head, body)
        rest, length = self._answer()
        self._read_into(memoryview(bytearray(length)), rest)
        return self._clock() - begun

    def get(self, path: str, expected: bytes) -> float:
        """Fetch a presigned path and return the seconds; StreamFailed if what came is not `expected`."""
        buffer = bytearray(len(expected))
        head = f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n"
        begun = self._clock()
        self._send(head)
        rest, length = self._answer()
        if length != len(expected):
            raise StreamFailed(f"{length} bytes came instead of {len(expected)}")
        self._read_into(memoryview(buffer), rest)
        seconds = self._clock() - begun
        if buffer != expected:
            raise StreamFailed("wrong bytes came back")
        return seconds

    def _answer(self) -> tuple[bytes, int]:
        """Read an answer's head; return what already came of its body, and the body's length."""
        got = bytearray()
        while _END not in got:
            piece = self._socket.recv(16 * 1024)
            if not piece or len(got) > _HEAD_MAX:
                raise StreamFailed("the connection was cut off")
            got += piece
        head, _, rest = bytes(got).partition(_END)
        status, *fields = head.decode("latin-1").split("\r\n")
        if " 200" not in status:
            raise StreamFailed(f"answered {status!r}")
        told = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in fields)}
        self._kept = told.get("connection", "").lower() != "close"
        return rest, int(told.get("content-length", 0))

    def _read_into(self, buffer: memoryview, rest: bytes) -> None:
        buffer[: len(rest)] = rest
        at = len(rest)
        while at < len(buffer):
            count = self._socket.recv_into(buffer[at : at + _READ])
            if not count:
                raise StreamFailed("the connection was cut off")
            at += count

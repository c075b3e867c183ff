"""One HTTP/1.1 connection of a client: send a request, read a head, read a body. No policy.

Written for two loads: many small requests (one send, one receive, no objects of the email package) and few large ones
(buffers go out as they are, bodies come into the caller's buffer). Everything an answer may make us hold is bounded.
Failures leave as the store family; nothing above sees a socket error.
"""

import errno
import select
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from cybous3.client.stores.errors import ConnectionLost, ServerFailed, Silent, Unreachable, UntrustedServer
from cybous3.client.stores.port import Buffer
from cybous3.client.stores.s3.endpoint import Endpoint

if TYPE_CHECKING:
    import ssl

HEAD_BYTES_MAX = 64 * 1024
_RECEIVE_BYTES = 64 * 1024
# With TLS a call returns when all of it is sent, so this much has to leave within the idle time: 17 KB/s at 60 s.
_SEND_BYTES = 1024 * 1024
# Below this, head and body leave in one segment; copying so little costs less than a second system call.
_JOIN_BYTES_MAX = 32 * 1024
_CHUNK_LINE_MAX = 1024
_NO_BODY_STATUSES = frozenset({204, 304})
_INFORMATIONAL_MAX = 199


class Timeouts(NamedTuple):
    """Seconds to wait: for a connection, and for the next bytes in either direction."""

    connect_s: float = 10.0
    idle_s: float = 60.0


class Head(NamedTuple):
    """The head of an answer. Names are lower case; a repeated field is joined by ", "."""

    status: int
    headers: Mapping[str, str]
    keep_alive: bool


class Connection:
    """One connection. Not safe for two threads at once; the pool sees to that."""

    def __init__(self, sock: socket.socket, where: str) -> None:
        self._socket = sock
        self._where = where
        self._buffer = bytearray(_RECEIVE_BYTES)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0  # what was received and not yet taken
        self._left: int | None = 0  # of the body; None: until the connection ends
        self._chunked = False
        self._reusable = True
        self.last_used_s = time.monotonic()

    # requests

    def send(self, head: bytes, body: Sequence[Buffer]) -> None:
        """Send a request. If the server closed its side it may have answered already; then that answer counts."""
        pieces = [memoryview(piece).cast("B") for piece in body]
        try:
            if sum(piece.nbytes for piece in pieces) <= _JOIN_BYTES_MAX:
                self._socket.sendall(b"".join((head, *pieces)))
                return
            self._socket.sendall(head)
            for piece in pieces:
                self._send_all(piece)
        except TimeoutError as error:
            self._reusable = False
            raise Silent(f"{self._where} stopped taking data") from error
        except OSError as error:
            # An early refusal ("slow down", "no such bucket") closes the connection while the body is under way.
            self._reusable = False
            if not self._answer_waits():
                raise self._lost(error) from error

    def receive_head(self, method: str) -> Head:
        """Read the final head of the answer to a request of `method`."""
        while True:
            head = self._parse_head(self._take_head())
            if head.status > _INFORMATIONAL_MAX:
                break
        self._frame_body(head, method)
        self._reusable = self._reusable and head.keep_alive
        return head

    # bodies

    @property
    def finished(self) -> bool:
        """Whether the body has been read to its end."""
        return self._left == 0 and not self._chunked

    def readinto(self, target: memoryview) -> int:
        """Read some bytes of the body into `target`; 0 only at the end of the body."""
        if self._chunked and self._left == 0:
            self._next_chunk()
        if self._left == 0 or not target.nbytes:
            return 0
        wanted = target.nbytes if self._left is None else min(target.nbytes, self._left)
        count = self._take_into(target[:wanted])
        if self._left is None:
            if count == 0:
                self._left = 0
            return count
        if count == 0:
            raise self._lost(None)
        self._left -= count
        if self._chunked and self._left == 0:
            self._end_of_line()
        return count

    @property
    def reusable(self) -> bool:
        """Whether another request may follow on this connection."""
        return self._reusable and self.finished and self._start == self._end

    def seems_alive(self) -> bool:
        """Tell whether the server has left this idle connection open, without waiting."""
        return not _readable(self._socket)

    def close(self) -> None:
        """Close it."""
        self._reusable = False
        with suppress(OSError):
            self._socket.close()

    # inside

    def _send_all(self, piece: memoryview) -> None:
        """Send a piece of any length. `sendall` would hold all of it to the time that the next bytes may take."""
        while piece:
            piece = piece[self._socket.send(piece[:_SEND_BYTES]) :]

    def _answer_waits(self) -> bool:
        with suppress(ConnectionLost):
            return self._fill() > 0
        return False

    def _take_head(self) -> bytes:
        while (end := self._buffer.find(b"\r\n\r\n", self._start, self._end)) < 0:
            if self._end - self._start >= HEAD_BYTES_MAX:
                raise self._nonsense("a head that does not end")
            if self._fill() == 0:
                raise self._lost(None)
        head = bytes(self._view[self._start : end])
        self._start = end + 4
        return head

    def _parse_head(self, raw: bytes) -> Head:
        status_line, *lines = raw.decode("latin-1").split("\r\n")
        version, _, rest = status_line.partition(" ")
        if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
            raise self._nonsense(f"{status_line[:60]!r} instead of a status")
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon:
                raise self._nonsense("a field without a name")
            name, value = name.lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        closing = "close" in headers.get("connection", "").lower() or version == "HTTP/1.0"
        return Head(int(rest[:3]), headers, keep_alive=not closing)

    def _frame_body(self, head: Head, method: str) -> None:
        self._chunked, self._left = False, 0
        if method == "HEAD" or head.status in _NO_BODY_STATUSES:
            return
        if "transfer-encoding" in head.headers:
            if head.headers["transfer-encoding"].lower() != "chunked":
                raise self._nonsense("a transfer coding we did not ask for")
            self._chunked = True
            return
        length = head.headers.get("content-length")
        if length is None:
            self._left, self._reusable = None, False
        elif length.isascii() and length.isdigit():
            self._left = int(length)
        else:
            raise self._nonsense(f"the length {length[:30]!r}")

    def _next_chunk(self) -> None:
        line = self._take_line().partition(b";")[0].strip()
        try:
            size = int(line, 16)
        except ValueError as error:
            raise self._nonsense("a chunk without a size") from error
        if size:
            self._left = size
            return
        while self._take_line():  # trailers: nothing we asked for
            pass
        self._chunked = False

    def _end_of_line(self) -> None:
        if self._take_line():
            raise self._nonsense("a chunk longer than its size")

    def _take_line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n", self._start, self._end)) < 0:
            if self._end - self._start > _CHUNK_LINE_MAX:
                raise self._nonsense("a chunk size that does not end")
            if self._fill() == 0:
                raise self._lost(None)
        line = bytes(self._view[self._start : end])
        self._start = end + 2
        return line

    def _take_into(self, target: memoryview) -> int:
        held = self._end - self._start
        if held:
            count = min(held, target.nbytes)
            target[:count] = self._view[self._start : self._start + count]
            self._start += count
            return count
        try:
            return self._socket.recv_into(target)
        except OSError as error:
            raise self._failed(error) from error

    def _fill(self) -> int:
        """Receive more into the buffer; 0 at the end of the connection."""
        if self._start == self._end:
            self._start = self._end = 0
        elif self._end == len(self._buffer):
            held = self._end - self._start
            self._view[:held] = bytes(self._view[self._start : self._end])
            self._start, self._end = 0, held
        try:
            count = self._socket.recv_into(self._view[self._end :])
        except OSError as error:
            raise self._failed(error) from error
        self._end += count
        return count

    def _failed(self, error: OSError) -> ConnectionLost:
        if isinstance(error, TimeoutError):
            self._reusable = False
            return Silent(f"{self._where} did not answer in time")
        return self._lost(error)

    def _lost(self, error: OSError | None) -> ConnectionLost:
        self._reusable = False
        why = "closed the connection" if error is None else (error.strerror or str(error)).lower()
        return ConnectionLost(
            f"connection to {self._where} lost: {why}", hint="is the server still running? run the command again"
        )

    def _nonsense(self, what: str) -> ServerFailed:
        self._reusable = False
        return ServerFailed(f"{self._where} does not speak HTTP as it should: it sent {what}")


def connect(endpoint: Endpoint, host: str, context: "ssl.SSLContext | None", timeouts: Timeouts) -> Connection:
    """Open a connection to `host` at the endpoint's port, with TLS if a context is given."""
    where = endpoint.url
    try:
        # An ASCII name as bytes is looked up as it is; as text it would load the tables of IDNA first.
        name = host.encode() if host.isascii() else host
        sock = socket.create_connection((name, endpoint.port), timeout=timeouts.connect_s)  # type: ignore[arg-type]  # as getaddrinfo
    except TimeoutError as error:
        raise Unreachable(f"{where} does not answer", hint="check the address and the network") from error
    except socket.gaierror as error:
        raise Unreachable(f"there is no host {host!r}", hint="check the endpoint's spelling and the network") from error
    except OSError as error:
        hint = "is the server running?" if error.errno == errno.ECONNREFUSED else "check the address and the network"
        raise Unreachable(f"cannot reach {where}: {(error.strerror or str(error)).lower()}", hint=hint) from error
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            sock = context.wrap_socket(sock, server_hostname=host)
        sock.settimeout(timeouts.idle_s)
    except OSError as error:
        sock.close()
        unproven: str | None = getattr(error, "verify_message", None)  # of ssl.SSLCertVerificationError alone
        if unproven is not None:
            raise UntrustedServer(
                f"{where} cannot prove who it is: {unproven}",
                hint="a private authority's certificate is given with --ca-file",
            ) from error
        raise Unreachable(
            f"no TLS connection to {where}: {(error.strerror or str(error)).lower()}",
            hint=f"write http://{endpoint.authority()} if it has no TLS",
        ) from error
    return Connection(sock, where)


def _readable(sock: socket.socket) -> bool:
    """Tell whether the socket has something to read: for an idle connection that is its end."""
    try:
        if hasattr(select, "poll"):  # select() cannot watch descriptors above 1,023
            poller = select.poll()
            poller.register(sock, select.POLLIN)
            return bool(poller.poll(0))
        return bool(select.select([sock], [], [], 0)[0])
    except (OSError, ValueError):
        return True

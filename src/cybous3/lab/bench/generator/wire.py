"""One HTTP/1.1 connection of the load generator: writes prepared requests, checks answers as they arrive.

Lean on purpose: no tasks, no futures, one request at a time, callbacks only. A body that has to be checked is compared
piece by piece and never gathered. Kept true: each request that `send` accepted ends in exactly one call of
`owner.finished`, with a code for what went wrong or None; nothing is sent twice.
"""

import asyncio
import re
from collections.abc import Iterator
from typing import Final, Protocol

from httptools import HttpParserError, HttpResponseParser

from cybous3.lab.bench.generator.contents import Contents
from cybous3.lab.bench.generator.plan import NoUploadId
from cybous3.lab.bench.generator.request import Answer, Check, Request

BUFFER_BYTES: Final = 256 * 1024
BODY_MAX: Final = 8 * 1024 * 1024
"""The most that is kept of a page or of an error document, in bytes."""

CONNECTION: Final = "connection"
TIMEOUT: Final = "timeout"
WRONG_BYTES: Final = "wrong bytes"
INTERRUPTED: Final = "interrupted"

_CODE: Final = re.compile(rb"<Code>\s*([A-Za-z0-9.]{1,64})\s*</Code>")
_SUCCESS: Final = range(200, 300)


class Owner(Protocol):
    """Who is told."""

    contents: Contents

    def finished(self, connection: "Connection", code: str | None) -> None:
        """Take the end of the operation in `connection.request`; `code` None: it succeeded."""
        ...

    def lost(self, connection: "Connection") -> None:
        """Take note that the connection ended; its operation, if any, was reported first."""
        ...


class Connection(asyncio.BufferedProtocol):
    """One connection. `intended` and `started` are those of the operation under way, in seconds."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._contents = owner.contents
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._parser = HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._rest: Iterator[memoryview | bytes] | None = None
        self._paused = False
        self.request: Request | None = None
        self.intended = self.started = 0.0
        self._reset()

    @property
    def is_open(self) -> bool:
        """Whether a request can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def _reset(self) -> None:
        self._status = 0
        self._got = 0
        self._wrong = self._comparing = False
        self._body = b""
        self._headers: dict[bytes, bytes] = {}

    def send(self, request: Request, intended: float, started: float) -> None:
        """Begin an operation on an open, idle connection."""
        self.intended, self.started = intended, started
        self._write(request)

    def _write(self, request: Request) -> None:
        transport, self.request = self._transport, request
        if transport is None:
            self._end(CONNECTION)
            return
        self._reset()
        if request.check is Check.DOCUMENT or request.bodiless:
            # Only here are fields looked at; and a parser that was told of a body that HEAD does not send is spent.
            self._parser = HttpResponseParser(_WithFields(self))
        body = request.body
        if not body:
            transport.write(request.head)
        elif request.payload <= BUFFER_BYTES and len(body) == 1:
            transport.write(b"".join((request.head, body[0])))
        else:
            transport.write(request.head)
            self._rest = iter(body)
            self._push()

    def _push(self) -> None:
        """Write pieces of the body until the transport has enough."""
        while self._rest is not None and not self._paused and self._transport is not None:
            piece = next(self._rest, None)
            if piece is None:
                self._rest = None
            else:
                self._transport.write(piece)

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready."""
        self._transport = transport  # type: ignore[assignment]  # a stream's transport, which asyncio types loosely

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the one buffer."""
        del sizehint
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        """Parse what arrived."""
        if self.request is None:
            self.close()  # an answer to nothing
            return
        try:
            self._parser.feed_data(self._view[:nbytes])
        except HttpParserError:
            if self.request is not None:
                self._end("not HTTP", reusable=False)

    def eof_received(self) -> bool:
        """Close as well."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End what was under way: nobody knows whether the server acted."""
        del exc
        self._transport = None
        if self.request is not None:
            self._end(CONNECTION)
        self._owner.lost(self)

    def pause_writing(self) -> None:
        """Hold the rest of the body back."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on with the body."""
        self._paused = False
        self._push()

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field of an answer whose fields matter."""
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """Decide what to do with the body."""
        request = self.request
        if request is None:
            return
        self._status = self._parser.get_status_code()
        self._comparing = request.check is Check.BYTES and self._status == request.status
        if request.bodiless and self._status >= _SUCCESS.start:
            self._answered()

    def on_body(self, data: bytes) -> None:
        """Compare, or keep."""
        if self._comparing:
            request = self.request
            if request is not None and not self._contents.holds(request.start, request.offset + self._got, data):
                self._wrong = True
            self._got += len(data)
        elif len(self._body) < BODY_MAX:
            self._body = self._body + data if self._body else data

    def on_message_complete(self) -> None:
        """Take note that the answer is here."""
        if self.request is not None and self._status >= _SUCCESS.start:
            self._answered()

    # How it ends.

    def _answered(self) -> None:
        request = self.request
        if request is None:
            return
        code = self._judged(request)
        reusable = self._parser.should_keep_alive() and self._rest is None
        if request.bodiless:
            self._parser = HttpResponseParser(self)
        if code is None and request.after is not None:
            self._go_on(request)
            return
        self._end(code, reusable=reusable)

    def _go_on(self, request: Request) -> None:
        """Send the next request of the same operation."""
        try:
            following = request.after(Answer(self._status, self._headers, self._body)) if request.after else None
        except NoUploadId:
            self._end("no upload id")
            return
        if following is None:
            self._end(None)
        else:
            # Behind the parser's own callback: it must not be exchanged while it works.
            asyncio.get_running_loop().call_soon(self._write_next, request, following)

    def _write_next(self, request: Request, following: Request) -> None:
        if self.request is request:  # else the connection was lost meanwhile, and that was told
            self._write(following)

    def _judged(self, request: Request) -> str | None:
        """Return what is wrong with the answer, None if nothing is."""
        if self._status != request.status and not (request.status != 206 and self._status in _SUCCESS):  # noqa: PLR2004  # a range
            return self._refusal()
        return None if _CHECKS[request.check](self, request) else self._failure()

    def _refusal(self) -> str:
        """Return the S3 code of a refusal, else its status."""
        found = _CODE.search(self._body)
        return found[1].decode("latin-1") if found else f"status {self._status}"

    def _failure(self) -> str:
        found = _CODE.search(self._body) if b"<Error>" in self._body else None
        return found[1].decode("latin-1") if found else WRONG_BYTES

    def is_whole(self, request: Request) -> bool:
        """Whether every byte came, and was right."""
        return not self._wrong and self._got == request.size

    def has_length(self, request: Request) -> bool:
        """Whether the object is said to be as long as it is."""
        return self._headers.get(b"content-length") == b"%d" % request.size

    def has_keys(self, request: Request) -> bool:
        """Whether the page is as long as it should be."""
        return self._body.count(b"<Key>") == request.size

    def is_document(self, request: Request) -> bool:
        """Whether the answer is no error in disguise: S3 may begin with 200 and fail later."""
        del request
        return b"<Error>" not in self._body

    def fail(self, code: str) -> None:
        """Give the operation up and the connection with it."""
        if self.request is not None:
            self._end(code, reusable=False)

    def _end(self, code: str | None, *, reusable: bool = True) -> None:
        self._rest = None
        if not reusable:
            self.close()
        self._owner.finished(self, code)

    def close(self) -> None:
        """Cut the connection."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()


_CHECKS: Final = {
    Check.NOTHING: lambda _connection, _request: True,
    Check.BYTES: Connection.is_whole,
    Check.LENGTH: Connection.has_length,
    Check.KEYS: Connection.has_keys,
    Check.DOCUMENT: Connection.is_document,
}


class _WithFields:
    """The parser's view of a connection when fields matter: httptools collects them only for who asks."""

    def __init__(self, connection: Connection) -> None:
        self.on_header = connection.on_header
        self.on_headers_complete = connection.on_headers_complete
        self.on_body = connection.on_body
        self.on_message_complete = connection.on_message_complete

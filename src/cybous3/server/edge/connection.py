"""One connection: requests in, answers out, in order, until either side has had enough.

A connection is a conversation told by one task (`_converse`): wait for a head, call the handler, send the answer,
again. The protocol callbacks only store bytes and wake that task. Requests sent before their turn wait in the buffer,
bounded by one head's size, then in the kernel.

Deadlines are values, not timers: the server sweeps over its connections and asks each one (`check_time`).
"""

import asyncio
from math import inf
from typing import Final, cast

import structlog

from cybous3.server.edge import head as heads
from cybous3.server.edge.answer import CONTINUE, BadAnswerError, encode_head, sends_body
from cybous3.server.edge.body import ChunkedBody, SizedBody
from cybous3.server.edge.head import Head, Parser
from cybous3.server.edge.outgoing import Outgoing
from cybous3.server.edge.refusal import Refusal, error_response, too_slow
from cybous3.server.edge.shared import Shared
from cybous3.server.wire.message import EmptyBody, Request, Response

_EMPTY_BODY = EmptyBody()
_log = structlog.get_logger("cybous3.edge")


def _incomplete() -> Refusal:
    """Return the refusal of a body whose end cannot come any more. Who only half closed can still read it."""
    return Refusal(
        400,
        "IncompleteBody",
        "You did not provide the number of bytes specified by the Content-Length HTTP header.",
    )


# What the connection waits for; the sweep reads it. Plain integers: looking up an enumeration's members is slow.
_IDLE: Final = 0  # the first byte of a request
_HEAD: Final = 1  # the rest of a head
_BUSY: Final = 2  # the handler, the body it reads, or the peer to take the answer
_LAST: Final = 3  # the peer to notice that there will be no more


class Connection(asyncio.BufferedProtocol):
    """The protocol object of one accepted connection. Implements `body.Link`."""

    _transport: asyncio.Transport
    _out: Outgoing

    def __init__(self, shared: Shared, others: "set[Connection]") -> None:
        self._shared = shared
        self._others = others
        self._limits = shared.limits
        self._stats = shared.stats
        self._loop = asyncio.get_running_loop()
        self._scratch = shared.scratch
        self._parser = Parser(shared.limits)
        self._pending = b""  # received, not yet understood
        self._raw = b""  # the head that is being answered
        self._body: SizedBody | ChunkedBody | None = None
        self._wake: asyncio.Future[None] | None = None  # the task waits for bytes
        self._reading = True
        self._ended = False  # there will be no further request
        self._unread = False  # the peer may still be sending what nobody reads
        self._late = False  # a head took too long
        self._phase: int = _IDLE
        self._deadline = self._loop.time() + self._limits.head_s
        self._discarded = 0
        self._peer = ""
        self._task: asyncio.Task[None] | None = None

    # -- what the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the conversation, or turn the peer away when there are too many."""
        self._transport = cast("asyncio.Transport", transport)
        self._out = Outgoing(self._shared, self._transport)
        peer = transport.get_extra_info("peername")
        self._peer = str(peer[0]) if isinstance(peer, tuple) else ""
        crowded = len(self._others) >= self._limits.connections
        self._others.add(self)
        self._stats.accepted += 1
        self._stats.connections += 1
        self._shared.changed()
        if crowded or self._shared.draining:
            self._stats.turned_away += 1
            self._refuse(Refusal(503, "SlowDown", "Please reduce your request rate."))
            self._finish()
            return
        self._task = self._loop.create_task(self._converse())

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the transport's hint; we know better
        """Return where the next bytes go: straight into a sized body, else into the shared scratch."""
        body = self._body
        if isinstance(body, SizedBody) and body.left and self._phase == _BUSY:
            return body.space()
        return self._scratch

    def buffer_updated(self, nbytes: int) -> None:
        """Take note of bytes that were put into `get_buffer`."""
        self._stats.bytes_in += nbytes
        body = self._body
        if self._phase == _LAST:
            self._discarded += nbytes
            if self._discarded > self._limits.linger_bytes:
                self._transport.abort()
        elif body is None or body.complete:
            self._receive_ahead(bytes(self._scratch[:nbytes]))
        elif isinstance(body, SizedBody):
            body.arrived(nbytes)
        else:
            body.arrived(bytes(self._scratch[:nbytes]))

    def eof_received(self) -> bool:
        """Take note that the peer sends no more. It may still wait for an answer; TLS knows no half-closed state."""
        self._end_input(_incomplete())
        self._out.release()  # the transport may close as soon as this returns
        waits = self._phase == _BUSY or (self._phase != _LAST and bool(self._pending))
        return waits and not self._shared.secure

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why it went matters to nobody
        """Let everybody who waits for this connection know."""
        self._stats.connections -= 1
        self._others.discard(self)
        self._shared.changed()
        self._out.lose()
        self._end_input(ConnectionResetError("the peer went away"))

    def pause_writing(self) -> None:
        """Take note that the transport holds enough unsent bytes."""
        self._out.pause()

    def resume_writing(self) -> None:
        """Take note that the transport may be given more."""
        self._out.resume()

    def _end_input(self, fault: ConnectionError) -> None:
        self._ended = True
        if self._body is not None and not self._body.complete:
            self._body.fail(fault)
        self._wake_up()

    def _receive_ahead(self, data: bytes) -> None:
        """Keep bytes of a head, or of requests that were sent before their turn."""
        if self._phase == _IDLE and not self._pending and self._repeat(data):
            return
        self._pending = self._pending + data if self._pending else data
        if self._wake is not None:
            self._wake_up()
        elif len(self._pending) > self._limits.head_bytes:
            self.pause()

    def _repeat(self, data: bytes) -> bool:
        """Answer `data` at once if it is a head that was answered before and the answer still holds."""
        wake = self._wake
        if wake is None or wake.done() or not self._out.free() or self._shared.draining:
            return False
        answer = self._shared.repeats.answer(data)
        if answer is None:
            return False
        self._stats.requests += 1
        self._deadline = self._loop.time() + self._limits.idle_s
        self._out.hold(answer)
        return True

    def _wake_up(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    # -- what a body asks for

    def pause(self) -> None:
        """Stop receiving."""
        if self._reading and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def resume(self) -> None:
        """Receive again."""
        if not self._reading and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()

    def send_continue(self) -> None:
        """Send 100 Continue."""
        self._out.write(CONTINUE)

    # -- what the server asks for

    def drain(self) -> None:
        """Finish what is under way and close; at once if nothing is."""
        if self._phase == _IDLE:
            self._ended = True
            self._wake_up()

    def abort(self) -> None:
        """Cut the connection and end its task."""
        self._out.stop()
        self._transport.abort()
        if self._task is not None:
            self._task.cancel()

    def check_time(self, now: float) -> None:
        """Act on what took too long. Called by the sweep."""
        if self._out.stalled(now):
            self._stats.aborted += 1
            self._out.stop()
            self._transport.abort()
        elif self._phase == _BUSY:
            if self._body is not None:
                self._body.check_patience(now)
        elif now >= self._deadline and not self._out.unsent():
            self._pass_deadline()

    def _pass_deadline(self) -> None:
        if self._phase == _LAST:
            self._transport.abort()
        elif self._phase == _IDLE:
            self.drain()
        else:
            self._late = True
            self._wake_up()

    # -- the conversation

    async def _converse(self) -> None:
        try:
            while (head := await self._next_head()) is not None:
                if not await self._exchange(head):
                    break
        except Refusal as refusal:
            self._refuse(refusal)
        except ConnectionError:
            self._stats.aborted += 1
            self._transport.abort()
        except asyncio.CancelledError:
            self._transport.abort()
            raise
        except OSError as error:  # bytes that are damaged, or cannot be read, in the middle of their answer
            self._stats.crashed += 1
            _log.error("answer broken off", peer=self._peer, reason=str(error))
            self._transport.abort()
        except Exception:  # noqa: BLE001 - the task's outermost frame; logged, and the peer sees a cut connection
            self._stats.crashed += 1
            _log.exception("connection failed", peer=self._peer)
            self._transport.abort()
        self._finish()

    async def _next_head(self) -> Head | None:
        """Return the next request's head; None when there will be none. Refusal."""
        while (end := self._head_end()) < 0:
            if self._ended:
                return None
            await self._more()
            if self._late:
                raise too_slow("request head")
        whole, self._pending = self._pending[: end + 4], self._pending[end + 4 :]
        self._raw = whole
        self._phase, self._deadline = _BUSY, inf
        self.resume()
        return self._parser.parse(whole)

    def _head_end(self) -> int:
        """Return where a whole head ends in the buffer, or -1. Refusal as soon as it cannot become one."""
        pending = self._pending
        if not pending:
            return -1
        if pending.startswith(b"\r\n"):  # RFC 9112 §2.2: an empty line before the request line is forgiven
            self._pending = pending = pending[2:]
        end = pending.find(heads.END)
        if (end if end >= 0 else len(pending)) > self._limits.head_bytes:
            raise Refusal(431, "RequestHeaderSectionTooLarge", "Your request header section is too large.")
        if end < 0:
            heads.refuse_bare_lines(pending)
        return end

    async def _more(self) -> None:
        """Wait for bytes, for the end of bytes, or for the end of patience."""
        if not self._pending:
            if self._shared.draining:
                self._ended = True
                return
            if self._phase == _BUSY:  # the first head has its deadline since the connection was made
                self._deadline = self._loop.time() + self._limits.idle_s
            self._phase = _IDLE
        elif self._phase != _HEAD:
            self._phase, self._deadline = _HEAD, self._loop.time() + self._limits.head_s
        self.resume()
        self._wake = self._loop.create_future()
        await self._wake
        self._wake = None

    async def _exchange(self, head: Head) -> bool:
        """Answer one request and return whether the connection is good for another."""
        self._stats.requests += 1
        self._stats.in_flight += 1
        try:
            response = await self._call(head, _EMPTY_BODY if head.length == 0 else self._open_body(head))
            keep = await self._send(head, response, keep=self._may_keep(head, response))
            return keep and (self._body is None or await self._drain_body())
        finally:
            self._stats.in_flight -= 1
            self._raw = b""
            if self._body is not None:
                self._close_body()

    async def _call(self, head: Head, body: SizedBody | ChunkedBody | EmptyBody) -> Response:
        """Return the handler's answer, or ours when the handler failed or the body was at fault."""
        request = Request(
            head.method, head.path, head.query, head.headers, body, head.length, self._peer, self._shared.secure
        )
        try:
            response = await self._shared.handler(request)
        except Exception as error:  # noqa: BLE001 - whatever it is, the peer gets one clean answer and the log the rest
            if self._fault() is None:
                return self._crashed("handler failed", head, error)
            response = Response(400)
        fault = self._fault()
        if fault is None:
            return response
        if not isinstance(response.body, bytes):
            await response.body.aclose()
        if not isinstance(fault, Refusal):
            raise fault
        self._stats.refused += 1
        return error_response(fault.status, fault.code, fault.message)

    def _fault(self) -> ConnectionError | None:
        return None if self._body is None else self._body.fault

    def _crashed(self, event: str, head: Head, error: Exception) -> Response:
        """Return the answer to our own failure. The log gets no path: a path may be a name that logs must not hold."""
        self._stats.crashed += 1
        answer = error_response(500, "InternalError", "We encountered an internal error. Please try again.")
        _log.error(event, method=head.method, peer=self._peer, request_id=answer.headers[1][1], exc_info=error)
        return answer

    async def _send(self, head: Head, response: Response, *, keep: bool) -> bool:
        """Send the answer whole, or raise; return whether the connection may still be kept."""
        body = response.body
        if isinstance(body, bytes):
            first, body, keep = self._encode(head, response, body, keep=keep)
            if keep and response.again is not None and self._body is None and head.modern:
                self._shared.repeats.keep(self._raw, head.method, response, body)
            if self._out.send_bytes(first, body):
                await self._out.flow()
            return keep
        try:
            first, instead, keep = self._encode(head, response, b"", keep=keep)
            if instead or not sends_body(head.method, response.status):
                self._out.send_bytes(first, instead)
            else:
                await self._out.send_payload(first, body)
        finally:
            await body.aclose()
        return keep

    def _encode(self, head: Head, response: Response, body: bytes, *, keep: bool) -> tuple[bytes, bytes, bool]:
        """Return the answer's head, the bytes behind it and whether to keep; our own failure if it cannot be framed."""
        try:
            first = encode_head(response, method=head.method, close=not keep, modern=head.modern)
        except BadAnswerError as error:
            keep, response = False, self._crashed("bad answer", head, error)
            first = encode_head(response, method=head.method, close=True, modern=head.modern)
            body = cast("bytes", response.body)
        return first, body if sends_body(head.method, response.status) else b"", keep

    # -- bodies

    def _open_body(self, head: Head) -> SizedBody | ChunkedBody:
        if head.length is None:
            bound = heads.body_bound(head.method, self._limits)
            early, self._pending = self._pending, b""
            self._body = ChunkedBody(self, self._limits, bound, early, expects_continue=head.expects_continue)
        else:
            early, self._pending = self._pending[: head.length], self._pending[head.length :]
            self._body = SizedBody(
                self, self._limits, self._shared.pool, head.length, early, expects_continue=head.expects_continue
            )
        if self._ended and not self._body.complete:
            self._body.fail(_incomplete())
        return self._body

    def _may_keep(self, head: Head, response: Response) -> bool:
        """Decide, before the answer says so, whether another request may follow on this connection."""
        if not head.keep_alive or response.close or self._shared.draining or (self._ended and not self._pending):
            return False
        body = self._body
        if body is None or body.complete:
            return True
        # Who was not told to go on may or may not send its body now: only a new connection is unambiguous.
        return not body.expects_continue and body.left is not None and body.left <= self._limits.drain_bytes

    async def _drain_body(self) -> bool:
        """Read what the handler left of the body; False when the peer does not send it."""
        while self._body is not None and not self._body.complete:
            try:
                await self._body.read()
            except ConnectionError:
                return False
        return True

    def _close_body(self) -> None:
        body, self._body = cast("SizedBody | ChunkedBody", self._body), None
        self._unread = not body.complete
        if isinstance(body, ChunkedBody) and body.complete:
            self._pending = body.rest + self._pending
        body.close()

    # -- the end

    def _refuse(self, refusal: Refusal) -> None:
        """Answer what is not a request. What else the peer sends will not be read."""
        self._stats.refused += 1
        self._unread = True
        if self._transport.is_closing():
            return
        answer = error_response(refusal.status, refusal.code, refusal.message)
        self._out.write(encode_head(answer, method="GET", close=True) + cast("bytes", answer.body))

    def _finish(self) -> None:
        """Close; but a peer that is still sending would lose our answer to a reset, so let it finish for a while."""
        self._phase, self._deadline = _LAST, self._loop.time() + self._limits.linger_s
        if self._transport.is_closing():
            return
        self._out.release()
        if not self._unread or self._ended:
            self._transport.close()
            return
        self.resume()
        if self._transport.can_write_eof():
            self._transport.write_eof()

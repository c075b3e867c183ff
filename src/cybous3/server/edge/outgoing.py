"""The sending half of a connection: bytes to the transport, files past it, and an eye on a peer that takes nothing."""

import asyncio
import os
import socket
from collections.abc import Sequence
from contextlib import suppress

from cybous3.server.edge.limits import KIB, Limits
from cybous3.server.edge.shared import Shared
from cybous3.server.edge.spans import AVAILABLE, CACHED_BYTES_MAX, TruncatedError, read_cached, send_spans
from cybous3.server.wire.message import FileSpan, Payload

# One transport.write for head and body up to here; above, copying the body costs more than a second write.
_JOIN_BYTES_MAX = 64 * KIB
# What is given to the transport before it is asked whether it takes more: TLS copies what it is given, several times.
_PIECE_BYTES_MAX = 256 * KIB
_TLS_BUFFER_BYTES = 64 * KIB


class Outgoing:
    """Sends for one connection. Everything here runs on the event loop, except what a thread reads and sends."""

    def __init__(self, shared: Shared, transport: asyncio.Transport) -> None:
        self._shared = shared
        self._limits: Limits = shared.limits
        self._transport = transport
        self._blocked: asyncio.Future[None] | None = None
        self._file_socket: socket.socket | None = None  # while a thread has the connection
        self._lost = False
        self._held = b""  # given to the outbox, not yet to the transport
        self._looked = (0, 0)  # what was sent and unsent when last looked
        # A peer nobody looked at yet has been slow for no time: the first look may come before its first answer left.
        self._progress_s = asyncio.get_running_loop().time()
        if shared.secure:
            transport.set_write_buffer_limits(high=_TLS_BUFFER_BYTES)

    # -- what the protocol passes on

    def pause(self) -> None:
        """Take note that the transport holds enough unsent bytes."""
        if self._blocked is None:
            self._blocked = asyncio.get_running_loop().create_future()

    def resume(self) -> None:
        """Take note that the transport may be given more."""
        blocked, self._blocked = self._blocked, None
        if blocked is not None and not blocked.done():
            blocked.set_result(None)

    def lose(self) -> None:
        """Take note that the connection is gone: whoever sends gets ConnectionResetError."""
        self._lost = True
        self.stop()
        self.resume()

    def stop(self) -> None:
        """Make a file under way fail: closing the transport does not reach its own handle of the socket."""
        if self._file_socket is not None:
            with suppress(OSError):  # not connected any more
                self._file_socket.shutdown(socket.SHUT_RDWR)

    def unsent(self) -> bool:
        """Return whether something waits for the peer to take it."""
        return self._file_socket is not None or bool(self._held) or bool(self._transport.get_write_buffer_size())

    def stalled(self, now: float) -> bool:
        """Return whether the peer has taken nothing of what waits for it, for too long. To be asked now and then."""
        looked = (self._shared.stats.bytes_out, self._transport.get_write_buffer_size())
        if not self.unsent() or (self._file_socket is None and looked[1] != self._looked[1]):
            self._progress_s = now
        self._looked = looked
        return now - self._progress_s > self._limits.write_stall_s

    def free(self) -> bool:
        """Return whether the transport takes more now."""
        return self._blocked is None and not self._lost and not self._transport.is_closing()

    # -- sending

    def write(self, data: bytes) -> None:
        """Give bytes to the transport. ConnectionResetError when it is closed."""
        if self._transport.is_closing():
            raise ConnectionResetError("the connection is closed")
        self.release()
        self._shared.stats.bytes_out += len(data)
        self._transport.write(data)

    def hold(self, data: bytes) -> None:
        """Have bytes written together with what other connections hold, within this turn of the loop."""
        if self._transport.is_closing():
            raise ConnectionResetError("the connection is closed")
        self._shared.stats.bytes_out += len(data)
        if self._held:
            self._held += data
            if len(self._held) > _JOIN_BYTES_MAX:
                self.release()
            return
        self._held = data
        self._shared.outbox.add(self)

    def release(self) -> None:
        """Give the transport what is held."""
        held, self._held = self._held, b""
        if held and not self._transport.is_closing():
            self._transport.write(held)

    async def flow(self) -> None:
        """Wait until the transport takes more. ConnectionResetError when the peer is gone."""
        if self._blocked is not None:
            await self._blocked
        if self._lost or self._transport.is_closing():
            raise ConnectionResetError("the peer went away")

    def send_bytes(self, head: bytes, body: bytes) -> bool:
        """Send an answer that is at hand; True: wait for `flow` before the next."""
        if len(body) <= _JOIN_BYTES_MAX:
            self.hold(head + body)
        else:
            self.write(head)
            self.write(body)
        return self._blocked is not None

    async def send_payload(self, head: bytes, payload: Payload) -> None:
        """Send an answer whose body is a payload; the payload stays the caller's to close.

        OSError when its bytes cannot be had or are not those that were stored; TruncatedError when it is not as long as
        it says. The head may be out by then, so the connection must be cut.
        """
        spans = None if self._shared.secure else payload.spans()
        if spans is None or not AVAILABLE:
            await self._send_chunks(head, payload)
            return
        if sum(span.length for span in spans) != payload.length:
            raise TruncatedError("a payload's spans are not as long as the payload")
        at_hand = read_cached(spans) if payload.length <= CACHED_BYTES_MAX else None
        if at_hand is not None:
            self.send_bytes(head, at_hand)
            await self.flow()
        else:
            await self._send_spans(head, spans)

    async def _send_chunks(self, head: bytes, payload: Payload) -> None:
        left = payload.length
        self.write(head)
        async for piece in payload.chunks():
            left -= len(piece)
            if left < 0:
                break
            for at in range(0, len(piece), _PIECE_BYTES_MAX):
                self.write(piece[at : at + _PIECE_BYTES_MAX])
                await self.flow()
        if left:
            raise TruncatedError("a payload is not as long as it says")

    async def _send_spans(self, head: bytes, spans: Sequence[FileSpan]) -> None:
        self.release()
        if self._transport.get_write_buffer_size():
            await self._flush(head)
            head = b""
        with socket.socket(fileno=os.dup(self._transport.get_extra_info("socket").fileno())) as duplicate:
            duplicate.settimeout(0)
            self._file_socket = duplicate
            try:
                await self.flow()
                await send_spans(duplicate, head, spans, self._shared.threads, self._took)
            finally:
                self._file_socket = None

    def _took(self, count: int) -> None:
        self._shared.stats.bytes_out += count
        if count:
            self._progress_s = asyncio.get_running_loop().time()

    async def _flush(self, data: bytes) -> None:
        """Give `data` to the transport and wait until it holds nothing."""
        self._transport.set_write_buffer_limits(high=0)
        try:
            self.write(data)
            await self.flow()
        finally:
            self._transport.set_write_buffer_limits()

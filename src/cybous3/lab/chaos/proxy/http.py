"""An HTTP proxy that harms requests and answers as a plan says, lies as it is told, and lets requests wait their turn.

Whole messages: one request of a connection is read, judged, perhaps forwarded, and answered, before the next. What was
done stands in the journal. Its event loop is the only one that touches it; `running.py` calls it from other threads.
"""

import asyncio
import re
import socket
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final

import httptools

from cybous3.lab.chaos.proxy.history import History, told
from cybous3.lab.chaos.proxy.journal import Deed, Journal
from cybous3.lab.chaos.proxy.lies import Lie, pretended, relisted, shown_instead
from cybous3.lab.chaos.proxy.messages import Answered, Asked, CutShort, TooMuch, read_answer, read_request
from cybous3.lab.chaos.proxy.rules import (
    Act,
    Choice,
    CutAnswer,
    CutRequest,
    Delay,
    DropAnswer,
    DropRequest,
    Duplicate,
    Refuse,
    Rule,
    WrongEtag,
)
from cybous3.lab.chaos.proxy.tcp import LOOPBACK

_REASON_MAX: Final = 100
_ABORT: Final = struct.pack("ii", 1, 0)
_ETAG: Final = re.compile(rb"(<ETag>(?:&quot;|\")?)([0-9A-Za-z-]+)")
_BROKEN: Final = (CutShort, TooMuch, OSError, httptools.HttpParserError, asyncio.IncompleteReadError)


class _End(Exception):  # not an error: the plan
    """The connection to the client ends here; `reset`: with RST."""

    def __init__(self, *, reset: bool = False) -> None:
        super().__init__()
        self.reset = reset


class HttpProxy:
    """Listens on loopback, and asks `upstream` what it is asked. `rules` and `lies` may change at any time."""

    def __init__(self, upstream: tuple[str, int], *, seed: int = 0, journal: Journal | None = None) -> None:
        self.upstream = upstream
        self.journal = journal or Journal()
        self.history = History()
        self.choice = Choice(seed)
        self.lies: tuple[Lie, ...] = ()
        self.learning = False
        self.turn: Callable[[Asked], Awaitable[None]] | None = None
        """Awaited by every request before anything is done about it."""
        self.port = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._number = 0

    async def start(self, port: int = 0) -> None:
        """Listen; `port` 0 takes a free one, which `port` then names."""
        self._server = await asyncio.start_server(self._serve, LOOPBACK, port)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Listen no more and end every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in tuple(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def add_rule(self, rule: Rule) -> None:
        """Put a rule behind the others. ValueError: the name is taken."""
        self._free(rule.name)
        self.choice.rules = (*self.choice.rules, rule)

    def add_lie(self, lie: Lie) -> None:
        """Put a lie behind the others. ValueError: the name is taken."""
        self._free(lie.name)
        self.lies = (*self.lies, lie)

    def remove(self, name: str) -> None:
        """Remove the rule or lie of this name, if it is there."""
        self.choice.remove(name)
        self.lies = tuple(lie for lie in self.lies if lie.name != name)

    def _free(self, name: str) -> None:
        if name in {rule.name for rule in self.choice.rules} | {lie.name for lie in self.lies}:
            raise ValueError(f"there is a rule {name!r} already")

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._open.add(task)
            task.add_done_callback(self._open.discard)
        self._number += 1
        self.journal.count("connections")
        talk = _Talk(self, self._number, reader, writer)
        try:
            await talk.run()
        except _End as end:
            talk.end(reset=end.reset)
        except _BROKEN as error:
            self.journal.count(f"broken off: {type(error).__name__}: {error}"[:_REASON_MAX])
            talk.end(reset=False)
        except asyncio.CancelledError:
            talk.end(reset=True)
        finally:
            talk.close()


class _Talk:
    """One client's connection, and the one to the server that belongs to it."""

    def __init__(self, proxy: HttpProxy, number: int, reader: StreamReader, writer: StreamWriter) -> None:
        self._proxy = proxy
        self._number = number
        self._reader, self._writer = reader, writer
        self._up: tuple[StreamReader, StreamWriter] | None = None

    async def run(self) -> None:
        """Answer requests until either side has had enough."""
        while (asked := await read_request(self._reader, self._agree)) is not None:
            self._proxy.journal.count("requests")
            if self._proxy.turn is not None:
                await self._proxy.turn(asked)
            answered = await self._answer(asked)
            await self._say(answered.wire())
            if not (asked.keep_alive and answered.keep_alive):
                return

    def end(self, *, reset: bool) -> None:
        """Close the client's side."""
        sock = self._writer.get_extra_info("socket")
        if reset and sock is not None:
            with suppress(OSError):  # it may be closed already
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
            self._writer.transport.abort()

    def close(self) -> None:
        """Close both sides."""
        self._writer.close()
        if self._up is not None:
            self._up[1].close()
            self._up = None

    def _agree(self) -> None:
        self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def _say(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def _answer(self, asked: Asked) -> Answered:
        rule = self._proxy.choice.of(asked)
        if rule is None:
            return await self._truthfully_or_not(asked)
        self._did(rule.name, _said(rule), asked)
        return await _ACTS[type(rule.act)](self, rule.act, asked)

    def _did(self, name: str, what: str, asked: Asked) -> None:
        self._proxy.journal.did(Deed(self._number, name, what, asked.method, asked.operation, asked.target))

    async def _truthfully_or_not(self, asked: Asked) -> Answered:
        proxy = self._proxy
        pretence = pretended(asked, proxy.lies)
        if pretence is not None:
            self._did(pretence[0].name, "not done", asked)
            return pretence[1]
        shown = shown_instead(asked, proxy.lies, proxy.history)
        if shown is not None:
            self._did(shown[0].name, "another state", asked)
            return told(asked, shown[1])
        answered = await self._forward(asked)
        page = relisted(asked, answered, proxy.lies, proxy.history)
        if page is None:
            return answered
        self._did(page[0].name, "another listing", asked)
        return page[1]

    async def _forward(self, asked: Asked) -> Answered:
        """Ask the server. A kept connection that it has closed meanwhile is opened anew, once."""
        kept = self._up is not None
        try:
            answered = await self._exchange(asked)
        except (CutShort, ConnectionError):
            self._drop_upstream()
            if not kept:
                raise
            answered = await self._exchange(asked)
        if self._proxy.learning:
            self._proxy.history.learn(asked, answered)
        return answered

    async def _exchange(self, asked: Asked) -> Answered:
        reader, writer = await self._upstream()
        writer.write(asked.wire())
        answered = await _drained(writer, read_answer(reader, asked.method))
        if not answered.keep_alive:
            self._drop_upstream()
        return answered

    async def _upstream(self) -> tuple[StreamReader, StreamWriter]:
        if self._up is None:
            self._up = await asyncio.open_connection(*self._proxy.upstream)
        return self._up

    def _drop_upstream(self) -> None:
        if self._up is not None:
            self._up[1].close()
            self._up = None

    # acts

    async def refuse(self, act: Refuse, asked: Asked) -> Answered:
        """Answer with an error, the deed done or not."""
        if act.forward:
            await self._forward(asked)
        body = f"<Error><Code>{act.code}</Code><Message>as the plan says</Message></Error>".encode()
        fields = [("content-type", "application/xml"), ("content-length", str(len(body)))]
        fields += [] if act.after_s is None else [("retry-after", str(act.after_s))]
        return Answered(act.status, tuple(fields), body, bodiless=asked.method == "HEAD")

    async def duplicate(self, act: Duplicate, asked: Asked) -> Answered:
        """Deliver it several times."""
        answers = [await self._forward(asked) for _ in range(act.times)]
        return answers[0 if act.first else -1]

    async def drop_answer(self, act: DropAnswer, asked: Asked) -> Answered:
        """Let it be done, and end."""
        await self._forward(asked)
        raise _End(reset=act.reset)

    async def drop_request(self, _act: DropRequest, _asked: Asked) -> Answered:
        """End."""
        raise _End

    async def wrong_etag(self, _act: WrongEtag, asked: Asked) -> Answered:
        """Change the ETag wherever it stands."""
        answered = await self._forward(asked)
        etag = next((value for name, value in answered.fields if name == "etag"), None)
        if etag is not None:
            answered = answered.with_field("etag", _other(etag))
        body = _ETAG.sub(lambda found: found[1] + _other(found[2].decode()).encode(), answered.body)
        return answered.saying(body) if not answered.bodiless and asked.operation != "GetObject" else answered

    async def delay(self, act: Delay, asked: Asked) -> Answered:
        """Answer later."""
        answered = await self._truthfully_or_not(asked)
        await asyncio.sleep(act.seconds)
        return answered

    async def cut_answer(self, act: CutAnswer, asked: Asked) -> Answered:
        """Send a beginning of the answer."""
        answered = await self._truthfully_or_not(asked)
        wire = answered.wire()
        await self._say(wire[: len(wire) - max(0, len(answered.body) - act.at)])
        raise _End

    async def cut_request(self, act: CutRequest, asked: Asked) -> Answered:
        """Deliver a beginning of the request."""
        wire = asked.wire()
        _, writer = await self._upstream()
        writer.write(wire[: len(wire) - max(1, len(asked.body) - act.at)])
        await writer.drain()
        self._drop_upstream()
        raise _End(reset=True)


_ACTS: Final[Mapping[type[Act], Callable[..., Awaitable[Answered]]]] = {
    Refuse: _Talk.refuse,
    Duplicate: _Talk.duplicate,
    DropAnswer: _Talk.drop_answer,
    DropRequest: _Talk.drop_request,
    WrongEtag: _Talk.wrong_etag,
    Delay: _Talk.delay,
    CutAnswer: _Talk.cut_answer,
    CutRequest: _Talk.cut_request,
}


async def _drained(writer: StreamWriter, answer: Awaitable[Answered]) -> Answered:
    """Read the answer while the request is still being taken: a server may refuse before it has all of it."""
    reading = asyncio.ensure_future(answer)
    try:
        with suppress(ConnectionError):
            await writer.drain()
        return await reading
    finally:
        reading.cancel()


def _other(etag: str) -> str:
    """Return an ETag of the same shape that is another one."""
    return etag.translate(str.maketrans("0123456789abcdef", "123456789abcdef0"))


def _said(rule: Rule) -> str:
    act = rule.act
    if isinstance(act, Refuse):
        return f"{act.status} {act.code}" + (" after it was done" if act.forward else "")
    return type(act).__name__

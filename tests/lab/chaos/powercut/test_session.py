"""An answer that breaks off is told from a server that is gone: the first may be what was promised."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from cybous3.lab.chaos.powercut.check import UNREADABLE, look
from cybous3.lab.chaos.powercut.history import Allowed, Expected, Value
from cybous3.lab.chaos.powercut.session import CutShort, Lost, Session, key_of

pytestmark = pytest.mark.anyio

KEY = key_of("SOMEBODY")


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[Session]:
    """Return a session with a server that answers every request with these bytes and ends the connection."""

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(answered, "127.0.0.1", 0)
    session = Session(server.sockets[0].getsockname()[1], KEY)
    try:
        yield session
    finally:
        await session.aclose()
        server.close()
        await server.wait_closed()


async def test_a_body_that_breaks_off() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc") as session:
        with pytest.raises(CutShort, match="an answer of status 200 breaks off"):
            await session.ask("GET", "/bucket/key")


@pytest.mark.parametrize("lossy", [False, True])
async def test_an_object_that_breaks_off_is_unreadable_and_that_is_excused_where_its_bytes_may_be_gone(
    lossy: bool,
) -> None:
    """The last write of the key was acknowledged within the time that a cut may take."""
    allowed = Allowed((Value.of(b"abcdefghij"), None), (), "put")
    must = Expected({"bucket/key": allowed}, {}, {}, lossy=lossy)
    async with answering(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc") as session:
        found = await look(session, must, None, full=False)
    assert [one.check for one in found] == ([] if lossy else [UNREADABLE])


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n"])
async def test_no_answer(answer: bytes) -> None:
    async with answering(answer) as session:
        with pytest.raises(Lost) as lost:
            await session.ask("GET", "/bucket/key")
        assert not isinstance(lost.value, CutShort)

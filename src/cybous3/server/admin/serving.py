"""uvicorn, under our own roof: it neither takes the signals nor ticks ten times a second while nobody asks anything."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette

_GRACE_S = 2


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ending = asyncio.Event()
        self.begun = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process's owner."""
        yield

    async def main_loop(self) -> None:
        """Wait for the end. What uvicorn's own loop refreshes every second (the Date header) is switched off."""
        self.begun.set()
        await self.ending.wait()


class AdminServer:
    """The admin port of one process."""

    def __init__(self, app: Starlette, sock: socket.socket) -> None:
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            date_header=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_S,
            limit_concurrency=64,
            h11_max_incomplete_event_size=16 * 1024,
        )
        self._server = _Server(config)
        self._socket = sock
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to serve."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        begun = asyncio.create_task(self._server.begun.wait())
        await asyncio.wait({self._task, begun}, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            begun.cancel()
            self._task.result()

    async def aclose(self) -> None:
        """Finish what is being answered and close the port. May be called twice."""
        self._server.ending.set()
        if self._task is not None:
            await self._task

"""Several worker processes on one port: started, watched, started again when they die, ended in order.

While the server starts, too: what a signal or a lack of memory took is begun again, a few times; what ends by itself
has said why, and ends the start.

A worker is told everything on its standard input (configuration and the number of its listening socket), says `ready`
on its standard output, and ends at once when its input closes: a supervisor that was killed leaves no orphans. SIGTERM
makes it drain.
"""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from cybous3.server.admin.metrics import MULTIPROCESS_DIR, forget_worker
from cybous3.server.app.problems import StartError
from cybous3.server.config.load import dump
from cybous3.server.config.settings import ServerConfig

_log = structlog.get_logger("cybous3.app")

READY: Final = b"ready\n"
_START_PATIENCE_S: Final = 30.0
_KILL_PATIENCE_S: Final = 2.0
_START_TRIES: Final = 3  # lives of one worker before the server gives its start up
# Who dies younger than this is not started again at once.
_YOUNG_S: Final = 5.0
_PAUSE_S_MAX: Final = 30.0

LogLine = Callable[[str], None]


@dataclass(slots=True)
class _Worker:
    """One place for a worker: its slot, its socket, and the process that fills it now."""

    slot: str
    sock: socket.socket
    process: asyncio.subprocess.Process | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    deaths: int = 0  # in a row, young
    begun: asyncio.Event = field(default_factory=asyncio.Event)  # it was ready once, or nobody waits for that any more
    hopeless: str = ""  # why nobody does
    task: asyncio.Task[None] | None = None


class Supervisor:
    """Keeps `config.workers` processes running."""

    def __init__(
        self, config: ServerConfig, sockets: Sequence[socket.socket], metrics: Path, log_line: LogLine | None = None
    ) -> None:
        """`metrics` is the directory the workers count into; `log_line` takes their log unless it is standard error."""
        self._config = config
        self._metrics = metrics
        self._log_line = log_line
        self._sockets = sockets
        self._workers = [_Worker(f"w{i}", sockets[i % len(sockets)]) for i in range(config.workers)]
        self._end = asyncio.Event()
        self._go = asyncio.Event()

    def begin(self) -> None:
        """Start the processes, which load the program and wait to be told what to do. `drain` ends them.

        May be called twice.
        """
        for worker in self._workers:
            if worker.task is None:
                worker.task = asyncio.create_task(self._keep(worker))

    async def start(self) -> None:
        """Let all workers work and return when all are ready. StartError when one is not."""
        self.begin()
        self._go.set()
        try:
            async with asyncio.timeout(_START_PATIENCE_S):
                await asyncio.gather(*(self._first_ready(worker) for worker in self._workers))
        except TimeoutError:
            raise StartError(f"the workers were not ready within {_START_PATIENCE_S:g} s") from None

    async def check(self) -> None:
        """Raise when a worker is missing: a check of readiness."""
        missing = sum(1 for worker in self._workers if not worker.ready.is_set())
        if missing:
            raise RuntimeError(f"{missing} of {len(self._workers)} workers are not running")

    def pids(self) -> list[int]:
        """Return the process ids of the workers that run."""
        return [w.process.pid for w in self._workers if w.process is not None and w.process.returncode is None]

    async def drain(self, deadline_s: float) -> bool:
        """Let every worker finish and end. False when one had to be killed."""
        self._end.set()
        self._go.set()
        for sock in self._sockets:
            sock.close()  # each worker closes its own; with ours open, new connections would wait for nobody
        for worker in self._workers:
            self._send(worker, signal.SIGTERM)
        tasks = [worker.task for worker in self._workers if worker.task is not None]
        _, late = await asyncio.wait(tasks, timeout=deadline_s + _KILL_PATIENCE_S) if tasks else ((), set())
        for worker in self._workers:
            if worker.task in late:
                self._send(worker, signal.SIGKILL)
        if late:
            await asyncio.wait(late, timeout=_KILL_PATIENCE_S)
        return not late

    async def _first_ready(self, worker: _Worker) -> None:
        await worker.begun.wait()
        if worker.hopeless:
            raise StartError(worker.hopeless, hint="its reason is in the log above")

    async def _keep(self, worker: _Worker) -> None:
        """Run the worker, again and again, until the end."""
        lives = 0
        while not self._end.is_set():
            born = time.monotonic()
            try:
                code: int | str = await self._run(worker)
            except OSError as error:  # no memory, no processes, no descriptors: there may be some later
                code = f"could not be started: {error}"
            if self._end.is_set():
                return
            worker.deaths = worker.deaths + 1 if time.monotonic() - born < _YOUNG_S else 0
            lives += 1
            if not worker.begun.is_set() and (hopeless := _hopeless(code, lives)):
                worker.hopeless = hopeless
                worker.begun.set()
            pause_s = min(_PAUSE_S_MAX, 0.25 * 2**worker.deaths) if worker.deaths else 0.0
            _log.error("worker died", slot=worker.slot, code=code, restart_in_s=pause_s)
            with suppress(TimeoutError):  # an end does not wait for the next life
                await asyncio.wait_for(self._end.wait(), pause_s)

    async def _run(self, worker: _Worker) -> int:
        process = await self._spawn(worker)
        worker.process = process
        reading = asyncio.create_task(self._read_log(process))
        try:
            await self._go.wait()
            self._order(worker, process)
            if process.stdout is not None and await process.stdout.readline() == READY:
                worker.ready.set()
                worker.begun.set()
                worker.deaths = 0
                _log.info("worker ready", slot=worker.slot, pid=process.pid)
            return await process.wait()
        finally:
            worker.ready.clear()
            await reading
            forget_worker(self._metrics, process.pid)

    async def _spawn(self, worker: _Worker) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "cybous3.server.app.worker_process",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE if self._log_line is not None else None,
            pass_fds=(worker.sock.fileno(),),
            start_new_session=True,  # a Ctrl-C in the terminal is for us; we tell the workers
            env={**os.environ, MULTIPROCESS_DIR: str(self._metrics)},
        )

    def _order(self, worker: _Worker, process: asyncio.subprocess.Process) -> None:
        """Tell the worker what to do, or that there is nothing to do."""
        if process.stdin is None:
            return
        if self._end.is_set():
            process.stdin.close()
            return
        order = {"config": dump(self._config), "socket": worker.sock.fileno(), "slot": worker.slot}
        process.stdin.write(json.dumps(order).encode() + b"\n")

    async def _read_log(self, process: asyncio.subprocess.Process) -> None:
        if process.stderr is None or self._log_line is None:
            return
        with suppress(ValueError):  # a line beyond the reader's limit ends the reading, not the worker
            while line := await process.stderr.readline():
                self._log_line(line.decode("utf-8", "replace").rstrip("\n"))

    def _send(self, worker: _Worker, number: int) -> None:
        if worker.process is not None and worker.process.returncode is None:
            with suppress(ProcessLookupError):
                worker.process.send_signal(number)


def _hopeless(code: int | str, lives: int) -> str:
    """Return why a worker that was never ready need not be waited for, "" when its next life may be better.

    `code` is its exit code, negative for a signal (`subprocess`), or why there was no process. A worker that ends by
    itself knows why; what was killed (out of memory, by mistake) or could not be begun does not.
    """
    if isinstance(code, int) and code >= 0:
        return "a worker ended while it was starting"
    if lives < _START_TRIES:
        return ""
    how = f"was killed by signal {-code}" if isinstance(code, int) else code
    return f"a worker {how} while it was starting, {lives} times"

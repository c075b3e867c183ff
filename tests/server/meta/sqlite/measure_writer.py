"""Where should the index write: the figures of docs/adr/0003. Run it; it is not collected as a test.

    python -m tests.server.meta.sqlite.measure_writer [BLOCKS] [DIRECTORY]

Puts of 4 KiB inline records, strict, at 1 and 16 at a time, each preceded by up to 1 ms of waiting (the client) and
100 us of Python on the loop (what a request costs before it reaches the index). The four writers take turns, in random
order, block by block; the table shows the medians over the blocks of puts per second, and of how late the loop came to
a timer (the 99th percentile).
"""

import asyncio
import multiprocessing
import os
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from cybous3.server.meta.sqlite import committer as committers
from cybous3.server.meta.sqlite.committer import Committer, Log
from cybous3.server.meta.sqlite.index import SqliteIndex, open_sqlite
from cybous3.server.meta.sqlite.lock import WriterLock
from cybous3.server.meta.sqlite.remembered import Remembered
from cybous3.server.meta.sqlite.thread import OneThread
from cybous3.server.model.objects import ALWAYS, ObjectRecord
from tests.contracts.values import BUCKET, record

PUTS = {1: 150, 16: 1600}
REQUEST_S = 100e-6
TICK_S = 0.001
THINK_S = 0.001


class NoThread(OneThread):
    """Does the work where it is asked for."""

    def __init__(self) -> None:
        super().__init__("none")

    async def run(self, work: Callable[[], object]) -> None:
        work()


class InLoop(Committer):
    """Commits on the loop: nothing else happens during the sync."""

    def __init__(self, connection: sqlite3.Connection, lock: WriterLock, remembered: Remembered, log: Log) -> None:
        super().__init__(connection, lock, remembered, log)
        self._thread = NoThread()


class WholeThread(Committer):
    """Begins, writes and commits in the thread, which needs the interpreter for every statement."""

    async def _commit(self, group: list[Any], *, last: bool = False) -> bool:
        assert not last
        answers: list[Any] = []

        def work() -> None:
            answers.extend(committers._apply(self._connection, group))
            self._connection.commit()

        await self._thread.run(work)
        committers._answer(group, answers)
        return True


class Objects:
    """Puts through a process of its own, a group at a time, over a pipe."""

    def __init__(self, path: Path) -> None:
        self._ours, theirs = multiprocessing.get_context("spawn").Pipe()
        self._process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, str(path)))
        self._process.start()
        assert self._ours.recv() == "ready"
        self._waiting: list[tuple[ObjectRecord, asyncio.Future[None]]] = []
        self._under_way: list[asyncio.Future[None]] = []
        asyncio.get_running_loop().add_reader(self._ours.fileno(), self._answered)

    async def put(self, stored: ObjectRecord, _: object) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((stored, future))
        if not self._under_way:
            asyncio.get_running_loop().call_soon(self._send)
        await future

    def _send(self) -> None:
        if self._waiting and not self._under_way:
            self._under_way = [future for _, future in self._waiting]
            self._ours.send([stored for stored, _ in self._waiting])
            self._waiting = []

    def _answered(self) -> None:
        self._ours.recv()
        for future in self._under_way:
            future.set_result(None)
        self._under_way = []
        self._send()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._ours.fileno())
        self._ours.send(None)
        self._process.join()


def serve(pipe: Connection, path: str) -> None:
    """Commit what comes down the pipe, a message a transaction."""

    async def run() -> None:
        index = await open_sqlite(Path(path))
        index._committer = InLoop(index._writing, index._lock, index._remembered, index._committer._log)
        index.objects._committer = index._committer
        pipe.send("ready")
        while (batch := pipe.recv()) is not None:
            await asyncio.gather(*(index.objects.put(one, ALWAYS) for one in batch))
            pipe.send(len(batch))
        await index.aclose()

    asyncio.run(run())


def spend(seconds: float) -> None:
    """Keep the interpreter busy."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        sum(range(50))


async def block(put: Callable[[ObjectRecord, Any], Any], concurrency: int) -> tuple[float, float]:
    """Return puts per second, and how late the loop came to a timer, 99th percentile, in ms."""
    remaining = iter(range(PUTS[concurrency]))
    data, stalls, done = os.urandom(4096), [0.0], False

    async def writer() -> None:
        for _ in remaining:
            await asyncio.sleep(random.random() * THINK_S)  # noqa: S311  # thinking time, no secret
            spend(REQUEST_S)
            await put(record(os.urandom(8).hex(), inline=data, size=4096), ALWAYS)

    async def watch() -> None:
        last = time.perf_counter()
        while not done:
            await asyncio.sleep(TICK_S)
            now = time.perf_counter()
            stalls.append(now - last - TICK_S)
            last = now

    watcher = asyncio.create_task(watch())
    began = time.perf_counter()
    await asyncio.gather(*(writer() for _ in range(concurrency)))
    took = time.perf_counter() - began
    done = True
    await watcher
    return PUTS[concurrency] / took, statistics.quantiles(stalls, n=100)[98] * 1000


async def measure(blocks: int, directory: str | None) -> dict[tuple[str, int], list[tuple[float, float]]]:
    """Return each writer's blocks."""
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        index = await open_sqlite(Path(folder) / "index.db")
        await index.buckets.create(BUCKET)
        process = Objects(Path(folder) / "index.db")
        writers = {"in-loop": InLoop, "commit in a thread": Committer, "all in a thread": WholeThread, "process": None}
        for _ in range(blocks):
            for name in random.sample(sorted(writers), len(writers)):
                for concurrency in PUTS:
                    result = await block(_putter(index, writers[name], process), concurrency)
                    found.setdefault((name, concurrency), []).append(result)
        process.close()
        await index.aclose()
    return found


def _putter(index: SqliteIndex, kind: type[Committer] | None, process: Objects) -> Callable[[ObjectRecord, Any], Any]:
    if kind is None:
        return process.put
    index.objects._committer = kind(index._writing, index._lock, index._remembered, index._committer._log)
    return index.objects.put


def main() -> None:
    """Print the table."""
    blocks = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    found = asyncio.run(measure(blocks, sys.argv[2] if len(sys.argv) > 2 else None))
    lines = [
        f"SQLite {sqlite3.sqlite_version}, Python {sys.version.split()[0]}, {os.cpu_count()} cores, {blocks} blocks"
    ]
    for (name, concurrency), results in sorted(found.items(), key=lambda item: (item[0][1], item[0][0])):
        rates = sorted(rate for rate, _ in results)
        middle, low, high = statistics.median(rates), rates[len(rates) // 4], rates[3 * len(rates) // 4]
        late = statistics.median(late for _, late in results)
        lines.append(f"{concurrency:3} {name:20} {middle:8.0f}/s ({low:.0f}-{high:.0f})  late by {late:.2f} ms")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

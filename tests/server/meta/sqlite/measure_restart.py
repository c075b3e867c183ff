"""How long a server with a million objects takes to be ready after it was killed at work, beside one with none.

    python -m tests.server.meta.sqlite.measure_restart [OBJECTS] [ROUNDS] [FOLDER]

Makes two data directories in a folder of its own, one without objects and one with OBJECTS. In each of ROUNDS rounds
each of them in turn is served by `swifts3 serve` on loopback and kept busy by four clients that put 4 KiB, for at least
two seconds and until the index's log is nine tenths full; then the server is killed with SIGKILL while they go on, what
the kernel remembers of the index is dropped, and the server is started again. Printed is what it took until `/-/ready`
answered 200: seconds, its processor time, and what it read. FOLDER keeps the two directories for the next run.
"""

import asyncio
import http.client
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

import boto3
import psutil
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cybous3.server.meta.sqlite.index import CHECKPOINT_PAGES, open_sqlite
from cybous3.server.model.buckets import Bucket
from tests.support.fill import fill

ACCESS: Final = "SWIFTS3EXAMPLEKEY000"
SECRET: Final = "example-secret-" + "0" * 25
READY_WAIT_S: Final = 120.0
LOAD_S: Final = 2.0
LOAD_WAIT_S: Final = 120.0
POLL_S: Final = 0.005
CLIENTS: Final = 4
FULL: Final = CHECKPOINT_PAGES * 9 // 10


@dataclass(frozen=True)
class Started:
    """What a start took until the server was ready."""

    wall_s: float
    cpu_s: float  # ticks of 10 ms
    read_calls: int
    read_bytes: int  # by read(2) and its like, the program's own files too
    disk_bytes: int  # of them, what the page cache did not have


def free_port() -> int:
    """Return a port that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def command(data: Path, port: int, admin: int) -> list[str]:
    """Return how the server is started."""
    serve = [str(Path(sys.executable).with_name("swifts3")), "serve", "--data", str(data), "--log-level", "warning"]
    return [*serve, "--listen", f"127.0.0.1:{port}", "--admin-listen", f"127.0.0.1:{admin}"]


@contextmanager
def served(data: Path, port: int, *, end: signal.Signals = signal.SIGKILL) -> Iterator[Started]:
    """Start the server, tell what that took, and end it with the signal `end`."""
    keys = {"SWIFTS3_ROOT_ACCESS_KEY": ACCESS, "SWIFTS3_ROOT_SECRET_KEY": SECRET, "PYTHONDONTWRITEBYTECODE": ""}
    admin, begun = free_port(), time.monotonic()
    server = subprocess.Popen(command(data, port, admin), env={**os.environ, **keys}, start_new_session=True)
    try:
        while not is_ready(admin):
            if time.monotonic() - begun > READY_WAIT_S:
                raise TimeoutError("the server does not get ready")
            time.sleep(POLL_S)
        yield told(server.pid, time.monotonic() - begun)
    finally:
        os.killpg(server.pid, end)  # our own
        server.wait()


def is_ready(admin: int) -> bool:
    """Ask the admin port; False while nobody listens."""
    asking = http.client.HTTPConnection("127.0.0.1", admin, timeout=5)
    try:
        asking.request("GET", "/-/ready")
        return asking.getresponse().status == HTTPStatus.OK
    except OSError:
        return False
    finally:
        asking.close()


def told(pid: int, wall_s: float) -> Started:
    """Return what the kernel has counted of a process."""
    process = psutil.Process(pid)
    times, counted = process.cpu_times(), process.io_counters()
    return Started(wall_s, times.user + times.system, counted.read_count, counted.read_chars, counted.read_bytes)


def load(port: int, name: str) -> int:
    """Put until the server dies; return how many were acknowledged."""
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id=ACCESS,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
        config=Config(retries={"max_attempts": 1}, read_timeout=5, connect_timeout=5),
    )
    done = 0
    try:
        while True:
            client.put_object(Bucket="many", Key=f"load-{name}-{done}", Body=b"x" * 4096)
            done += 1
    except (BotoCoreError, ClientError):
        return done


def frames(data: Path) -> int:
    """Return how far the log goes, from the wal-index ("WAL-mode File Format", §2.1: mxFrame)."""
    with (data / "index.sqlite-shm").open("rb") as header:
        count: int = struct.unpack_from("=16xI", header.read(32))[0]
        return count


def killed_at_work(data: Path, name: str) -> tuple[int, int]:
    """Serve under load, kill, and return the acknowledged puts and the frames that the log was left with."""
    port = free_port()
    with ThreadPoolExecutor(CLIENTS) as pool:
        with served(data, port):
            loading = [pool.submit(load, port, f"{name}-{number}") for number in range(CLIENTS)]
            time.sleep(LOAD_S)
            until = time.monotonic() + LOAD_WAIT_S
            while (left := frames(data)) < FULL and time.monotonic() < until:
                time.sleep(POLL_S)
        return sum(one.result() for one in loading), left


def forget(data: Path) -> None:
    """Let the kernel drop what it remembers of the index, so that what a start reads comes from the disk."""
    for name in ("index.sqlite", "index.sqlite-wal"):
        fd = os.open(data / name, os.O_RDONLY)
        try:
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)


async def make_bucket(data: Path) -> None:
    """Add the bucket that is filled, owned by the root user."""
    index = await open_sqlite(data / "index.sqlite")
    (root,) = await index.accounts.users()
    await index.buckets.create(Bucket("many", root.id, "us-east-1", 1))
    await index.aclose()


def prepare(data: Path, objects: int) -> None:
    """Make a data directory, unless it is there."""
    if data.exists():
        return
    with served(data, free_port(), end=signal.SIGTERM):
        pass
    asyncio.run(make_bucket(data))
    fill(data / "index.sqlite", "many", objects)


def rounds(folder: Path, objects: int, count: int) -> Iterator[str]:
    """Yield a line for each kill and start."""
    for number in range(count):
        for held in (0, objects):
            data = folder / f"data-{held}"
            puts, left = killed_at_work(data, f"{os.getpid()}-{number}")
            forget(data)
            with served(data, free_port()) as took:
                yield (
                    f"{held:8} objects, killed after {puts} puts with {left} frames in the log: ready in "
                    f"{took.wall_s:.2f} s, processor {took.cpu_s:.2f} s, read {took.read_bytes / 1e6:.2f} MB in "
                    f"{took.read_calls} calls, {took.disk_bytes / 1e6:.2f} MB of it from the disk\n"
                )


def main() -> None:
    """Print the figures."""
    objects = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with ExitStack() as stack:
        kept = Path(sys.argv[3]) if len(sys.argv) > 3 else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for held in (0, objects):
            prepare(kept / f"data-{held}", held)
        working = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=kept)))
        for held in (0, objects):
            shutil.copytree(kept / f"data-{held}", working / f"data-{held}")
        for line in rounds(working, objects, count):
            sys.stdout.write(line)
            sys.stdout.flush()


if __name__ == "__main__":
    main()

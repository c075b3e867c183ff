"""How long a server with a million objects takes to be ready after it was killed at work.

    python -m tests.server.meta.sqlite.measure_restart [OBJECTS] [PUTS]

Fills an index in a folder of its own, starts `swifts3 serve` on loopback, lets PUTS puts of 4 KiB run against it, kills
it with SIGKILL in the middle, starts it again, and prints how long it took until `/-/ready` answered 200.
"""

import asyncio
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cybous3.server.meta.sqlite.index import open_sqlite
from cybous3.server.model.buckets import Bucket
from tests.support.fill import fill

ACCESS: Final = "SWIFTS3EXAMPLEKEY000"
SECRET: Final = "example-secret-" + "0" * 25
READY_WAIT_S: Final = 120.0
POLL_S: Final = 0.005


def free_port() -> int:
    """Return a port that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(data: Path, port: int, admin: int) -> tuple["subprocess.Popen[bytes]", float]:
    """Start the server and return it with the seconds until it was ready."""
    command = [str(Path(sys.executable).with_name("swifts3")), "serve", "--data", str(data)]
    command += ["--listen", f"127.0.0.1:{port}", "--admin-listen", f"127.0.0.1:{admin}"]
    keys = {"SWIFTS3_ROOT_ACCESS_KEY": ACCESS, "SWIFTS3_ROOT_SECRET_KEY": SECRET, "PYTHONDONTWRITEBYTECODE": ""}
    begun = time.monotonic()
    server = subprocess.Popen(command, env={**os.environ, **keys}, start_new_session=True)  # our own
    while time.monotonic() - begun < READY_WAIT_S:
        try:
            if is_ready(admin):
                return server, time.monotonic() - begun
        except OSError:
            pass  # nobody listens yet
        time.sleep(POLL_S)
    os.killpg(server.pid, signal.SIGKILL)
    raise TimeoutError("the server does not get ready")


def is_ready(admin: int) -> bool:
    """Ask the admin port. OSError while nobody listens."""
    asking = http.client.HTTPConnection("127.0.0.1", admin, timeout=5)
    try:
        asking.request("GET", "/-/ready")
        return asking.getresponse().status == HTTPStatus.OK
    finally:
        asking.close()


def load(port: int, count: int) -> int:
    """Put until the server dies or `count` are through; return how many were acknowledged."""
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id=ACCESS,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
        config=Config(retries={"max_attempts": 1}, read_timeout=5, connect_timeout=5),
    )
    done = 0
    for number in range(count):
        try:
            client.put_object(Bucket="many", Key=f"load-{os.getpid()}-{number}", Body=b"x" * 4096)
        except (BotoCoreError, ClientError):
            break
        done += 1
    return done


async def make_bucket(data: Path) -> None:
    """Add the bucket that is filled, owned by the root user."""
    index = await open_sqlite(data / "index.sqlite")
    (root,) = await index.accounts.users()
    await index.buckets.create(Bucket("many", root.id, "us-east-1", 1))
    await index.aclose()


def measure(objects: int, puts: int) -> tuple[float, float, int]:
    """Return the seconds of a start after a clean end, those after a kill, and the acknowledged puts before it."""
    with tempfile.TemporaryDirectory() as folder:
        data, port, admin = Path(folder) / "data", free_port(), free_port()
        server, _ = start(data, port, admin)
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()
        asyncio.run(make_bucket(data))
        fill(data / "index.sqlite", "many", objects)
        server, clean_s = start(data, port, admin)
        with ThreadPoolExecutor(1) as pool:
            loading = pool.submit(load, port, puts)
            time.sleep(min(3.0, puts / 200))
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
            done = loading.result()
        server, killed_s = start(data, port, admin)
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        return clean_s, killed_s, done


def main() -> None:
    """Print the figures."""
    objects = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    clean_s, killed_s, done = measure(objects, int(sys.argv[2]) if len(sys.argv) > 2 else 100_000)
    line = f"{objects} objects: ready after a clean end {clean_s:.2f} s, after a kill {killed_s:.2f} s ({done} puts)\n"
    sys.stdout.write(line)


if __name__ == "__main__":
    main()

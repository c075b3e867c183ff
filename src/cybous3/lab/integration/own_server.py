"""A server of our own for the length of a check: a real process on free loopback ports, over a folder of its own."""

import http.client
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cybous3.client.stores.connect import Access
from cybous3.core.errors import CybousError
from cybous3.core.sigv4.credentials import Credentials
from cybous3.server.app.discovery import Instance, find

READY_S_MAX = 30.0
STOP_S_MAX = 30.0
_POLL_S = 0.02
_LOG_LINES = 20


class ServerDidNotStart(CybousError):
    """The server process ended, or did not become ready in time."""

    exit_code = 1


@contextmanager
def own_server(folder: Path) -> Iterator[Access]:
    """Start `swifts3 serve` in `folder`, yield how to reach it as root, and stop it in an orderly way."""
    folder.mkdir(parents=True)
    data, log = folder / "data", folder / "server.log"
    root = Credentials(f"CHECK{secrets.token_hex(7).upper()}"[:20], secrets.token_urlsafe(30))
    environment = os.environ | {
        "SWIFTS3_STATE_DIR": str(folder / "state"),
        "SWIFTS3_ROOT_ACCESS_KEY": root.access_key,
        "SWIFTS3_ROOT_SECRET_KEY": root.secret_key,
    }
    command = [sys.executable, "-m", "cybous3.cli.swifts3", "serve", "--data", str(data)]
    command += ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  # our own program
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Ctrl-C is for us: what a check or a benchmark made is removed while the server still answers.
            start_new_session=True,
        )
    try:
        instance = _ready(process, data, log)
        yield Access(instance.endpoint, root, instance.region)
    finally:
        stop(process)


def _ready(process: "subprocess.Popen[bytes]", data: Path, log: Path) -> Instance:
    deadline = time.monotonic() + READY_S_MAX
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        instance = find(data) if data.is_dir() else None
        if instance is not None and answers(instance):
            return instance
        time.sleep(_POLL_S)
    tail = log.read_text("utf-8", "replace").splitlines()[-_LOG_LINES:]
    raise ServerDidNotStart("the server did not become ready", hint="its last words: " + " | ".join(tail))


def answers(instance: Instance) -> bool:
    """Return whether the server says that it is ready."""
    connection = http.client.HTTPConnection(*instance.admin, timeout=5)
    try:
        connection.request("GET", "/-/ready")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a server in an orderly way, or after STOP_S_MAX seconds in any way."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

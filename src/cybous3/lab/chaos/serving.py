"""The server a run breaks: started by the run over a folder of its own, on ports that stay the same when it comes back.

Nothing but processes started here, and their children, is ever signalled. The server leads a session of its own, so
that Ctrl-C reaches the run alone, which then brings everything back before it ends.
"""

import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from cybous3.core.sigv4.credentials import Credentials
from cybous3.lab.bench.rivals.process import free_port
from cybous3.lab.chaos.errors import CouldNotBegin

SERVE: Final = (sys.executable, "-m", "cybous3.cli.swifts3", "serve")
READY_S_MAX: Final = 30.0
_STOP_S_MAX: Final = 30.0
_END_S_MAX: Final = 5.0
_AGAIN_S: Final = 0.2
_POLL_S: Final = 0.02
_LOG_LINES: Final = 12
_WORKER: Final = "worker_process"


@dataclass
class OwnServer:
    """One server. `environment` adds to what its processes are given, such as a library that fakes the clock."""

    folder: Path
    data: Path
    workers: int = 1
    durability: str = "strict"
    command: Sequence[str] = SERVE
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    admin_port: int = field(default_factory=free_port)
    root: Credentials = field(
        default_factory=lambda: Credentials(f"CHAOS{secrets.token_hex(7).upper()}", secrets.token_urlsafe(30))
    )
    starts: int = 0
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def endpoint(self) -> str:
        """Where its clients go."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """What it said, over all its lives."""
        return self.folder / "server.log"

    @property
    def running(self) -> bool:
        """Whether the first process is there."""
        return self._process is not None and self._process.poll() is None

    def launch(self) -> None:
        """Start it and return at once."""
        self.folder.mkdir(parents=True, exist_ok=True)
        listen = ("--listen", f"127.0.0.1:{self.port}", "--admin-listen", f"127.0.0.1:{self.admin_port}")
        more = ("--data", str(self.data), "--workers", str(self.workers), *self._mode())
        surroundings = {
            **os.environ,
            "SWIFTS3_STATE_DIR": str(self.folder / "state"),
            "SWIFTS3_ROOT_ACCESS_KEY": self.root.access_key,
            "SWIFTS3_ROOT_SECRET_KEY": self.root.secret_key,
            **self.environment,
        }
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603  # our own server
                [*self.command, *listen, *more],
                env=surroundings,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.starts += 1

    def _mode(self) -> tuple[str, ...]:
        # Strict is the default of every server; one that has no other mode is not given the flag.
        return () if self.durability == "strict" else ("--durability", self.durability)

    def start(self, within_s: float = READY_S_MAX) -> float:
        """Start it and return the seconds until it was ready. CouldNotBegin with its last words if it never is."""
        begun = time.monotonic()
        self.launch()
        if not self.wait_ready(within_s):
            self.kill()
            raise CouldNotBegin("the server did not become ready", hint=f"its last words: {self.last_words()}")
        return time.monotonic() - begun

    def wait_ready(self, within_s: float) -> bool:
        """Wait until it says that it can write and read; False if its process ended or the time is over."""
        return _until(self.ready, within_s, lambda: self.running)

    def ready(self) -> bool:
        """Whether it says that it can write and read."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=2)
        try:
            connection.request("GET", "/-/ready")
            answer = connection.getresponse()
            return answer.status == http.client.OK and bool(json.loads(answer.read()).get("ready", True))
        except (OSError, http.client.HTTPException, ValueError):
            return False
        finally:
            connection.close()

    def revive(self, within_s: float = READY_S_MAX) -> bool:
        """Bring it back from whatever was done to it: let it go on, start it again; tell whether it got ready.

        A start that fails, as on a disk that another fault lets fail meanwhile, is tried again as any service is.
        """
        deadline = time.monotonic() + within_s
        while (left := deadline - time.monotonic()) > 0:
            self.signal(self.pids("server"), signal.SIGCONT)
            if not self.running:
                self.kill()  # workers that outlived their supervisor would hold their slots
                self.launch()
            if self.wait_ready(left):
                return True
            time.sleep(_AGAIN_S)
        return False

    def pids(self, part: str) -> list[int]:
        """Return the processes of a part: `server` (all), `supervisor`, or `worker` (those that answer requests)."""
        if self._process is None:
            return []
        try:
            children = psutil.Process(self._process.pid).children(recursive=True)
        except psutil.Error:
            children = []
        workers = sorted(child.pid for child in children if _is_worker(child))
        first = [self._process.pid] if self.running else []
        if part == "server":
            return [*first, *workers]
        if part == "supervisor":
            return first
        return first if self.workers == 1 else workers

    def signal(self, pids: Sequence[int], number: int) -> None:
        """Signal some of its own processes; those that are gone already are gone."""
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def wait_whole(self, within_s: float) -> bool:
        """Wait until it is ready and has all its workers: after a restart a worker's place is empty for a while."""
        return _until(lambda: len(self.pids("worker")) == self.workers and self.ready(), within_s)

    def kill(self) -> None:
        """End every process at once, without a word."""
        pids = self.pids("server")
        self.signal(pids, signal.SIGKILL)
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        _until(lambda: not any(map(_lives, pids)), _STOP_S_MAX)

    def terminate(self) -> int | None:
        """Ask it to end, wait, and return its exit code; None when it had to be killed."""
        process = self._process
        if process is None or not self.running:
            return None
        self.signal(self.pids("server"), signal.SIGCONT)
        process.terminate()
        try:
            return process.wait(_STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def wait_gone(self) -> None:
        """Wait for a first process that was signalled to end, for a moment; one that does not is left alone."""
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_S_MAX)

    def last_words(self) -> str:
        """Return the end of the log on one line."""
        lines = self.log.read_text("utf-8", "replace").splitlines() if self.log.exists() else []
        return " | ".join(lines[-_LOG_LINES:])

    def blobs(self) -> list[Path]:
        """Return the files that hold objects' bytes, finished and unfinished, by name."""
        root = self.data / "blobs"
        found = [*root.glob("blobs/??/*"), *(p for p in root.glob("incoming/*/*") if p.is_file())]
        return sorted(found)


def _lives(pid: int) -> bool:
    """Whether a process is there and no mere entry that its new parent, who may never look, has not yet read."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _is_worker(process: psutil.Process) -> bool:
    try:
        return any(_WORKER in part for part in process.cmdline())
    except psutil.Error:  # it ended while it was looked at
        return False


def _until(holds: Callable[[], bool], within_s: float, alive: Callable[[], bool] = lambda: True) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if holds():
            return True
        if not alive():
            return False
        time.sleep(_POLL_S)
    return False

"""A server of our own that may be killed and started again: one process group, one port, one data directory.

Nothing but what was started here is ever signalled. `program` takes the place of our server's command for those who
plant a fault in it; it is called with the same arguments.
"""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cybous3.core.sigv4.credentials import Credentials
from cybous3.lab.bench.rivals.process import answers, free_port, spawn, stop
from cybous3.lab.chaos.caller import Site
from cybous3.lab.integration.own_server import ServerDidNotStart

SERVER: Final = (sys.executable, "-m", "cybous3.cli.swifts3", "serve")
_LOG_LINES: Final = 15


@dataclass
class Host:
    """See the module."""

    folder: Path
    workers: int = 1
    program: Sequence[str] = SERVER
    port: int = field(default_factory=free_port)
    root: Credentials = field(
        default_factory=lambda: Credentials(f"CHAOS{secrets.token_hex(7).upper()}", secrets.token_urlsafe(30))
    )
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def site(self) -> Site:
        """How to reach it as root."""
        return Site(f"http://127.0.0.1:{self.port}", self.root)

    @property
    def pid(self) -> int | None:
        """The server's process, None while it does not run."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it and return when it answers. Raises ServerDidNotStart."""
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / "server.log"
        environment = {
            "SWIFTS3_STATE_DIR": str(self.folder / "state"),
            "SWIFTS3_ROOT_ACCESS_KEY": self.root.access_key,
            "SWIFTS3_ROOT_SECRET_KEY": self.root.secret_key,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        addresses = ("--listen", f"127.0.0.1:{self.port}", "--admin-listen", "127.0.0.1:0")
        command = [*self.program, "--data", str(self.folder / "data"), *addresses, "--workers", str(self.workers)]
        self._process = spawn(command, environment, log)
        if not answers(self._process, self.port):
            self.stop()
            tail = log.read_text("utf-8", "replace").splitlines()[-_LOG_LINES:]
            raise ServerDidNotStart("the server did not become ready", hint="its last words: " + " | ".join(tail))

    def kill(self) -> None:
        """End every process of it at once, with SIGKILL."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def stop(self) -> None:
        """End it in an orderly way."""
        process, self._process = self._process, None
        if process is not None:
            stop(process)


@contextmanager
def hosted(folder: Path, *, workers: int = 1, program: Sequence[str] = SERVER) -> Iterator[Host]:
    """Yield a running server of our own over `folder`; end it afterwards."""
    host = Host(folder, workers, program)
    host.start()
    try:
        yield host
    finally:
        host.stop()

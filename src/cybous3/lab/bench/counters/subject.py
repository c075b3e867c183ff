"""The programs under the counters: a server that stays, and commands of the client that end.

Both are the real programs in processes of their own, over a scratch folder, on loopback. `CountedServer` carries the
taps; `PlainServer` carries nothing and can be put under `strace`.
"""

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from cybous3.core.errors import CybousError
from cybous3.core.sigv4.credentials import Credentials
from cybous3.lab.bench.counters.caller import Caller
from cybous3.lab.bench.counters.metrics import requests_and_bytes
from cybous3.lab.bench.counters.quiet import wait_quiet
from cybous3.server.app.discovery import Instance, find

READY_S_MAX: Final = 60.0
STOP_S_MAX: Final = 30.0
LAUNCHER: Final = ("-m", "cybous3.lab.bench.counters.counted")
_POLL_S: Final = 0.02
_FOREIGN: Final = ("CYBS3_", "SWIFTS3_", "AWS_", "XDG_")


class SubjectFailed(CybousError):
    """A program under the counters did not start, or did not do what it was asked."""


def clean_environment(home: Path) -> dict[str, str]:
    """Return an environment in which nothing of the person's own is read or written."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return inherited | {
        "HOME": str(home),
        "CYBS3_HOME": str(home / "cybs3"),
        "CYBS3_PASSPHRASE_FILE": str(home / "passphrase"),
        "SWIFTS3_STATE_DIR": str(home / "swifts3"),
    }


class Server(ABC):
    """A `swifts3 serve` with one worker. A context manager: started within, stopped at its end."""

    def __init__(self, folder: Path, root: Credentials | None = None) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.root = root or Credentials(f"COUNT{secrets.token_hex(8).upper()}"[:20], secrets.token_urlsafe(30)[:40])
        self.instance: Instance
        self._process: subprocess.Popen[bytes]

    @abstractmethod
    def command(self) -> list[str]:
        """Return what comes before `serve`."""

    def descriptors(self) -> Sequence[int]:
        """Return what the process inherits."""
        return ()

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [*self.command(), "serve", "--data", str(self.data), "--workers", "1"]
        command += ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-level", "warning"]
        given = {"SWIFTS3_ROOT_ACCESS_KEY": self.root.access_key, "SWIFTS3_ROOT_SECRET_KEY": self.root.secret_key}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  # our own program
                command,
                env=clean_environment(self.folder) | given,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=self.descriptors(),
            )
        try:
            self.instance = self._ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            os.kill(self.pid, signal.SIGTERM)
        try:
            self._process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        """The server's process, whatever it runs under."""
        return self.instance.pid if hasattr(self, "instance") else self._process.pid

    def caller(self) -> Caller:
        """Open a connection to the S3 port, as root."""
        return Caller(self.instance.listen, self.root, self.instance.region)

    def rest(self) -> None:
        """Return when the server has finished everything it has to do."""
        wait_quiet(self.pid)

    def traffic(self) -> dict[str, int]:
        """Return requests by operation, and bytes in and out, since the start: from the server's own metrics."""
        text = ask_admin(self.instance, "/-/metrics")
        if text is None:
            raise SubjectFailed("the server's metrics cannot be read")
        return requests_and_bytes(text.decode())

    def _ready(self) -> Instance:
        deadline = time.monotonic() + READY_S_MAX
        while time.monotonic() < deadline and self._process.poll() is None:
            instance = find(self.data) if self.data.is_dir() else None
            if instance is not None and ask_admin(instance, "/-/ready") is not None:
                return instance
            time.sleep(_POLL_S)
        tail = self.log.read_text("utf-8", "replace").splitlines()[-20:]
        raise SubjectFailed("the server did not become ready", hint=f"its last words: {' | '.join(tail)}")


class PlainServer(Server):
    """The server as people run it, behind `before` (a tracer's command line)."""

    def __init__(self, folder: Path, root: Credentials | None = None, before: Sequence[str] = ()) -> None:
        super().__init__(folder, root)
        self._before = before

    def command(self) -> list[str]:
        """See `Server`."""
        return [*self._before, sys.executable, "-m", "cybous3.cli.swifts3"]


class CountedServer(Server):
    """The server with taps."""

    def __init__(self, folder: Path, root: Credentials | None = None, launcher: Sequence[str] = LAUNCHER) -> None:
        super().__init__(folder, root)
        self._launcher = launcher
        self._link, self._far = socket.socketpair()
        self._lines = self._link.makefile("rb")

    def command(self) -> list[str]:
        """See `Server`."""
        return counted(self._launcher, self._far.fileno(), self.folder, "swifts3")

    def descriptors(self) -> Sequence[int]:
        """See `Server`."""
        return (self._far.fileno(),)

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        for end in (self._lines, self._link, self._far):
            end.close()

    def counts(self) -> dict[str, int]:
        """Wait until the server is at rest; return what its taps have counted since its start."""
        self.rest()
        self._link.sendall(b"?")
        counts: dict[str, int] = json.loads(self._lines.readline())
        return counts


def counted(launcher: Sequence[str], descriptor: int, scratch: Path, program: str) -> list[str]:
    """Return the command that runs `program` with taps."""
    return [sys.executable, *launcher, str(descriptor), str(scratch), program]


def ask_admin(instance: Instance, path: str) -> bytes | None:
    """Return what the admin port answers; None unless it is a success."""
    connection = http.client.HTTPConnection(*instance.admin, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    except OSError:
        return None
    finally:
        connection.close()
    return body if answer.status == http.client.OK else None


class Client:
    """A person's machine: a home with words, passphrase and one vault; commands are counted one by one."""

    def __init__(self, home: Path, server: Server, launcher: Sequence[str] = LAUNCHER) -> None:
        self.home = home
        self._launcher = launcher
        home.mkdir(parents=True, exist_ok=True)
        self._environment: Mapping[str, str] = clean_environment(home)
        self._settle(server)

    def _settle(self, server: Server) -> None:
        words, passphrase, secret = self.home / "words", self.home / "passphrase", self.home / "secret"
        passphrase.write_text(secrets.token_hex(8), encoding="utf-8")
        secret.write_text(server.root.secret_key, encoding="utf-8")
        self.run("keys", "create", "--quiet", "--out", str(words))
        self.run("login", "--quiet", "--mnemonic-file", str(words), "--passphrase-file", str(passphrase))
        place = ["--endpoint", server.instance.endpoint, "--bucket", "vault", "--create-bucket"]
        place += ["--access-key", server.root.access_key, "--secret-key-file", str(secret)]
        self.run("vaults", "add", "counted", "--quiet", *place)

    def run(self, *arguments: str) -> dict[str, int]:
        """Run a command of `cybs3` that must succeed, and return what its taps counted."""
        near, far = socket.socketpair()
        with near, far, near.makefile("rb") as lines:
            done = subprocess.run(  # noqa: S603  # our own program
                [*counted(self._launcher, far.fileno(), self.home, "cybs3"), *arguments],
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                pass_fds=(far.fileno(),),
                check=False,
            )
            if done.returncode:
                raise SubjectFailed(f"cybs3 {' '.join(arguments)}: {done.stderr.decode('utf-8', 'replace').strip()}")
            counts: dict[str, int] = json.loads(lines.readline())
        return counts

"""A real `swifts3 serve` on loopback, for tests that speak to it over a socket with clients nobody here wrote."""

import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

READY_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Key:
    """An access key of some user."""

    access_key: str
    secret_key: str = field(repr=False)


def random_key(prefix: str = "TEST") -> Key:
    """Return a key of the usual shape that no test can know by heart."""
    return Key((prefix + secrets.token_hex(10).upper())[:20], secrets.token_urlsafe(30)[:40])


def free_port() -> int:
    """Return a loopback port that nobody listens on right now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def swifts3(*arguments: str) -> list[str]:
    """Return the command that runs `swifts3` from this interpreter, wherever its scripts may lie."""
    return [sys.executable, "-m", "cybous3.cli.swifts3", *arguments]


class Server:
    """One server process over one data directory; it may be stopped, killed and started again.

    `stop` ends it as an administrator would and expects an orderly end; `kill` is the power cut.
    """

    def __init__(
        self, folder: Path, *, region: str = "us-east-1", workers: int = 1, options: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.region = region
        self.root = random_key("ROOT")
        self.port = free_port()
        self.admin_port = free_port()
        self.log = folder / "server.log"
        self._options = {"--workers": str(workers), **(options or {})}
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def endpoint(self) -> str:
        """Where clients go."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin(self) -> str:
        """Where health and metrics are."""
        return f"http://127.0.0.1:{self.admin_port}"

    @property
    def environment(self) -> dict[str, str]:
        """The server's environment: a home and a state directory of its own, and the root key."""
        return {
            **os.environ,
            "HOME": str(self.folder),
            "SWIFTS3_STATE_DIR": str(self.folder / "state"),
            "SWIFTS3_ROOT_ACCESS_KEY": self.root.access_key,
            "SWIFTS3_ROOT_SECRET_KEY": self.root.secret_key,
        }

    def start(self) -> None:
        """Start the process and return when it is ready; fail with the end of its log when it never is."""
        options = [text for pair in self._options.items() for text in pair]
        command = swifts3(
            *("serve", "--data", str(self.data), "--region", self.region),
            *("--listen", f"127.0.0.1:{self.port}", "--admin-listen", f"127.0.0.1:{self.admin_port}", *options),
        )
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not self.is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"the server did not become ready:\n{self.tail()}")
            time.sleep(0.05)

    def is_ready(self) -> bool:
        """Whether the admin port says that the server can write and read."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=5)
        try:
            connection.request("GET", "/-/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def is_running(self) -> bool:
        """Whether the process was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Ask the process to end, and see that it ends well."""
        process = self._running()
        process.terminate()
        code = process.wait(STOP_SECONDS_MAX)
        self._process = None
        assert code == 0, f"the server ended with {code}:\n{self.tail()}"

    def kill(self) -> None:
        """End the process as a power cut would."""
        process = self._running()
        process.kill()
        process.wait(STOP_SECONDS_MAX)
        self._process = None

    def pause(self) -> None:
        """Freeze the process (POSIX): connections stay open and nothing answers."""
        self._running().send_signal(signal.SIGSTOP)

    def add_user(self, name: str) -> Key:
        """Make a user with one key, through the public command, while the server runs."""
        key = random_key("USER")
        done = subprocess.run(
            swifts3(
                "users", "add", name, "--data", str(self.data), "--access-key", key.access_key, "--secret-key", "-"
            ),
            env=self.environment,
            input=key.secret_key,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return key

    def tail(self, lines: int = 40) -> str:
        """Return the end of the log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def _running(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "the server is not running"
        return self._process

"""A rival's process: started over a folder of its own, waited for until it answers, ended with everything it started.

The process leads a group of its own, so that what it forks (workers, a tracer) ends with it. A port that somebody took
between choosing and binding shows as a process that ends at once; it is tried again on another.
"""

import http.client
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cybous3.core.sigv4.credentials import Credentials
from cybous3.lab.bench.rivals.install import last_words
from cybous3.lab.bench.rivals.port import Place, Program, Rival, Unavailable
from cybous3.lab.bench.target import Target

READY_S_MAX: Final = 30.0
_STOP_S_MAX: Final = 10.0
_POLL_S: Final = 0.02
_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Running:
    """A rival that answers. `data` is where one that serves files as they lie has them."""

    target: Target
    data: Path


@contextmanager
def started(rival: Rival, program: Program, folder: Path, *, tracer: Sequence[str] = ()) -> Iterator[Running]:
    """Start the rival over `folder`, yield how to reach it, and end it. `tracer` stands before its command.

    Raises Unavailable with the rival's last words if it does not answer in time.
    """
    process, running = _first_that_answers(rival, program, folder, tracer)
    try:
        yield running
    finally:
        stop(process)


def _first_that_answers(
    rival: Rival, program: Program, folder: Path, tracer: Sequence[str]
) -> tuple["subprocess.Popen[bytes]", Running]:
    said = "nothing"
    for attempt in range(_TRIES):
        mine = folder / f"try{attempt}"
        mine.mkdir(parents=True)
        place = Place(mine, free_port(), _fresh_key())
        launch = rival.launch(program, place)
        log = mine / "server.log"
        process = spawn([*tracer, *launch.command], launch.environment, log)
        if answers(process, place.port):
            endpoint = f"http://127.0.0.1:{place.port}"
            target = Target(
                rival.name, endpoint, launch.credentials, durability=rival.durability, server_pid=process.pid
            )
            return process, Running(target, mine / "data")
        stop(process)
        said = last_words(log.read_text("utf-8", "replace"))
    raise Unavailable(f"did not answer: {said}")


def spawn(command: Sequence[str], environment: Mapping[str, str], log: Path) -> "subprocess.Popen[bytes]":
    """Start a process in a group of its own whose output goes to `log`. Raises Unavailable where it cannot be run."""
    with log.open("wb") as output:
        try:
            return subprocess.Popen(  # noqa: S603  # a program that `provide` found
                list(command),
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=log.parent,
                start_new_session=True,
            )
        except OSError as error:
            raise Unavailable(f"cannot be started: {error}") from error


def free_port() -> int:
    """Return a port of loopback that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def _fresh_key() -> Credentials:
    return Credentials(f"BENCH{secrets.token_hex(7).upper()}"[:20], secrets.token_hex(20))


def answers(process: "subprocess.Popen[bytes]", port: int, within_s: float = READY_S_MAX) -> bool:
    """Wait until anything speaks HTTP on the port; False if the process ended or the time is over."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline and process.poll() is None:
        with (
            suppress(OSError, http.client.HTTPException),  # not yet
            closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection,
        ):
            connection.request("GET", "/")
            connection.getresponse().read()
            return True
        time.sleep(_POLL_S)
    return False


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End the process and everything in its group; by force if it does not listen."""
    for number, patience_s in ((signal.SIGTERM, _STOP_S_MAX), (signal.SIGKILL, _STOP_S_MAX)):
        with suppress(ProcessLookupError):  # all of the group have ended
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):  # then by force
            process.wait(patience_s)
            break
    with suppress(ProcessLookupError):  # what the leader left behind
        os.killpg(process.pid, signal.SIGKILL)

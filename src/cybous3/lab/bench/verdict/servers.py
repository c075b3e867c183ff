"""A side brought to life: a server of a build in a folder of its own, or an endpoint as it is; and both under load.

Kept true here: what was started is stopped and what was put is removed, whatever happens in between. Both servers of
a pair are up together, idle while the other one works.
"""

import os
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cybous3.core.sigv4.credentials import Credentials
from cybous3.lab.bench.generator.load import Load
from cybous3.lab.bench.generator.session import Session
from cybous3.lab.bench.target import Target
from cybous3.lab.bench.verdict.compare import Runner
from cybous3.lab.bench.verdict.sides import Build, Endpoint, Revision, Saved, Side, UnknownSide
from cybous3.lab.bench.workload import Workload
from cybous3.lab.integration.own_server import ServerDidNotStart, answers, stop
from cybous3.server.app.discovery import Instance, find

READY_S_MAX: Final = 30.0
DURABILITY: Final = "strict"
"""What our server promises unless a bucket is told otherwise."""
_POLL_S: Final = 0.02
_LOG_LINES: Final = 8


@dataclass(frozen=True, slots=True)
class Contender:
    """One side of a comparison: what it is, and what it is told. `options` are settings of our server."""

    label: str
    side: Side
    options: Mapping[str, str] = field(default_factory=dict)
    credentials: Credentials | None = field(default=None, repr=False)
    region: str = "us-east-1"


@contextmanager
def running(contender: Contender, folder: Path) -> Iterator[Target]:
    """Yield the contender as a target, started in `folder` where it has to be started."""
    side = contender.side
    if isinstance(side, Saved):
        raise UnknownSide(f"stored results cannot be put under load: {str(side.path)!r}")
    if isinstance(side, Endpoint):
        yield _endpoint(contender, side)
        return
    folder.mkdir(parents=True)
    build = side.take_out(folder / "tree") if isinstance(side, Revision) else side
    with _served(contender, build, folder) as target:
        yield target


@contextmanager
def under_load(a: Contender, b: Contender, folder: Path, workload: Workload, load: Load) -> Iterator[list[Runner]]:
    """Yield a runner for each side, prepared; take everything away afterwards."""
    with ExitStack() as stack:
        targets = [stack.enter_context(running(side, folder / name)) for name, side in (("a", a), ("b", b))]
        sessions = [stack.enter_context(Session(target, workload, load)) for target in targets]
        for session in sessions:
            session.prepare()
        yield [session.run for session in sessions]


def _endpoint(contender: Contender, side: Endpoint) -> Target:
    if contender.options:
        raise UnknownSide(
            f"{side.url} runs already: it takes no settings", hint="settings are for servers started here"
        )
    if contender.credentials is None:
        raise UnknownSide(f"no credentials for {side.url}", hint="give --access-key, or set AWS_ACCESS_KEY_ID")
    return Target(contender.label, side.url, contender.credentials, contender.region)


@contextmanager
def _served(contender: Contender, build: Build, folder: Path) -> Iterator[Target]:
    data, log = folder / "data", folder / "server.log"
    root = Credentials(f"BENCH{secrets.token_hex(7).upper()}"[:20], secrets.token_urlsafe(30))
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  # a build of our own program
            _command(build, data, contender.options),
            env=_environment(build, folder, root),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        instance = _ready(process, data, log)
        yield Target(
            contender.label,
            instance.endpoint,
            root,
            instance.region,
            durability=DURABILITY,
            server_pid=process.pid,
        )
    finally:
        stop(process)


def _command(build: Build, data: Path, options: Mapping[str, str]) -> list[str]:
    fixed = {"data": str(data), "listen": "127.0.0.1:0", "admin-listen": "127.0.0.1:0"}
    given = {name.replace("_", "-"): value for name, value in options.items()}
    settings = [text for name, value in (given | fixed).items() for text in (f"--{name}", value)]
    return [str(build.python), "-m", "cybous3.cli.swifts3", "serve", *settings]


def _environment(build: Build, folder: Path, root: Credentials) -> dict[str, str]:
    told = {
        "SWIFTS3_STATE_DIR": str(folder / "state"),
        "SWIFTS3_ROOT_ACCESS_KEY": root.access_key,
        "SWIFTS3_ROOT_SECRET_KEY": root.secret_key,
    }
    if build.source is not None:
        told["PYTHONPATH"] = str(build.source)
    # A person's own settings must not reach one side, or both.
    return {name: value for name, value in os.environ.items() if not name.startswith("SWIFTS3_")} | told


def _ready(process: "subprocess.Popen[bytes]", data: Path, log: Path) -> Instance:
    deadline = time.monotonic() + READY_S_MAX
    while time.monotonic() < deadline and process.poll() is None:
        instance = find(data) if data.is_dir() else None
        if instance is not None and answers(instance):
            return instance
        time.sleep(_POLL_S)
    words = " | ".join(log.read_text("utf-8", "replace").splitlines()[-_LOG_LINES:])
    raise ServerDidNotStart("a server to compare did not become ready", hint=f"its last words: {words}")

"""Servers whose power can be cut: how each is started over a folder, and how an image of its folder is opened.

Our own is opened in this process for most images (the same node, service and edge that a worker process runs) and as a
process for some. `rclone serve s3` keeps plain files, which are read as they lie. Any other command is started anew on
every image; `{data}`, `{port}`, `{access_key}` and `{secret_key}` in it are filled in.
"""

import asyncio
import os
import shlex
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from cybous3.core.errors import CybousError
from cybous3.lab.bench.rivals.install import cache_folder
from cybous3.lab.bench.rivals.port import Launch, Place, Shelf
from cybous3.lab.bench.rivals.process import answers, free_port, spawn, stop
from cybous3.lab.bench.rivals.rclone import RIVAL
from cybous3.lab.chaos.powercut import load
from cybous3.lab.chaos.powercut.session import REGION, key_of
from cybous3.server.config.settings import ServerConfig

KEY: Final = key_of("CUTSCUTSCUTSCUTSCUTS")
"""The key of every server that is started here, on loopback, over a folder that is thrown away."""

_SWIFTS3: Final = (sys.executable, "-m", "cybous3.cli.swifts3")


class NoSuchTarget(CybousError):
    """The target is none, or cannot be had on this machine."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Opened:
    """A server that answers over an image: its port, how long it took, and what it may leave behind (files)."""

    port: int
    recovery_s: float
    leftovers: Callable[[], Any] | None = None  # an awaitable of names, when all that was stored has been deleted


@dataclass(frozen=True, slots=True)
class Target:
    """One server. `full`: metadata, ETags, listings and uploads are compared too, and leaks are looked for.

    `plain`: its files lie below `{data}/BUCKET/KEY` as they are, and are read without starting it. `tracing`: further
    options of strace while it is recorded, as those that let calls fail.
    """

    name: str
    command: tuple[str, ...]
    full: bool = False
    plain: bool = False
    durability: str = "strict"
    environment: Mapping[str, str] = field(default_factory=dict)
    tracing: tuple[str, ...] = ()

    def launch(self, place: Place) -> Launch:
        """Return how to start it over `place.folder / "data"`."""
        words = {
            "data": str(place.folder / "data"),
            "port": str(place.port),
            "access_key": place.credentials.access_key,
            "secret_key": place.credentials.secret_key,
        }
        command = tuple(_fill(word, words) for word in self.command)
        environment = {name: _fill(text, words) for name, text in self.environment.items()}
        return Launch(command, place.credentials, {**environment, "PYTHONDONTWRITEBYTECODE": ""})


def _fill(text: str, words: Mapping[str, str]) -> str:
    for name, word in words.items():
        text = text.replace("{" + name + "}", word)
    return text


def own(durability: str = "strict", *, program: Sequence[str] = _SWIFTS3, workers: int = 1) -> Target:
    """Return our own server. NoSuchTarget for a mode that it does not have."""
    environment = {
        "SWIFTS3_STATE_DIR": "{data}.state",
        "SWIFTS3_ROOT_ACCESS_KEY": "{access_key}",
        "SWIFTS3_ROOT_SECRET_KEY": "{secret_key}",
        # A test that measures coverage measures itself, not the server that it watches.
        "COVERAGE_PROCESS_START": "",
        "COVERAGE_PROCESS_CONFIG": "",
    }
    if durability != "strict":
        if "durability" not in {item.name for item in fields(ServerConfig)}:
            raise NoSuchTarget(f"this server has no mode {durability!r}")
        environment["SWIFTS3_DURABILITY"] = durability
    listen = ("--listen", "127.0.0.1:{port}", "--admin-listen", "127.0.0.1:0", "--workers", str(workers))
    command = (*program, "serve", "--data", "{data}", *listen)
    return Target("own", command, full=True, durability=durability, environment=environment)


def rclone() -> Target:
    """Return rclone's server. Unavailable when it cannot be had."""
    program = RIVAL.provide(Shelf(cache_folder(), install=False, say=lambda _: None))
    return Target(
        "rclone",
        (*program.command, "serve", "s3", "--addr", "127.0.0.1:{port}", "{data}"),
        plain=True,
        environment={"RCLONE_CONFIG": "{data}.conf", "RCLONE_AUTH_KEY": '"{access_key},{secret_key}"'},
    )


def chosen(name: str, durability: str = "strict") -> Target:
    """Return the target of that name, or one that is a command. NoSuchTarget, Unavailable."""
    if name == "own":
        return own(durability)
    if durability != "strict":
        raise NoSuchTarget("only our own server has modes of durability", hint="leave --durability out")
    if name == "rclone":
        return rclone()
    command = tuple(shlex.split(name))
    if not any("{data}" in word for word in command) or not any("{port}" in word for word in command):
        raise NoSuchTarget(
            f"the target {name!r} is neither own nor rclone, and no command with {{data}} and {{port}} in it",
            hint="as in: --target 'my-server --dir {data} --listen 127.0.0.1:{port}'",
        )
    return Target(command[0], command)


def kinds(target: Target) -> dict[str, int]:
    """Return what the target is asked for."""
    return dict(load.FULL if target.full else load.PLAIN)


@asynccontextmanager
async def opened_here(folder: Path, port: int = 0) -> AsyncIterator[Opened]:
    """Open our own server over `folder / "data"` in this process. `port` 0: any that is free."""
    # Only this way of opening needs the whole server.
    from cybous3.server.app.front import open_port  # noqa: PLC0415
    from cybous3.server.app.node import open_node  # noqa: PLC0415
    from cybous3.server.workers.reaper import Reaper  # noqa: PLC0415

    data = folder / "data"
    data.mkdir(mode=0o700, exist_ok=True)
    begin = time.monotonic()
    with socket.create_server(("127.0.0.1", port)) as listener:
        listener.setblocking(False)  # noqa: FBT003  # the socket's own way of saying it
        config = replace(ServerConfig(data), region=REGION)
        async with open_node(config, "w0") as node:
            edge = await open_port(config, [listener], node.service)

            async def leftovers() -> list[str]:
                reaper = Reaper(node.index.garbage, node.blobs, grace_s=0)
                while await reaper.run_once():
                    pass
                return blob_names(data)

            try:
                yield Opened(listener.getsockname()[1], time.monotonic() - begin, leftovers)
            finally:
                await edge.drain(5)


def blob_names(data: Path) -> list[str]:
    """Return every file below a data directory of ours that holds, or held, bytes of an object."""
    found = (f"{folder}/{name}" for folder, _, names in os.walk(data / "blobs") for name in names)
    return sorted(str(Path(path).relative_to(data)) for path in found if not path.endswith(".lock"))


@asynccontextmanager
async def opened_process(target: Target, folder: Path) -> AsyncIterator[Opened]:
    """Start the server as a process over `folder / "data"`. TimeoutError when it does not answer."""
    place = Place(folder, free_port(), KEY)
    launch = target.launch(place)
    begin = time.monotonic()
    log = folder / "server.log"
    process = spawn(launch.command, launch.environment, log)
    try:
        if not await asyncio.to_thread(answers, process, place.port):
            raise TimeoutError(log.read_text("utf-8", "replace").strip()[-400:])
        yield Opened(place.port, time.monotonic() - begin)
    finally:
        await asyncio.to_thread(stop, process)

"""Named servers on this machine, run in the background: start, stop, look.

What a name stands for is one directory: settings, log, data. Whether its server runs is told by the lock on the data,
never by a number in a file; a process is only signalled when its number and its start time are both those that were
written down.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import platformdirs
import psutil
from filelock import FileLock, Timeout

from cybous3.core.errors import CybousError
from cybous3.disk.files import SYSTEM
from cybous3.disk.whole import ensure_directory, put_whole
from cybous3.server.app import discovery
from cybous3.server.app.discovery import Instance
from cybous3.server.app.places import DataDirectory
from cybous3.server.app.problems import StartError, local

HOME_VARIABLE: Final = "CYBS3_HOME"
TAIL_LINES: Final = 20

_START_S: Final = 30.0
_OTHER_START_S: Final = 90.0
_TERMINATE_S: Final = 3.0
_POLL_S: Final = 0.05
_ANSWER_S: Final = 6.0
# The exit codes of `swifts3 serve` that mean the same here; docs/reference/exit-codes.md.
_PASSED_ON: Final = frozenset((2, 30, 31))

State = Literal["running", "stopped", "unknown"]
Ending = Literal["not running", "drained", "terminated", "killed"]


class StartFailedError(StartError):
    """The server ended, or was not ready in time. `lines` is the end of its log."""

    def __init__(self, message: str, lines: Sequence[str], code: int = 1) -> None:
        super().__init__(message)
        self.lines = tuple(lines)
        self.exit_code = code if code in _PASSED_ON else 1  # type: ignore[misc]  # the one family that passes codes on


class StopFailedError(CybousError):
    """The server could not be made to end."""


class OtherServerError(CybousError):
    """Another server than the one asked for works on the data directory."""

    exit_code: ClassVar[int] = 31


class BusyError(CybousError):
    """Another command starts or stops the same server."""

    exit_code: ClassVar[int] = 31


@dataclass(frozen=True, slots=True)
class Status:
    """What is known about a named server. `reasons` say why it is not ready, or what is odd."""

    state: State
    instance: Instance | None = None
    ready: bool = False
    reasons: tuple[str, ...] = ()


def home(env: Mapping[str, str]) -> Path:
    """Return the directory of all named servers."""
    chosen = env.get(HOME_VARIABLE)
    root = Path(chosen).expanduser().absolute() if chosen else platformdirs.user_data_path("cybs3", appauthor=False)
    return root / "server"


@dataclass(frozen=True, slots=True)
class Named:
    """One named server: what lies where."""

    name: str
    root: Path

    @property
    def default_data(self) -> Path:
        """Where the data is unless a setting says otherwise."""
        return self.root / "data"

    @property
    def config_file(self) -> Path:
        """The settings of this server, TOML."""
        return self.root / "config.toml"

    @property
    def log_file(self) -> Path:
        """The log, unless a setting says otherwise."""
        return self.root / "server.log"

    @property
    def _memory(self) -> Path:
        return self.root / "started.json"

    def remember(self, data: Path, arguments: Sequence[str], pid: int | None = None) -> None:
        """Write down what the server was started with, for the commands that come later; `pid` once it is ready.

        LocalError.
        """
        plain = {"data": str(data), "arguments": list(arguments), "pid": pid}
        try:
            put_whole(SYSTEM, self._memory, json.dumps(plain).encode(), replace=True)
        except OSError as error:
            raise local(f"cannot write {str(self._memory)!r}", error) from error

    def remembered(self) -> tuple[Path, list[str]]:
        """Return the data directory and the arguments of the last start."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            plain: dict[str, Any] = json.loads(self._memory.read_text(encoding="utf-8"))
            return Path(plain["data"]), [str(argument) for argument in plain["arguments"]]
        return self.default_data, []

    def started(self, instance: Instance) -> bool:
        """Tell whether this name's last start is the running server `instance`."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            return bool(json.loads(self._memory.read_text(encoding="utf-8"))["pid"] == instance.pid)
        return False

    def lock(self) -> FileLock:
        """Return the lock that starting and stopping take turns with. OSError."""
        ensure_directory(SYSTEM, self.root)
        return FileLock(self.root / "control.lock", timeout=_OTHER_START_S, mode=0o600, thread_local=False)


def start(
    named: Named,
    data: Path,
    arguments: Sequence[str],
    prepare: Callable[[], None],
    *,
    env: Mapping[str, str] | None = None,
    patience_s: float = _START_S,
) -> tuple[Instance, bool]:
    """Start the server unless it runs; return it, ready, and whether it was started now.

    Of several starts at once one starts and all return the same server. `prepare` runs just before the process does.
    `arguments` go to `swifts3 serve`. StartFailedError, BusyError, LocalError.
    """
    with _turn(named):
        place = DataDirectory.at(data)
        if place.locked():
            return _wait_for_other(place, patience_s), False
        prepare()
        named.remember(place.root, arguments)
        instance = _launch(named, place, arguments, env, patience_s)
        named.remember(place.root, arguments, instance.pid)
        return instance, True


def ensure_asked_for(named: Named, instance: Instance, asked: Mapping[str, tuple[str, int]]) -> None:
    """Raise OtherServerError when the running server on the data directory is not the one that a start asked for.

    It is another one when it was started under another name, or not by this command at all while the name stands for
    another directory; or when it does not listen where `asked` says ("listen", "admin"; port 0 stands for any).
    """
    others = [Named(folder.name, folder) for folder in named.root.parent.glob("*") if folder != named.root]
    other = next((each.name for each in others if each.started(instance)), None)
    where = f"{instance.endpoint} (admin {instance.admin_url}, pid {instance.pid})"
    if not named.started(instance) and (
        other is not None or named.remembered()[0].resolve() != Path(instance.data).resolve()
    ):
        who = "a server that was started otherwise" if other is None else f"the server {other!r}"
        raise OtherServerError(
            f"{who} works on the data directory {instance.data!r} already: {where}",
            hint=f"give {named.name!r} a directory of its own with --data, or stop that one first",
        )
    bound = {"listen": instance.listen, "admin": instance.admin}
    if any(not _listens(bound[port], address) for port, address in asked.items()):
        raise OtherServerError(
            f"the server {named.name!r} runs already, at other addresses than asked for: {where}",
            hint=f"cybs3 server restart --name {named.name} moves it",
        )


def stop(named: Named, timeout_s: float) -> Ending:
    """Let the server finish what is under way and end; after `timeout_s` make it end. StopFailedError, BusyError."""
    with _turn(named):
        place = DataDirectory.at(named.remembered()[0])
        if not place.locked():
            return "not running"
        instance = discovery.find(place.root)
        if instance is None:
            raise StopFailedError(
                f"the server {named.name!r} holds its data directory but does not say where it listens",
                hint="it may still be starting or ending; try again in a moment",
            )
        return _end(place, instance, timeout_s)


def status(named: Named) -> Status:
    """Return whether the server runs and is ready."""
    place = DataDirectory.at(named.remembered()[0])
    try:
        locked = place.locked()
    except CybousError as error:
        return Status("unknown", reasons=(error.message,))
    if not locked:
        left = ("it did not end in order: its state file is left over",) if place.server_file.exists() else ()
        return Status("stopped", reasons=left)
    instance = discovery.find(place.root)
    if instance is None:
        return Status("unknown", reasons=("it holds its data directory but does not say where it listens",))
    code, body = ask(instance, "GET", "/-/ready")
    if code is None:
        return Status("unknown", instance, reasons=("its admin port does not answer",))
    with suppress(ValueError, KeyError, TypeError):
        return Status("running", instance, code == http.client.OK, tuple(json.loads(body)["reasons"]))
    return Status("unknown", instance, reasons=("its admin port is somebody else's",))


def ask(instance: Instance, method: str, path: str, timeout_s: float = _ANSWER_S) -> tuple[int | None, bytes]:
    """Ask the server's admin port, with the token; (None, b"") when nobody answers."""
    host, port = instance.admin_url.removeprefix("http://").rsplit(":", 1)
    connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=timeout_s)
    try:
        connection.request(method, path, headers={"Authorization": f"Bearer {instance.token}"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return None, b""
    finally:
        connection.close()


def tail(path: Path, count: int) -> list[str]:
    """Return the last `count` lines of a log; none if there is no such file."""
    block = 64 * 1024 + count * 512
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - block))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    return lines[-count:] if count else []


def detached(platform: str = sys.platform) -> dict[str, Any]:
    """Return what `Popen` needs so that the child outlives this process and its terminal."""
    if platform == "win32":
        # CREATE_NO_WINDOW | DETACHED_PROCESS exclude each other in Windows' own words; the group keeps Ctrl-C away.
        return {"creationflags": 0x08000000 | 0x00000200}
    return {"start_new_session": True}


class _turn:  # noqa: N801 - reads as a verb: `with _turn(named)`
    """Wait for one's turn with a named server. BusyError."""

    def __init__(self, named: Named) -> None:
        self._named = named

    def __enter__(self) -> None:
        try:
            self._lock = self._named.lock()
            self._lock.acquire(poll_interval=_POLL_S)
        except Timeout:
            raise BusyError(f"another command works on the server {self._named.name!r}") from None
        except OSError as error:
            raise local(f"cannot use {str(self._named.root)!r}", error) from error

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _listens(bound: tuple[str, int], asked: tuple[str, int]) -> bool:
    host, port = asked
    if port not in {0, bound[1]}:
        return False
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        return False  # a name that stands for nothing is not where it listens
    return bound[0] in {each[4][0] for each in found}


def _wait_for_other(place: DataDirectory, patience_s: float) -> Instance:
    """Return the server that holds the data, once it says where it is."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        instance = discovery.find(place.root)
        if instance is not None and ask(instance, "GET", "/-/live")[0] == http.client.OK:
            return instance
        time.sleep(_POLL_S)
    raise StartError(f"a server holds the data directory {str(place.root)!r}, but does not answer")


def _launch(
    named: Named, place: DataDirectory, arguments: Sequence[str], env: Mapping[str, str] | None, patience_s: float
) -> Instance:
    command = [sys.executable, "-m", "cybous3.cli.swifts3", "serve", *arguments]
    try:
        handle = os.open(named.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise local(f"cannot write the log file {str(named.log_file)!r}", error) from error
    began = named.log_file.stat().st_size
    with os.fdopen(handle, "ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, cwd=named.root, **detached()
        )
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        code = process.poll()
        if code is not None:
            raise StartFailedError(f"the server {named.name!r} did not start", _since(named.log_file, began), code)
        instance = discovery.find(place.root)
        if instance is not None and ask(instance, "GET", "/-/ready")[0] == http.client.OK:
            return instance
        time.sleep(_POLL_S)
    process.kill()
    process.wait()
    message = f"the server {named.name!r} was not ready within {patience_s:g} s and was ended"
    raise StartFailedError(message, _since(named.log_file, began))


def _since(log: Path, began: int) -> list[str]:
    """Return the last lines of the log since it was `began` bytes long, or of all of it if it was rotated."""
    with suppress(OSError), log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(began if size >= began else 0)
        return file.read().decode("utf-8", "replace").splitlines()[-TAIL_LINES:]
    return []


def _end(place: DataDirectory, instance: Instance, timeout_s: float) -> Ending:
    process = _process(instance)
    ending = _ended(place, instance, process, timeout_s)
    if process is not None:  # it has let go of its data; whoever looks for it now should not find it any more
        with suppress(psutil.TimeoutExpired):
            process.wait(_TERMINATE_S)
    return ending


def _ended(place: DataDirectory, instance: Instance, process: psutil.Process | None, timeout_s: float) -> Ending:
    ask(instance, "POST", "/-/drain", max(0.5, min(timeout_s, _ANSWER_S)))
    if _released(place, timeout_s):
        return "drained"
    if process is not None:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
        if _released(place, _TERMINATE_S):
            return "terminated"
        with suppress(psutil.NoSuchProcess):
            process.kill()
        if _released(place, _TERMINATE_S):
            return "killed"
    raise StopFailedError(f"the server on {str(place.root)!r} does not end", hint=f"its process is {instance.pid}")


def _released(place: DataDirectory, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while place.locked():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _process(instance: Instance) -> psutil.Process | None:
    """Return the server's process, and never another one that was given its number since."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(instance.pid)
        if abs(process.create_time() - instance.create_time) < 1.0:
            return process
    return None

"""Faults of the disk: full, slow, failing. A full one really is full; slow and failing are done to the system calls.

Calls are intercepted by `strace`, attached to the running server: each named call is delayed, or answered with an
error in the kernel's place. It reaches what names its file by descriptor and offset or syncs it (`pwrite64`, `pread64`,
`fdatasync`, `fsync`, `link`, `rename`); plain `write`, which sockets share, is left alone.
"""

import errno
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cybous3.lab.chaos import units
from cybous3.lab.chaos.description import Description, Parameter
from cybous3.lab.chaos.errors import CannotInject
from cybous3.lab.chaos.faults.port import Fault
from cybous3.lab.chaos.powercut.programs import find_program, how_to_get
from cybous3.lab.chaos.scenario import Injection
from cybous3.lab.chaos.site import Site, may_mount

CALLS: Final = {
    "syncs": ("fsync", "fdatasync"),
    "writes": ("pwrite64", "link", "linkat", "rename", "renameat", "renameat2"),
    "reads": ("pread64",),
}
_ATTACH_S_MAX: Final = 10.0
_POLL_S: Final = 0.01
_BLOCK: Final = 1024 * 1024
_LAST_BLOCK: Final = 512
_TENTH: Final = Parameter(units.whole(1, 1_000_000), 1, "every how many calls; 1 is every one")


@contextmanager
def full(site: Site, injection: Injection, chance: random.Random) -> Iterator[str]:
    """Fill the server's own small file system, but for `leave` bytes, and empty it again."""
    del chance  # a full disk is full
    if site.disk is None:
        raise CannotInject("the server's data lies on a disk that others use")
    filler = site.disk / "filler"
    try:
        size = _fill(filler, int(injection.settings["leave"]))
        yield f"disk: filled with {size} bytes"
    finally:
        filler.unlink(missing_ok=True)


def _fill(path: Path, leave: int) -> int:
    """Write until nothing fits any more, block by smaller block; then give `leave` bytes back. Returns the size."""
    block = _BLOCK
    with path.open("wb", buffering=0) as file:
        while block >= _LAST_BLOCK:
            try:
                file.write(bytes(block))
            except OSError as error:
                if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                    raise
                block //= 2
        size = max(0, file.tell() - leave)
        file.truncate(size)
    return size


@contextmanager
def slow(site: Site, injection: Injection, chance: random.Random) -> Iterator[str]:
    """Delay calls."""
    del chance  # every so many calls, counted
    microseconds = round(injection.settings["delay"] * 1e6)
    with _intercepted(site, injection, f"delay_enter={microseconds}"):
        yield f"disk: {injection.settings['calls']} take {injection.settings['delay']:g} s longer"


@contextmanager
def failing(site: Site, injection: Injection, chance: random.Random) -> Iterator[str]:
    """Answer calls with an error."""
    del chance  # every so many calls, counted
    with _intercepted(site, injection, f"error={injection.settings['error']}"):
        yield f"disk: {injection.settings['calls']} answer {injection.settings['error']}"


@contextmanager
def _intercepted(site: Site, injection: Injection, what: str) -> Iterator[None]:
    strace = find_program("strace")
    if strace is None:
        raise CannotInject("strace is not here", hint=how_to_get("strace"))
    calls = ",".join(f"?{name}" for name in CALLS[injection.settings["calls"]])  # "?": not on every kind of machine
    every = injection.settings["every_nth"]
    pids = site.own.pids("server")
    command = [strace.path, "-f", "-qq", "-o", os.devnull, "-e", f"trace={calls}"]
    command += ["-e", f"inject={calls}:{what}:when=1+{every}", *(part for pid in pids for part in ("-p", str(pid)))]
    process = subprocess.Popen(  # noqa: S603  # a program of a fixed name, on processes of our own
        command,
        env={**os.environ, **strace.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _attached(process, pids)
        yield
    finally:
        _detach(process)


def _attached(process: "subprocess.Popen[bytes]", pids: Sequence[int]) -> None:
    """Wait until every thread is traced. Raises CannotInject when tracing is not permitted here."""
    deadline = time.monotonic() + _ATTACH_S_MAX
    while not all(_traced(pid) for pid in pids):
        if process.poll() is not None:
            said = process.stderr.read() if process.stderr is not None else b""
            raise CannotInject(f"strace cannot attach to the server: {said.decode('utf-8', 'replace').strip()}")
        if time.monotonic() > deadline:
            raise CannotInject(f"strace did not attach to the server within {_ATTACH_S_MAX:g} s")
        time.sleep(_POLL_S)


def _traced(pid: int) -> bool:
    """Tell whether all threads of a process have a tracer; one that is gone needs none."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return all("TracerPid:\t0\n" not in (one / "status").read_text() for one in threads)
    except (FileNotFoundError, ProcessLookupError):
        return True


def _detach(process: "subprocess.Popen[bytes]") -> None:
    """Let go of the server: strace does so when it is interrupted, and the kernel does when strace is killed."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(_ATTACH_S_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stderr is not None:
        process.stderr.close()


def _no_strace() -> str:
    return "" if find_program("strace") else f"strace is not here ({how_to_get('strace')})"


def _no_mount() -> str:
    return "" if may_mount() else "mounting a small file system is not permitted"


def _calls(default: str) -> dict[str, Parameter]:
    allowed = ", ".join(CALLS)
    return {"calls": Parameter(units.word(*CALLS), default, f"which: {allowed}"), "every_nth": _TENTH}


_ERROR: Final = Parameter(units.word("EIO", "ENOSPC", "EDQUOT", "EROFS"), "EIO", "EIO, ENOSPC, EDQUOT or EROFS")
FAULTS: Final = (
    Fault(
        Description(
            "disk.full",
            "Fill the disk of the server's data.",
            ("disk",),
            parameters={"leave": Parameter(units.size, "0B", "how much stays free")},
        ),
        full,
        _no_mount,
        "a small tmpfs, filled",
    ),
    Fault(
        Description(
            "disk.slow",
            "Make calls to the disk slower.",
            ("disk",),
            parameters={**_calls("syncs"), "delay": Parameter(units.span, "50ms", "by how much each")},
        ),
        slow,
        _no_strace,
        "strace, attached",
    ),
    Fault(
        Description(
            "disk.error", "Let calls to the disk fail.", ("disk",), parameters={**_calls("writes"), "error": _ERROR}
        ),
        failing,
        _no_strace,
        "strace, attached",
    ),
    Fault(
        Description("disk.fsync_error", "Let syncs fail.", ("disk",), parameters={**_calls("syncs"), "error": _ERROR}),
        failing,
        _no_strace,
        "strace, attached",
    ),
)

"""System calls of the real server, unchanged and without taps, as `strace` sees them from outside.

`strace -f -y` writes one line for each call with what its descriptor is. Calls belong to the operation between whose
two moments they began: the server is at rest at both. What is exact is what the work decides: every call on a file or
a path, and how often a small answer is sent. What timing decides is shown and never gates: waiting (epoll, futex),
waking threads (eventfd, pipes, the socket pair of a loop), memory from the system, clocks.
"""

import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from cybous3.core.sigv4.credentials import Credentials
from cybous3.lab.bench.counters.measure import WARM, Cost, condense
from cybous3.lab.bench.counters.scenarios import SERVER, ServerScenario
from cybous3.lab.bench.counters.subject import PlainServer

KERNEL_REPEATS: Final = 3
TIMING: Final = (
    *("futex", "epoll_wait", "epoll_pwait", "epoll_ctl", "epoll_pwait2", "poll", "ppoll", "select", "restart_syscall"),
    *("sched_yield", "nanosleep", "clock_nanosleep", "clock_gettime", "gettimeofday", "times", "getrusage"),
    *("mmap", "munmap", "mremap", "madvise", "brk", "mprotect"),
    *("clone", "clone3", "rseq", "set_robust_list", "exit", "gettid", "getpid", "rt_sigprocmask", "sigaltstack"),
    *("statfs", "fstatfs", "getrandom"),
)
"""System calls whose number depends on scheduling, on the state of the allocator, or on the clock."""

LOOSE: Final = ("timing.", "bytes.", "kernel.pread", "kernel.pwrite")
"""SQLite reads and writes pages: how many depends on how full they are, and so on random ids."""

_LINE: Final = re.compile(
    r"^(?P<thread>\d+) +(?P<time>\d+\.\d+) (?P<name>\w+)\((?:-?\w+<(?P<target>(?:[^<>]|<[^>]*>)*)>)?"
)
_RESULT: Final = re.compile(r"\)\s+= (?P<result>\d+)")
_WAKING: Final = ("anon_inode:", "pipe:", "UNIX")
_BYTES: Final = re.compile(r"^(p?readv?2?|pread64|recv\w*|p?writev?2?|pwrite64|send\w+)$")
# The same call has several names on several machines.
_ALIASES: Final = {
    **dict.fromkeys(("newfstatat", "fstatat64", "statx", "lstat", "stat64"), "stat"),
    "linkat": "link",
    "unlinkat": "unlink",
    "renameat": "rename",
    "renameat2": "rename",
    "mkdirat": "mkdir",
    "openat": "open",
    "pread64": "pread",
    "pwrite64": "pwrite",
    "preadv2": "preadv",
    "pwritev2": "pwritev",
    "accept": "accept4",
    "fcntl64": "fcntl",
    "sendfile64": "sendfile",
    "ftruncate64": "ftruncate",
}

Event = tuple[float, str, int]
"""When a call began, its counter, and what it returned."""


def unavailable() -> str:
    """Return why system calls cannot be counted here; "" when they can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)  # noqa: S607  # the user's own
    return tried.stderr.strip().splitlines()[-1] if tried.returncode else ""


def parse(lines: Iterable[str]) -> list[Event]:
    """Return the calls that `strace -f -ttt -y` wrote down, also those that it had to write in two parts."""
    events: list[Event] = []
    unfinished: dict[str, int] = {}  # by thread: where in `events` it waits for its result
    for line in lines:
        found, result = _LINE.match(line), _RESULT.search(line)
        value = int(result["result"]) if result else 0
        if found is None:
            begun = unfinished.pop(line.partition(" ")[0], None) if " resumed>" in line else None
            if begun is not None:
                events[begun] = (*events[begun][:2], value)
            continue
        if line.rstrip().endswith("<unfinished ...>"):
            unfinished[found["thread"]] = len(events)
        events.append((float(found["time"]), _counter(found["name"], found["target"] or ""), value))
    return events


def _counter(name: str, target: str) -> str:
    short = _ALIASES.get(name, name)
    if name in TIMING:
        return f"timing.{short}"
    if target.startswith(_WAKING):
        return f"timing.{short} (waking)"
    if target.startswith(("socket:", "TCP")):
        return f"kernel.{short} (socket)"
    return f"kernel.{short}"


def between(events: Sequence[Event], begin: float, end: float) -> dict[str, int]:
    """Return the counts of what began from `begin` to `end`, and the bytes that crossed into or out of the kernel."""
    counts: dict[str, int] = {}
    for when, counter, result in events:
        if begin <= when <= end:
            counts[counter] = counts.get(counter, 0) + 1
            call = counter.removeprefix("kernel.").removesuffix(" (socket)")
            if counter.startswith("kernel.") and _BYTES.match(call):
                way = "read" if call.startswith(("read", "pread", "recv")) else "written"
                name = f"bytes.{way}{' (socket)' if counter.endswith('(socket)') else ''}"
                counts[name] = counts.get(name, 0) + result
    return counts


def measure_kernel(
    folder: Path, root: Credentials, scenarios: Sequence[ServerScenario] = SERVER, repeats: int = KERNEL_REPEATS
) -> dict[str, Cost]:
    """Count the system calls of each scenario. `folder` and `root` are of a server that was filled."""
    output = folder / "strace.txt"
    windows: dict[str, list[tuple[float, float]]] = {}
    tracer = ["strace", "-f", "-qq", "-ttt", "-y", "-s", "0", "-o", str(output)]
    with PlainServer(folder, root, tracer) as subject:
        for scenario in scenarios:
            windows[scenario.name] = _windows(subject, scenario, repeats)
    with output.open(encoding="utf-8", errors="replace") as lines:
        events = parse(lines)
    return {
        one.name: condense([between(events, *window) for window in windows[one.name]], _loose(one)) for one in scenarios
    }


def _loose(scenario: ServerScenario) -> tuple[str, ...]:
    return (*LOOSE, *scenario.loose, *(() if scenario.settled else ("kernel.fcntl",)))


def _windows(subject: PlainServer, scenario: ServerScenario, repeats: int) -> list[tuple[float, float]]:
    windows = []
    with subject.caller() as caller:
        for number in range(500, 500 + WARM + repeats):
            scenario.before(caller, number)
            subject.rest()
            begin = time.time()
            scenario.act(caller, number)
            subject.rest()
            windows.append((begin, time.time()))
    return windows[WARM:]

"""Faults of processes: killed, told to end, restarted, paused, short of descriptors. The real ones, by real signals."""

import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

import psutil

from cybous3.lab.chaos import units
from cybous3.lab.chaos.description import Description, Parameter
from cybous3.lab.chaos.errors import CannotInject
from cybous3.lab.chaos.faults.port import Fault
from cybous3.lab.chaos.scenario import Injection
from cybous3.lab.chaos.site import Site

_ON: Final = ("worker", "server", "supervisor", "client")
_ROLLING_S_MAX: Final = 20.0
_WHOLE_S_MAX: Final = 15.0
_POLL_S: Final = 0.02
_WHICH: Final = {"which": Parameter(units.word("one", "all"), "one", "one process of that kind, drawn, or all of them")}


def _victims(site: Site, injection: Injection, chance: random.Random) -> list[int]:
    """Return whom the fault hits. Raises CannotInject when nobody is there.

    A server that comes back from another fault is waited for: to end a worker that starts is to end a start.
    """
    if injection.on != "client":
        site.own.wait_whole(_WHOLE_S_MAX)
    pids = (
        [p.pid for p in site.clients if p.poll() is None] if injection.on == "client" else site.own.pids(injection.on)
    )
    if not pids:
        raise CannotInject(f"no {injection.on} is running")
    some = injection.on in {"worker", "client"} and injection.settings.get("which", "one") == "one"
    return [chance.choice(pids)] if some else pids


def _told(pids: Sequence[int], what: str, on: str) -> str:
    return f"{on} {', '.join(map(str, pids))}: {what}"


@contextmanager
def kill(site: Site, injection: Injection, chance: random.Random) -> Iterator[str]:
    """Kill; the end of the fault starts again what does not come back by itself."""
    pids = _victims(site, injection, chance)
    _signal(pids, signal.SIGKILL)
    try:
        yield _told(pids, "killed", injection.on)
    finally:
        _bring_back(site, injection)


@contextmanager
def terminate(site: Site, injection: Injection, chance: random.Random) -> Iterator[str]:
    """Ask to end; the end of the fault starts again what does not come back by itself."""
    pids = _victims(site, injection, chance)
    _signal(pids, signal.SIGTERM)
    try:
        yield _told(pids, "told to end", injection.on)
    finally:
        _bring_back(site, injection)


@contextmanager
def restart(site: Site, injection: Injection, chance: random.Random) -> Iterator[str]:
    """Restart in an orderly way: the whole server, or worker after worker, each when the one before is back."""
    del chance  # everybody's turn comes
    if injection.on == "worker":
        site.own.wait_whole(_WHOLE_S_MAX)
        pids = site.own.pids("worker")
        if site.own.workers == 1:
            raise CannotInject("a server of one process has no workers to restart one by one")
        for pid in pids:
            _signal([pid], signal.SIGTERM)
            _replaced(site, pid, len(pids))
        yield _told(pids, "restarted one after the other", "worker")
        return
    code = site.own.terminate()
    try:
        yield f"server: ended with {code} and started again"
    finally:
        _bring_back(site, injection)


@contextmanager
def pause(site: Site, injection: Injection, chance: random.Random) -> Iterator[str]:
    """Stop from running; connections stay open and nothing answers."""
    pids = _victims(site, injection, chance)
    _signal(pids, signal.SIGSTOP)
    try:
        yield _told(pids, "paused", injection.on)
    finally:
        _signal(pids, signal.SIGCONT)


@contextmanager
def descriptors(site: Site, injection: Injection, chance: random.Random) -> Iterator[str]:
    """Lower how many files and connections may be open, and raise it to what it was."""
    import resource  # noqa: PLC0415  # not everywhere; what this machine lacks is asked first

    pids = _victims(site, injection, chance)
    limit = int(injection.settings["limit"])
    before: dict[int, tuple[int, int]] = {}
    try:
        for pid in pids:
            before[pid] = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, before[pid][1]))
        yield _told(pids, f"at most {limit} descriptors", injection.on)
    finally:
        for pid, old in before.items():
            with suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_NOFILE, old)


def _signal(pids: Sequence[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _bring_back(site: Site, injection: Injection) -> None:
    """Start a server that was ended again. Workers are their supervisor's to replace; a client is nobody's."""
    if injection.on == "client":
        return
    if injection.on in {"server", "supervisor"} or site.own.workers == 1:
        site.own.wait_gone()
        site.own.revive()


def _replaced(site: Site, pid: int, count: int) -> None:
    """Wait until a worker is gone and as many are there as before. Raises CannotInject when that never comes."""
    deadline = time.monotonic() + _ROLLING_S_MAX
    while psutil.pid_exists(pid) or len(site.own.pids("worker")) < count or not site.own.ready():
        if time.monotonic() > deadline:
            raise CannotInject(f"worker {pid} was told to end and no other took its place")
        time.sleep(_POLL_S)


def _no_signals() -> str:
    return "" if hasattr(signal, "SIGSTOP") else "this system cannot stop and continue processes"


def _no_limits() -> str:
    return "" if sys.platform == "linux" else "only Linux changes the limits of a running process"


def _described(name: str, summary: str, *, lasts: bool, on: tuple[str, ...] = _ON) -> Description:
    return Description(name, summary, on, lasts=lasts, parameters=_WHICH)


FAULTS: Final = (
    Fault(_described("process.kill", "Kill a process (SIGKILL).", lasts=False), kill, how="signals"),
    Fault(_described("process.terminate", "Ask a process to end.", lasts=False), terminate, how="signals"),
    Fault(
        Description("process.restart", "Restart in an orderly way.", ("worker", "server"), lasts=False),
        restart,
        how="signals",
    ),
    Fault(
        _described("process.pause", "Stop a process and let it go on later.", lasts=True), pause, _no_signals, "signals"
    ),
    Fault(
        Description(
            "process.descriptors",
            "Limit how many files and connections a process may have open.",
            ("worker", "server", "supervisor"),
            parameters={**_WHICH, "limit": Parameter(units.whole(0, 1_000_000), None, "how many descriptors")},
        ),
        descriptors,
        _no_limits,
        "prlimit",
    ),
)

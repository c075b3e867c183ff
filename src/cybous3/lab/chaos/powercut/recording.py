"""A recording: what a server did to its folder while clients were acknowledged, kept so that it can be cut anywhere.

The folder of a recording holds `calls` (strace's log), `history.json` (requests and answers), `base` (the data
directory before) and `about.json`. It can be cut again without the server that made it.
"""

import asyncio
import json
import os
import shutil
import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Final

from cybous3.core.errors import CybousError
from cybous3.lab.bench.rivals.port import Place
from cybous3.lab.bench.rivals.process import answers, free_port, spawn, stop
from cybous3.lab.chaos.powercut import history
from cybous3.lab.chaos.powercut.calls import BadLog, Call, read_calls
from cybous3.lab.chaos.powercut.disk import Disk, Left
from cybous3.lab.chaos.powercut.effects import Event, Tree
from cybous3.lab.chaos.powercut.history import Attempt
from cybous3.lab.chaos.powercut.images import is_kept, take
from cybous3.lab.chaos.powercut.interpret import TRACED, interpret
from cybous3.lab.chaos.powercut.load import Plan, play
from cybous3.lab.chaos.powercut.programs import find_program, how_to_get
from cybous3.lab.chaos.powercut.session import Session
from cybous3.lab.chaos.powercut.targets import KEY, Target

_STRING_BYTES: Final = 32 * 1024 * 1024  # more than any one write: a log that is cut short is refused


class CannotTrace(CybousError):
    """System calls cannot be recorded here."""

    exit_code = 3


@dataclass(frozen=True)
class Recording:
    """Events in the order in which they ended, requests, and what there was before.

    `moments[n]` is the latest time at which a cut may be said to lie before event n: acknowledged is what a client had
    until then.
    """

    base: Tree
    events: Sequence[Event] = field(repr=False)
    attempts: Sequence[Attempt] = field(repr=False)
    moments: Sequence[float] = field(repr=False)
    target: str = ""
    durability: str = "strict"
    marks: tuple[tuple[str, float, float], ...] = ()

    def after(self, moment: float) -> int:
        """Return the first cut whose moment is later: the sharpest one for an answer that came then."""
        return min(bisect_left(self.moments, moment), len(self.events))


def strace(log: Path) -> tuple[list[str], dict[str, str]]:
    """Return the words that stand before a command to record its calls, and its environment. CannotTrace."""
    found = find_program("strace")
    if found is None:
        raise CannotTrace("strace is not on this machine", hint=how_to_get("strace"))
    options = ["-f", "-ttt", "-T", "-y", "-xx", "-s", str(_STRING_BYTES), "--seccomp-bpf", "-e", "signal=none"]
    return [found.path, *options, "-e", f"trace={TRACED}", "-o", str(log)], dict(found.environment)


def unanswered(said: Path) -> CannotTrace:
    """Return why a recorded server did not answer, from what it said: strace may not have been allowed to begin."""
    words = said.read_text("utf-8", "replace").strip()
    first = words.partition("\n")[0]
    if first.startswith("strace: "):
        return CannotTrace(
            f"strace cannot trace here: {first.removeprefix('strace: ')}",
            hint="a container needs the capability SYS_PTRACE, and kernel.yama.ptrace_scope must be below 3",
        )
    return CannotTrace(f"the server did not answer: {words[-300:]}")


class Stage:
    """What a script works with while a server is being recorded. `marks` are spans of time that it gives names to."""

    def __init__(self, target: Target, place: Place) -> None:
        self.target = target
        self.place = place
        self.attempts: list[Attempt] = []
        self.marks: list[tuple[str, float, float]] = []
        self._logs = 0

    async def run(self, *command: str) -> int:
        """Run another program on the same folder, recorded too, and return its exit code. CannotTrace."""
        self._logs += 1
        words, environment = strace(self.place.folder / f"calls-{self._logs}")
        given = {**os.environ, **self.target.launch(self.place).environment, **environment}
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(*words, *command, env=given, stdout=quiet, stderr=quiet)
        return await process.wait()


Script = Callable[[Stage], Awaitable[None]]


def under_load(plan: Plan) -> Script:
    """Return the script that sends a load."""

    async def script(stage: Stage) -> None:
        sessions = [Session(stage.place.port, KEY) for _ in range(plan.connections)]
        try:
            await play(plan, sessions, stage.attempts)
        finally:
            for session in sessions:
                await session.aclose()

    return script


def record(target: Target, script: Script, folder: Path, *, linger_s: float = 0.0) -> Recording:
    """Run the target over `folder / "data"` and a script against it; write and return the recording.

    CannotTrace, Lost; BadLog when the log does not account for every byte that is in the folder in the end.

    `linger_s`: how long it goes on after the load, so that what it does later is recorded too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data, base = folder / "data", folder / "base"
    data.mkdir(mode=0o700, exist_ok=True)
    shutil.copytree(data, base)
    words, environment = strace(folder / "calls")
    place = Place(folder, free_port(), KEY)
    launch = target.launch(place)
    said = folder / "server.log"
    process = spawn([*words, *target.tracing, *launch.command], {**launch.environment, **environment}, said)
    stage = Stage(target, place)
    try:
        if not answers(process, place.port):
            raise unanswered(said)
        asyncio.run(_run(script, stage))
        time.sleep(linger_s)
    finally:
        stop(process)
    (folder / "history.json").write_text(json.dumps(history.dump(stage.attempts)), encoding="utf-8")
    about = {"data": str(data), "target": target.name, "durability": target.durability, "marks": stage.marks}
    (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")
    made = read(folder)
    check_whole(made, data)
    return made


def check_whole(recording: Recording, data: Path) -> None:
    """Compare what the log amounts to with what is there. BadLog names the first difference."""
    disk = Disk(recording.base)
    for event in recording.events:
        disk.apply(event)
    files = {path: content for path, content in disk.image(Left.EVERYTHING, "").files.items() if is_kept(path)}
    there = {str(path.relative_to(data)): path for path in data.rglob("*") if path.is_file() and is_kept(path.name)}
    for path in sorted(files.keys() ^ there.keys()):
        raise BadLog(f"{path} is {'only there' if path in there else 'not there'}: the log does not tell the whole")
    for path, content in files.items():
        if content.read() != there[path].read_bytes():
            raise BadLog(f"{path} has bytes that the log does not tell of")


async def _run(script: Script, stage: Stage) -> None:
    await script(stage)


def read(folder: Path) -> Recording:
    """Return the recording in a folder. BadLog; OSError."""
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    calls: list[Call] = []
    logs = sorted(folder.glob("calls*"))
    for log in logs:
        with log.open(encoding="ascii") as lines:
            calls += read_calls(lines)
    if len(logs) > 1:
        calls.sort(key=lambda call: call.end)
    base = take(folder / "base")
    events = interpret(about["data"].encode(), base, calls, str(folder).encode())
    attempts = history.load(json.loads((folder / "history.json").read_text(encoding="utf-8")))
    marks = tuple((name, begin, end) for name, begin, end in about["marks"])
    return Recording(base, events, attempts, moments(events), about["target"], about["durability"], marks)


def moments(events: Sequence[Event]) -> list[float]:
    """Return for each event, and for the end, until when a cut can be said to lie before it.

    What has not ended by then must not have been done either: so the earliest beginning of all that is to come, and
    for a sync, which promises nothing before it returns, its end.
    """
    limits = [event.end if event.is_sync else event.begin for event in events]
    return [*accumulate(reversed([*limits, float("inf")]), min)][::-1]

"""Making cuts: each image is laid out, a server is started on it, and what it says is held against what was promised.

One pass over the recording serves all cuts of a batch in order. Batches are independent, so they can be shared out to
processes. A scratch folder holds one image at a time.
"""

import logging
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from cybous3.core.errors import CybousError
from cybous3.lab.chaos.powercut.check import NO_START, Finding, look, look_at_files
from cybous3.lab.chaos.powercut.cuts import Cut
from cybous3.lab.chaos.powercut.disk import Disk, Image, Left
from cybous3.lab.chaos.powercut.history import Durability, Expected, expected
from cybous3.lab.chaos.powercut.images import lay_out
from cybous3.lab.chaos.powercut.recording import Recording
from cybous3.lab.chaos.powercut.session import Lost, Session
from cybous3.lab.chaos.powercut.targets import KEY, Opened, Target, opened_here, opened_process
from cybous3.server.app.loop import run

REAL_EVERY = 100
"""Of our own server every so many-th image is opened by the real process instead of this one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one cut came to. `recovery_s`: from the start to the first answer, None where nothing was started."""

    cut: Cut
    findings: tuple[Finding, ...]
    recovery_s: float | None = None
    process: bool = field(default=False)


def images(recording: Recording, cuts: Sequence[Cut]) -> Iterator[tuple[Cut, Image]]:
    """Yield the image of each cut. `cuts` in the order of their places. Pure."""
    if not cuts:
        return
    disk, done = Disk(recording.base, cuts[0].habit), 0
    for cut in cuts:
        for event in recording.events[done : cut.before]:
            disk.apply(event)
        done = max(done, cut.before)
        moment = recording.moments[cut.before]
        under_way = [event for event in recording.events[cut.before : cut.before + 8] if event.begin <= moment]
        yield cut, disk.image(cut.left, cut.seed, under_way)


def make(
    recording: Recording,
    cuts: Sequence[Cut],
    target: Target,
    scratch: Path,
    tell: Callable[[Outcome], bool] | None = None,
) -> list[Outcome]:
    """Make the cuts and return what they came to. `tell` is called after each, and ends the work by returning True."""
    quiet()
    outcomes = []
    folder = Path(tempfile.mkdtemp(prefix="cut-", dir=scratch))
    try:
        for number, (cut, image) in enumerate(images(recording, cuts)):
            process = not target.plain and (not target.full or number % REAL_EVERY == REAL_EVERY // 4)
            outcome = _one(recording, cut, image, target, folder, process=process)
            outcomes.append(outcome)
            if tell is not None and tell(outcome):
                break
    finally:
        shutil.rmtree(folder)
    return outcomes


def quiet() -> None:
    """Keep a server that runs in this process from telling a terminal what it found on a thousand images."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def _one(recording: Recording, cut: Cut, image: Image, target: Target, folder: Path, *, process: bool) -> Outcome:
    # A process that dies takes nothing with it, whatever the mode.
    window = 0.0 if cut.left is Left.EVERYTHING else Durability(target.durability).window_s
    must = expected(recording.attempts, recording.moments[cut.before], window)
    shutil.rmtree(folder / "data.state", ignore_errors=True)  # of a process before
    lay_out(image, folder / "data")
    if target.plain:
        return Outcome(cut, tuple(look_at_files(folder / "data", must)))
    return run(_open(cut, target, folder, must, process=process))


async def _open(cut: Cut, target: Target, folder: Path, must: Expected, *, process: bool) -> Outcome:
    begin = time.monotonic()
    try:
        async with _server(target, folder, process=process) as opened, _session(opened) as session:
            findings = await look(session, must, opened.leftovers, full=target.full)
            return Outcome(cut, tuple(findings), opened.recovery_s, process)
    except (CybousError, OSError, TimeoutError) as error:
        kind = "it stopped answering" if isinstance(error, Lost) else "it does not start"
        finding = Finding(NO_START, "server", f"{kind}: {type(error).__name__}: {error}")
        return Outcome(cut, (finding,), time.monotonic() - begin, process)


@asynccontextmanager
async def _server(target: Target, folder: Path, *, process: bool) -> AsyncIterator[Opened]:
    async with opened_process(target, folder) if process else opened_here(folder) as opened:
        yield opened


@asynccontextmanager
async def _session(opened: Opened) -> AsyncIterator[Session]:
    session = Session(opened.port, KEY)
    try:
        yield session
    finally:
        await session.aclose()

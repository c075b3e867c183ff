"""Cutting what was recorded of a client: the images of its home at each boundary, and what a second run makes of them.

Many boundaries leave the same bytes (between two syncs nothing becomes durable): each different image, with the server
of that moment, is tried once, and what it came to counts for all its cuts. How many there were is told.
"""

import asyncio
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cybous3.client.keys.config import Document, SealedConfig
from cybous3.client.keys.device import Places
from cybous3.client.keys.home import Home
from cybous3.client.keys.kernel import KernelSession
from cybous3.client.keys.login import login_with_words
from cybous3.core.errors import CybousError
from cybous3.lab.bench.rivals.process import free_port
from cybous3.lab.chaos.powercut.check import LOST, NO_START, TORN, UNREADABLE, Finding
from cybous3.lab.chaos.powercut.clients import PRELOAD, PROGRAM, STEPS, Person, Recorded, Recordings, Step, bare
from cybous3.lab.chaos.powercut.clients import record_client as record
from cybous3.lab.chaos.powercut.cuts import Cut, Mode, every
from cybous3.lab.chaos.powercut.disk import Disk, Image, Left
from cybous3.lab.chaos.powercut.effects import ROOT, Tree
from cybous3.lab.chaos.powercut.images import is_kept, lay_out
from cybous3.lab.chaos.powercut.replay import Outcome, quiet
from cybous3.lab.chaos.powercut.targets import Target, opened_here
from cybous3.lab.chaos.powercut.verdict import Verdict, sum_up
from cybous3.lab.chaos.powercut.warm import Warm
from cybous3.server.app.loop import run

_KEYS: Final = ("device-words.sealed", "device-passphrase.sealed", "identity.sealed")


@dataclass(frozen=True)
class Moment:
    """A cut of the home, and the server as it was then."""

    cut: Cut
    home: Image = field(repr=False)
    server: Image = field(repr=False)

    @property
    def print(self) -> bytes:
        """What two moments share if nobody could tell them apart."""
        digest = hashlib.sha256()
        for image in (self.home, self.server):
            digest.update(repr(image.directories).encode())
            for path, content in sorted(image.files.items()):
                if is_kept(path):
                    whole = hashlib.sha256(content.read()).hexdigest()
                    digest.update(f"{path}\0{content.size}\0{whole}\n".encode())
        return digest.digest()


def moments(made: Recordings, recorded: Recorded, cuts: Sequence[Cut]) -> Iterator[Moment]:
    """Yield the moment of each cut. `cuts` in the order of their places. Pure.

    The server has done all that ended before the event that the cut prevents, and loses none of it.
    """
    home, server = Disk(recorded.base), Disk(made.server_base)
    applied = seen = 0
    ends = sorted(made.server_events, key=lambda event: event.end)
    for cut in cuts:
        for event in recorded.events[applied : cut.before]:
            home.apply(event)
        applied = max(applied, cut.before)
        until = recorded.events[cut.before].begin if cut.before < len(recorded.events) else recorded.ended
        while seen < len(ends) and ends[seen].end <= until:
            server.apply(ends[seen])
            seen += 1
        yield Moment(cut, home.image(cut.left, cut.seed), server.image(Left.EVERYTHING, ""))


def cut_step(
    made: Recordings, recorded: Recorded, person: Person, mode: Mode, seed: int, tell: Callable[[str], None]
) -> Verdict:
    """Cut a step at each of its boundaries, and return what was found."""
    step = recorded.step
    cuts = every(range(len(recorded.events) + 1), mode, f"{step.name}/{seed}")
    known: dict[bytes, tuple[Finding, ...]] = {}
    outcomes = []
    for moment in moments(made, recorded, cuts):
        key = moment.print
        if key not in known:
            known[key] = tuple(_try(person, recorded, moment))
        outcomes.append(Outcome(moment.cut, known[key], process=True))
    tell(f"{step.name}: {len(recorded.events) + 1} boundaries, {len(cuts)} cuts, {len(known)} different images tried")
    return sum_up(f"client: {step.name}", outcomes, boundaries=len(recorded.events) + 1)


def _try(person: Person, recorded: Recorded, moment: Moment) -> list[Finding]:
    folder = Path(tempfile.mkdtemp(prefix="client-", dir=person.folder))
    try:
        lay_out(moment.server, folder / "data")
        lay_out(moment.home, folder / "home")
        found = look_at_home(recorded, folder / "home", _words(person))
        return (
            found
            or run(_again(person, recorded.step, folder))
            or look_at_home(recorded, folder / "home", _words(person), again=True)
        )
    finally:
        shutil.rmtree(folder)


async def _again(person: Person, step: Step, folder: Path) -> list[Finding]:
    """Run the step again as a person would, fetch what was stored, and look."""
    async with opened_here(folder, person.port):
        return await asyncio.to_thread(_run_again, person, step, folder / "home")


def _run_again(person: Person, step: Step, home: Path) -> list[Finding]:
    code, said = person.run(step.again or step.words, home)
    if code not in step.ends:
        return [Finding(NO_START, step.name, f"the second run ended with {code}: {said}")]
    for name in step.brings:
        if wrong := person.back(name, home):
            return [Finding(UNREADABLE if "fetched" in wrong else TORN, name, wrong)]
    if step.look:
        code, said = person.run(step.look, home)
        if code:
            return [Finding(UNREADABLE, step.name, f"{' '.join(step.look)} ended with {code}: {said}")]
    return []


def look_at_home(recorded: Recorded, home: Path, words: str, *, again: bool = False) -> list[Finding]:
    """Compare keys and profiles of a home with those before and after the step that was cut.

    A key's file is the one of before or of after, byte for byte; what is there opens by the words; no vault that was
    known is forgotten. `again`: the step was run again, so nothing may be missing.
    """
    before, after = _keys(recorded.base), _keys(recorded.after)
    found = []
    for name in _KEYS:
        path = home / name
        now = path.read_bytes() if path.is_file() else None
        if now is None and before[name] is not None:
            found.append(Finding(LOST, name, "it is gone"))
        elif now is not None and now not in {before[name], after[name]} and not (again and recorded.step.fresh):
            found.append(Finding(TORN, name, "it is neither the one of before nor the one of after"))
    if found or not ((home / _KEYS[0]).is_file() or again):
        return found
    return _opens(recorded, home, words)


def _opens(recorded: Recorded, home: Path, words: str) -> list[Finding]:
    try:
        now = _profiles(home, words)
    except CybousError as error:
        return [Finding(UNREADABLE, "home", f"it does not open by its words: {error.message}")]
    with tempfile.TemporaryDirectory() as scratch:
        earlier = Path(scratch) / "home"
        lay_out(Disk(recorded.base).image(Left.EVERYTHING, ""), earlier)
        known = {} if recorded.step.fresh else _profiles(earlier, words)
    return [
        Finding(LOST, f"vault {name}", "its profile is gone or another")
        for name, profile in known.items()
        if now.get(name) != profile
    ]


def _profiles(home: Path, words: str) -> Document:
    places = Places(Home(home), KernelSession("", None), keyring_allowed=False)
    document = SealedConfig(login_with_words(places, words)).read()
    profiles: Document = document.get("vaults", {})
    return profiles


def _keys(tree: Tree) -> dict[str, bytes | None]:
    names = tree.directories[ROOT]
    return {name: tree.files[names[name]] if name in names else None for name in _KEYS}


def _words(person: Person) -> str:
    return (person.folder / "words").read_text(encoding="utf-8").strip()


def client_verdicts(
    target: Target,
    mode: Mode,
    seed: int,
    folder: Path,
    tell: Callable[[str], None] = lambda _: None,
    steps: Sequence[Step] = STEPS,
    program: str = PROGRAM,
) -> list[Verdict]:
    """Cut every operation of the client that keeps something; a verdict for each. `program` is the client's module.

    CannotTrace, CannotPrepare, BadLog.
    """
    quiet()
    mine = folder / "client"
    mine.mkdir()
    with Warm(program, PRELOAD, bare()) as warm:
        person = Person(mine, free_port(), warm, program)
        tell("recording every operation of the client ...")
        made = record(target, person, steps)
        return [cut_step(made, recorded, person, mode, seed, tell) for recorded in made.steps]

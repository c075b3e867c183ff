"""The client's machine loses its power: what the client did to its home is recorded and cut as a server's folder is.

Every step runs once, under strace, beside a server that is recorded too. At each boundary of the step a cut is made of
CYBS3_HOME alone; the server is what its own log says of that moment, since it lives on. On that the step is run again
and must end well, what was stored before must come back identical, and the home must open as before: by the words,
and by the passphrase's file, which is there whole or not at all.
"""

import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cybous3.core.errors import CybousError
from cybous3.lab.bench.rivals.port import Place
from cybous3.lab.bench.rivals.process import answers, spawn, stop
from cybous3.lab.chaos.powercut.calls import read_calls
from cybous3.lab.chaos.powercut.effects import Event, Tree
from cybous3.lab.chaos.powercut.images import take
from cybous3.lab.chaos.powercut.interpret import interpret
from cybous3.lab.chaos.powercut.recording import Recording, check_whole, moments, strace, unanswered
from cybous3.lab.chaos.powercut.targets import KEY, Target
from cybous3.lab.chaos.powercut.warm import Warm

PROGRAM: Final = "cybous3.cli.cybs3"
# What the commands below import, so that each run need not.
PRELOAD: Final = tuple(
    f"cybous3.{name}"
    for name in ("cli.shell", "cli.login", "cli.vaults", "cli.keys", "cli.folders", "client.stores.connect")
)
_PASSPHRASE: Final = "a passphrase of no one"  # noqa: S105  # for homes that are thrown away
_SECRETS: Final = {"CYBS3_MNEMONIC_FILE": "words"}
_RUN_S_MAX: Final = 120.0


class CannotPrepare(CybousError):
    """The client's own steps failed, so nothing could be cut."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Step:
    """One operation: what is run and cut, and what is run on each image (`again`: default the same) with its ends.

    `brings`: the trees in the vault that must come back identical after that; `look`: a command that must end well.
    """

    name: str
    words: tuple[str, ...]
    again: tuple[str, ...] = ()
    ends: tuple[int, ...] = (0,)
    brings: tuple[str, ...] = ("before",)
    look: tuple[str, ...] = ()
    fresh: bool = False  # it begins in an empty home, and nothing was stored before


STEPS: Final = (
    Step(
        "login",
        ("login", "--mnemonic-file", "{words}", "--passphrase-file", "{passphrase}"),
        again=("login", "--mnemonic-file", "{words}"),  # a passphrase costs two seconds, by design
        brings=(),
        fresh=True,
    ),
    Step(
        "vault save",
        ("vaults", "add", "second", "--prefix", "second/", "--no-select", "{endpoint}"),
        ends=(0, 22),  # it may be there already
        look=("vaults", "status", "second"),
    ),
    Step("key rotation", ("keys", "rotate"), look=("vaults", "status", "main")),
    Step("master rotation", ("keys", "rotate", "--master"), look=("vaults", "status", "main")),
    Step("folder put", ("folders", "put", "{tree}", "again", "--workers", "1"), brings=("before", "again")),
)


@dataclass(frozen=True)
class Person:
    """Somebody with words, a passphrase, a vault and a tree in it, below one folder; `warm` runs the commands."""

    folder: Path
    port: int
    warm: Warm
    program: str = PROGRAM

    @property
    def tree(self) -> Path:
        """What is stored."""
        return self.folder / "tree"

    def environment(self, home: Path) -> dict[str, str]:
        """Return what a command is given: nothing of whoever runs this, and no keyring: a cut empties the kernel's."""
        secrets = {name: str(self.folder / file) for name, file in _SECRETS.items()}
        return {**bare(), "HOME": str(self.folder), "CYBS3_HOME": str(home), "CYBS3_KEYRING": "off", **secrets}

    def fill(self, words: Sequence[str]) -> list[str]:
        """Return the arguments of a command."""
        endpoint = ("--endpoint", f"http://127.0.0.1:{self.port}", "--bucket", "cuts", "--create-bucket")
        access = ("--access-key", KEY.access_key, "--secret-key-file", str(self.folder / "secret"))
        paths = {f"{{{name}}}": (str(self.folder / name),) for name in ("words", "passphrase", "tree")}
        texts = {**paths, "{endpoint}": (*endpoint, *access)}
        return [text for word in words for text in texts.get(word, (word,))]

    def run(self, words: Sequence[str], home: Path) -> tuple[int, str]:
        """Run a command over a home; return its exit code and its last words."""
        return self.warm.run(self.fill(words), self.environment(home))

    def must(self, words: Sequence[str], home: Path) -> None:
        """Run a command that is no part of what is cut. CannotPrepare."""
        code, said = self.run(words, home)
        if code:
            raise CannotPrepare(f"cybs3 {' '.join(words[:2])} ended with {code}: {said}")

    def back(self, name: str, home: Path) -> str | None:
        """Fetch a tree; return what is wrong with it."""
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            back = Path(scratch) / "back"
            code, said = self.run(("folders", "get", name, str(back)), home)
            if code:
                return f"it cannot be fetched: {code}: {said}"
            names = sorted({path.name for folder in (self.tree, back) for path in folder.iterdir()})
            _, wrong, missing = filecmp.cmpfiles(self.tree, back, names, shallow=False)
        return f"other files came back: {', '.join([*wrong, *missing])}" if wrong or missing else None


@dataclass(frozen=True)
class Recorded:
    """A step as it was recorded: the home before and its events, the home after, and when the step ran."""

    step: Step
    base: Tree = field(repr=False)
    events: Sequence[Event] = field(repr=False)
    after: Tree = field(repr=False)
    ended: float  # by the clock of the log


@dataclass(frozen=True)
class Recordings:
    """All steps in order, and what the server did meanwhile."""

    steps: Sequence[Recorded]
    server_base: Tree = field(repr=False)
    server_events: Sequence[Event] = field(repr=False)


def bare() -> dict[str, str]:
    """Return this process's environment without what would steer a client, a server or a measurement."""
    foreign = ("CYBS3_", "SWIFTS3_", "AWS_", "XDG_", "COVERAGE_", "COV_")
    clean = {name: text for name, text in os.environ.items() if not name.startswith(foreign)}
    return {**clean, "PYTHONDONTWRITEBYTECODE": ""}


def prepare(person: Person, home: Path) -> None:
    """Make the person: words, a login, a vault, and a tree stored in it. CannotPrepare. The server must answer."""
    person.tree.mkdir(parents=True)
    for number in range(4):
        (person.tree / f"file{number}").write_bytes(os.urandom(3000 * number))
    (person.folder / "passphrase").write_text(_PASSPHRASE, encoding="utf-8")
    (person.folder / "secret").write_text(KEY.secret_key, encoding="utf-8")
    code, said = person.run(["keys", "create", "--quiet"], home)
    if code:
        raise CannotPrepare(f"no recovery words: {said}")
    (person.folder / "words").write_text(said + "\n", encoding="utf-8")
    person.must(STEPS[0].words, home)
    person.must(("vaults", "add", "main", "--prefix", "main/", "{endpoint}"), home)
    person.must(("folders", "put", "{tree}", "before"), home)


def record_client(target: Target, person: Person, steps: Sequence[Step]) -> Recordings:
    """Prepare the person, then record every step over the same home, beside a recorded server. It ends stopped.

    CannotTrace, CannotPrepare; BadLog when a log does not account for every byte.
    """
    place = Place(person.folder / "server", person.port, KEY)
    (place.folder / "data").mkdir(mode=0o700, parents=True)
    home = person.folder / "home"
    process = _server(target, place, ())
    try:
        prepare(person, home)
    finally:
        stop(process)
    base = take(place.folder / "data")
    words, environment = strace(place.folder / "calls")
    process = _server(target, place, words, environment)
    try:
        recorded = [_record(person, step, home) for step in steps]
    finally:
        stop(process)
    events = _followed(place.folder / "calls", place.folder / "data", base)
    return Recordings(recorded, base, events)


def _server(
    target: Target, place: Place, tracer: Sequence[str], extra: dict[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    launch = target.launch(place)
    said = place.folder / "server.log"
    process = spawn([*tracer, *launch.command], {**launch.environment, **(extra or {})}, said)
    if not answers(process, place.port):
        stop(process)
        raise unanswered(said)
    return process


def _record(person: Person, step: Step, kept: Path) -> Recorded:
    home, log = kept, person.folder / f"calls-{step.name.replace(' ', '-')}"
    if step.fresh:
        home = person.folder / "new-home"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(mode=0o700)
    base = take(home)
    before, extra = strace(log)
    done = subprocess.run(  # noqa: S603  # our own program, under a tracer that was found
        [*before, sys.executable, "-m", person.program, *person.fill(step.words)],
        env={**person.environment(home), **extra},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_RUN_S_MAX,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()[-300:]
        raise CannotPrepare(f"{step.name} ended with {done.returncode}: {said}")
    return Recorded(step, base, _followed(log, home, base), take(home), time.time())


def _followed(log: Path, folder: Path, base: Tree) -> list[Event]:
    with log.open(encoding="ascii") as lines:
        events = interpret(os.fsencode(folder), base, list(read_calls(lines)), os.fsencode(Path.cwd()))
    check_whole(Recording(base, events, (), moments(events)), folder)
    return events

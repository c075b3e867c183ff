"""The client cut at every system call: it is really killed there, loses what it had not synced, and is run again.

A run is killed by strace at its n-th call that changes files, for n from one until it ends by itself; so what the
server got by then is what it would have got. What is left of CYBS3_HOME is then an image that the log of that run
allows. A second run must end well, and everything that was stored before must still open: no key is lost. Calls are
counted for each thread.
"""

import filecmp
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cybous3.core.errors import CybousError
from cybous3.lab.bench.rivals.port import Place
from cybous3.lab.bench.rivals.process import answers, free_port, spawn, stop
from cybous3.lab.chaos.powercut.calls import read_calls
from cybous3.lab.chaos.powercut.check import Finding
from cybous3.lab.chaos.powercut.cuts import Cut, Mode
from cybous3.lab.chaos.powercut.disk import Disk, Left
from cybous3.lab.chaos.powercut.images import lay_out, take
from cybous3.lab.chaos.powercut.interpret import interpret
from cybous3.lab.chaos.powercut.recording import strace
from cybous3.lab.chaos.powercut.replay import Outcome
from cybous3.lab.chaos.powercut.targets import KEY, Target
from cybous3.lab.chaos.powercut.verdict import Verdict, sum_up

# A file that was made and not yet written is what the call behind it finds: opens need not be counted.
KILLING: Final = "mkdir,write,pwrite64,ftruncate,rename,link,unlink,rmdir,fsync,fdatasync"
_PLACES_MAX: Final = 400
_PASSPHRASE: Final = "a passphrase of no one"  # noqa: S105  # for homes that are thrown away
_RUN_S_MAX: Final = 120.0


class CannotPrepare(CybousError):
    """The client's own first steps failed, so nothing could be cut."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of the client: what is run and cut, and what may be said when it is run again (`again`).

    `{n}` in it is the number of the run, so that each makes something new.
    """

    name: str
    words: tuple[str, ...]
    again: tuple[int, ...] = (0,)
    fresh: bool = False  # it begins in an empty home, and nothing was stored before


STEPS: Final = (
    Step("login", ("login", "--mnemonic-file", "{words}", "--passphrase-file", "{passphrase}"), fresh=True),
    Step("vault save", ("vaults", "add", "v{n}", "--prefix", "p{n}/", "--no-select", "{endpoint}"), again=(0, 22)),
    Step("key rotation", ("keys", "rotate")),
    Step("master rotation", ("keys", "rotate", "--master")),
    Step("folder put", ("folders", "put", "{tree}", "tree{n}", "--workers", "1")),
)


@dataclass
class Person:
    """Somebody with words, a passphrase, a vault and a tree in it; each run gets a copy of that home."""

    folder: Path
    port: int
    region: str = "us-east-1"
    runs: int = field(default=0)

    @property
    def home(self) -> Path:
        """CYBS3_HOME of everyone."""
        return self.folder / "home"

    def environment(self) -> dict[str, str]:
        """Return what a command is given: nothing of whoever runs this."""
        foreign = ("CYBS3_", "SWIFTS3_", "AWS_", "XDG_", "COVERAGE_")
        clean = {name: text for name, text in os.environ.items() if not name.startswith(foreign)}
        own = {"HOME": str(self.folder), "CYBS3_HOME": str(self.home), "PYTHONDONTWRITEBYTECODE": ""}
        return {**clean, **own, "CYBS3_PASSPHRASE_FILE": str(self.folder / "passphrase")}

    def fill(self, words: Sequence[str]) -> list[str]:
        """Return a command line of `cybs3`."""
        endpoint = ("--endpoint", f"http://127.0.0.1:{self.port}", "--bucket", "cuts", "--create-bucket")
        access = ("--access-key", KEY.access_key, "--secret-key-file", str(self.folder / "secret"))
        texts = {"{n}": str(self.runs)} | {
            f"{{{name}}}": str(self.folder / name) for name in ("words", "passphrase", "tree")
        }
        filled: list[str] = []
        for word in words:
            if word == "{endpoint}":
                filled += [*endpoint, *access]
                continue
            for name, text in texts.items():
                word = word.replace(name, text)  # noqa: PLW2901  # one text after the other
            filled.append(word)
        return [sys.executable, "-m", "cybous3.cli.cybs3", *filled]

    def run(
        self, words: Sequence[str], before: Sequence[str] = (), extra: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """Run a command to its end; return its exit code and its last words."""
        done = subprocess.run(  # noqa: S603  # our own program, under a tracer that was found
            [*before, *self.fill(words)],
            env={**self.environment(), **(extra or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_RUN_S_MAX,
            check=False,
        )
        return done.returncode, (done.stderr or done.stdout).decode("utf-8", "replace").strip()[-300:]

    def must(self, *words: str) -> None:
        """Run a command that is no part of what is cut. CannotPrepare."""
        code, said = self.run(words)
        if code:
            raise CannotPrepare(f"cybs3 {' '.join(words[:2])} ended with {code}: {said}")


def prepare(folder: Path, port: int) -> Person:
    """Make the person: words, a login, a vault, and a tree stored in it. CannotPrepare."""
    person = Person(folder, port)
    tree = folder / "tree"
    tree.mkdir(parents=True)
    for number in range(4):
        (tree / f"file{number}").write_bytes(os.urandom(3000 * number))
    (folder / "passphrase").write_text(_PASSPHRASE, encoding="utf-8")
    (folder / "secret").write_text(KEY.secret_key, encoding="utf-8")
    made = subprocess.run(  # noqa: S603  # our own program
        person.fill(["keys", "create", "--quiet"]), env=person.environment(), capture_output=True, check=True
    )
    (folder / "words").write_bytes(made.stdout)
    person.must(*STEPS[0].words)
    person.must("vaults", "add", "main", "{endpoint}")
    person.must("folders", "put", "{tree}", "before")
    shutil.copytree(person.home, folder / "base")
    return person


def cut_everywhere(person: Person, step: Step, mode: Mode, seed: int, tell: Callable[[str], None]) -> Verdict:
    """Kill the step at each of its calls, and return what was found. One of the runs ends by itself and is the last."""
    outcomes: list[Outcome] = []
    lefts = (Left.NOTHING, Left.SOME) if mode is Mode.POWER else (Left.EVERYTHING,)  # in turns: a run takes seconds
    place = 0
    killed = True
    while killed and place < _PLACES_MAX:
        place += 1
        cut = Cut(place, lefts[place % len(lefts)], f"{step.name}/{seed}/{place}")
        killed, findings = _one(person, step, cut)
        outcomes.append(Outcome(cut, tuple(findings), process=True))
    tell(f"{step.name}: killed at {place - 1} calls")
    return sum_up(f"client: {step.name}", outcomes, boundaries=place - 1)


def _one(person: Person, step: Step, cut: Cut) -> tuple[bool, list[Finding]]:
    person.runs += 1
    home, log = person.home, person.folder / "calls"
    shutil.rmtree(home, ignore_errors=True)
    if step.fresh:
        home.mkdir(mode=0o700)
    else:
        shutil.copytree(person.folder / "base", home)
    base = take(home)
    before, extra = strace(log)
    kill = ("-e", f"inject={KILLING}:signal=KILL:when={cut.before}")
    tracer = [word for word in before if word != "--seccomp-bpf"]  # with it strace injects errors, and no signals
    code, _ = person.run(step.words, [*tracer, *kill], extra)
    with log.open(encoding="ascii") as lines:
        calls = list(read_calls(lines))
    disk = Disk(base, cut.habit)
    for event in interpret(os.fsencode(home), base, calls, os.fsencode(Path.cwd())):
        disk.apply(event)
    shutil.rmtree(home)
    lay_out(disk.image(cut.left, cut.seed), home)
    return code != 0, list(_again(person, step))


def _again(person: Person, step: Step) -> list[Finding]:
    """Run the step again as a person would, and fetch what was stored before anything was cut."""
    code, said = person.run(step.words)
    if code not in step.again:
        return [Finding("no start", step.name, f"the second run ended with {code}: {said}")]
    if step.fresh:
        return []
    back = person.folder / "back"
    shutil.rmtree(back, ignore_errors=True)
    code, said = person.run(("folders", "get", "before", str(back)))
    if code:
        return [Finding("unreadable", "before", f"what was stored before cannot be fetched: {code}: {said}")]
    names = sorted(path.name for path in (person.folder / "tree").iterdir())
    _, wrong, missing = filecmp.cmpfiles(person.folder / "tree", back, names, shallow=False)
    return [Finding("torn", name, "it is another file") for name in [*wrong, *missing]]


def client_verdicts(
    target: Target,
    mode: Mode,
    seed: int,
    folder: Path,
    tell: Callable[[str], None] = lambda _: None,
    steps: Sequence[Step] = STEPS,
) -> list[Verdict]:
    """Cut every operation of the client that keeps something, beside a server that lives; a verdict for each.

    CannotTrace, CannotPrepare.
    """
    place = Place(folder / "server", free_port(), KEY)
    place.folder.mkdir()
    launch = target.launch(place)
    process = spawn(launch.command, launch.environment, place.folder / "server.log")
    try:
        if not answers(process, place.port):
            raise CannotPrepare("the server for the client did not answer")
        person = prepare(folder / "person", place.port)
        return [cut_everywhere(person, step, mode, seed, tell) for step in steps]
    finally:
        stop(process)

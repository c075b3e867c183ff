"""Every system call of every operation of our server: one operation at a time, a cut at each boundary of it.

The operations are recorded one after another with silence between them, so that a boundary belongs to one of them;
what the server does after its answer (settling, reaping) belongs to the operation before. Access keys are added and
removed as an administrator does it: by `swifts3`, on the folder of the running server.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from cybous3.lab.chaos.powercut import recording
from cybous3.lab.chaos.powercut.cuts import Mode, every
from cybous3.lab.chaos.powercut.history import Attempt, Value
from cybous3.lab.chaos.powercut.load import Plan, Player, delete_bucket, make_bucket
from cybous3.lab.chaos.powercut.recording import Recording, Stage
from cybous3.lab.chaos.powercut.run import make_all
from cybous3.lab.chaos.powercut.session import Session, key_of
from cybous3.lab.chaos.powercut.targets import KEY, Target
from cybous3.lab.chaos.powercut.verdict import Verdict, sum_up

SILENCE_S: Final = 0.4
REAPED_S: Final = 6.0  # what was deleted lies for five seconds
OTHER_BUCKET: Final = "cuts-other"
OTHER_KEY: Final = "CUTSOTHERCUTSOTHERCU"
_USER: Final = "cuts-user"
_KEYS: Final = 5

Operation = Callable[["Script"], Awaitable[None]]


class Script:
    """One connection that does the operations in order, each on a key that the one before prepared."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.session = Session(stage.place.port, KEY)
        self.player = Player(0, Plan(0, keys=_KEYS), self.session, stage.attempts)

    def on(self, number: int) -> Player:
        """Return the player, aimed at one key."""
        self.player.aim = f"c0/k{number}"
        return self.player

    async def swifts3(self, kind: str, after: Value | None, *words: str) -> None:
        """Change the access key as an administrator does."""
        attempt = Attempt(f"key:{OTHER_KEY}", kind, time.time(), after)
        self.stage.attempts.append(attempt)
        data = ("--data", str(self.stage.place.folder / "data"))
        code = await self.stage.run(sys.executable, "-m", "cybous3.cli.swifts3", *words, *data)
        attempt.end, attempt.ok = time.time(), code == 0


_SECRET: Final = ("--access-key", OTHER_KEY, "--secret-key", key_of(OTHER_KEY).secret_key)

OPERATIONS: Final[dict[str, Operation]] = {
    "create bucket": lambda script: make_bucket(script.session, script.stage.attempts, OTHER_BUCKET),
    "delete bucket": lambda script: delete_bucket(script.session, script.stage.attempts, OTHER_BUCKET),
    "put inline": lambda script: script.on(0).put(),
    "put file": lambda script: script.on(1).put_file(),
    "overwrite inline": lambda script: script.on(0).put(),
    "overwrite file": lambda script: script.on(1).put_file(),
    "copy": lambda script: script.on(2).copy(),
    "metadata copy": lambda script: script.on(1).relabel_it(),
    "multipart complete": lambda script: script.on(3).upload_ending("complete"),
    "multipart abort": lambda script: script.on(4).upload_ending("abort"),
    "upload in progress": lambda script: script.on(4).upload_ending("leave"),
    "delete": lambda script: script.on(1).delete(),
    "user add": lambda script: script.swifts3("add key", Value.of(b""), "users", "add", _USER, *_SECRET),
    "key delete": lambda script: script.swifts3("delete key", None, "keys", "delete", OTHER_KEY),
}


async def perform(stage: Stage, names: Sequence[str]) -> None:
    """Do the operations with silence between them, then wait for the reaper."""
    script = Script(stage)
    await make_bucket(script.session, stage.attempts)
    await asyncio.sleep(SILENCE_S)
    for name in names:
        begin = time.time()
        await OPERATIONS[name](script)
        await asyncio.sleep(SILENCE_S)
        stage.marks.append((name, begin, time.time()))
    await script.session.aclose()


def record_operations(target: Target, folder: Path, names: Sequence[str] = tuple(OPERATIONS)) -> Recording:
    """Record the operations. CannotTrace, Lost, BadLog."""

    async def script(stage: Stage) -> None:
        await perform(stage, names)

    return recording.record(target, script, folder, linger_s=REAPED_S if "delete" in names else 0.0)


def boundaries(made: Recording) -> dict[str, range]:
    """Return the places to cut at by operation, the start and the reaper's work included.

    Of a first start, which makes some 260 directories, every eighth is enough.
    """
    spans: dict[str, range] = {}
    begun = made.marks[0][1]
    first = next((n for n, event in enumerate(made.events) if event.begin >= begun), len(made.events))
    spans["first start"] = range(0, first + 1, 8)
    for name, begin, end in made.marks:
        inside = [n for n, event in enumerate(made.events) if begin <= event.begin <= end]
        spans[name] = range(inside[0], inside[-1] + 2) if inside else range(0)
    last = max((span[-1] for span in spans.values() if span), default=0)
    spans["reaper and orderly end"] = range(last, len(made.events) + 1)
    return spans


def server_verdicts(
    target: Target,
    mode: Mode,
    seed: int,
    folder: Path,
    tell: Callable[[str], None] = lambda _: None,
    names: Sequence[str] = tuple(OPERATIONS),
    processes: int | None = None,
) -> list[Verdict]:
    """Record the operations and cut them everywhere; a verdict for each, in order. All of them: the start and end too.

    CannotTrace, Lost, BadLog.
    """
    kept = folder / "operations"
    tell("recording every operation ...")
    made = record_operations(target, kept, names)
    spans = boundaries(made)
    if len(names) < len(OPERATIONS):
        spans = {name: spans[name] for name in names}
    cuts = {name: every(places, mode, f"{name}/{seed}") for name, places in spans.items()}
    together = sorted((cut for some in cuts.values() for cut in some), key=lambda cut: cut.before)
    tell(f"{sum(map(len, spans.values()))} boundaries, {len(together)} cuts ...")
    outcomes = make_all(made, kept, together, target, folder, processes)
    by_cut = {outcome.cut: outcome for outcome in outcomes}
    return [sum_up(name, [by_cut[cut] for cut in some], boundaries=len(spans[name])) for name, some in cuts.items()]

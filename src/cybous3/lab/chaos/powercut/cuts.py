"""Where to cut: every place, or so many of them, chosen by a seed. Pure.

Half of the chosen cuts lie right behind an acknowledgement, where a promise is youngest and least has happened since
that could have kept it by accident; the others anywhere. Of power cuts two in five are the extremes (nothing that no
sync covered, everything), the rest leave some of it.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cybous3.lab.chaos.powercut.disk import Habit, Left
from cybous3.lab.chaos.powercut.recording import Recording


class Mode(StrEnum):
    """What is cut: the process, or the power."""

    POWER = "power"
    KILL = "kill"


@dataclass(frozen=True, slots=True)
class Cut:
    """A cut before the event of this number, what is left, and the seed of that."""

    before: int
    left: Left
    seed: str
    habit: Habit = Habit.POSIX

    def __str__(self) -> str:
        return f"before event {self.before}, {self.left} left ({self.seed})"


_TURNS: Final = {
    Mode.POWER: (Left.NOTHING, Left.SOME, Left.SOME, Left.EVERYTHING, Left.SOME),
    Mode.KILL: (Left.EVERYTHING,),
}


def some(recording: Recording, mode: Mode, count: int, seed: int, habit: Habit = Habit.POSIX) -> list[Cut]:
    """Return `count` cuts in the order of their places. The same seed gives the same cuts of the same recording."""
    chance = random.Random(f"{seed}/cuts")  # noqa: S311  # a choice that can be repeated, not a secret
    sharp = [recording.after(attempt.end) for attempt in recording.attempts if attempt.ok and attempt.end is not None]
    turns = _TURNS[mode]
    cuts = []
    for number in range(count):
        anywhere = not sharp or number % 2
        before = chance.randint(0, len(recording.events)) if anywhere else chance.choice(sharp)
        cuts.append(Cut(before, turns[number % len(turns)], f"{seed}/{number}", habit))
    return sorted(cuts, key=lambda cut: cut.before)


def every(places: Iterable[int], mode: Mode, seed: str, habit: Habit = Habit.POSIX) -> list[Cut]:
    """Return cuts at all these places: of power three at each, the extremes and one between."""
    lefts: Sequence[Left] = (Left.NOTHING, Left.EVERYTHING, Left.SOME) if mode is Mode.POWER else (Left.EVERYTHING,)
    return [Cut(place, left, f"{seed}/{place}", habit) for place in places for left in lefts]

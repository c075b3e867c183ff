"""A disk that may lose its power: what is durable, what is only written, and every state that a cut may leave. Pure.

Durable is what a sync that returned has covered: a file's bytes and length by a sync of the file, a name by a sync of
its directory, and nothing else (POSIX promises no more). Of the rest a cut leaves any part: each name change in or
out, each write in, out or torn at sectors, a length without its bytes. A rename within one directory is one change;
between two directories it is two.

`Habit.JOURNAL` is what ext4 does beyond its promise: names reach the disk in the order in which they were changed,
and a sync of any file takes the earlier ones along. A server that needs it is lucky, not right.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

from cybous3.lab.chaos.powercut.content import Content
from cybous3.lab.chaos.powercut.effects import (
    ROOT,
    Change,
    Event,
    Lengthen,
    Names,
    Resize,
    Sync,
    Tree,
    Write,
    is_directory,
)

SECTOR: Final = 512


class Habit(StrEnum):
    """How names reach the disk."""

    POSIX = "posix"
    JOURNAL = "journal"


class Left(StrEnum):
    """What a cut leaves of what no sync has covered."""

    EVERYTHING = "everything"  # the process died and the machine did not: a kill
    NOTHING = "nothing"
    SOME = "some"


@dataclass(frozen=True, slots=True)
class Image:
    """What is found after a cut: directories and the content of files, by path, parents before children."""

    directories: tuple[str, ...]
    files: Mapping[str, Content]


@dataclass(frozen=True, slots=True)
class _Pending:
    end: float
    order: int
    effect: Change


class Disk:
    """The disk after the events that it was given, one after another."""

    def __init__(self, base: Tree, habit: Habit = Habit.POSIX) -> None:
        self._habit = habit
        self._directories: dict[int, dict[str, int]] = {n: dict(names) for n, names in base.directories.items()}
        self._files: dict[int, Content] = {number: Content(data) for number, data in base.files.items()}
        self._pending: dict[int, list[_Pending]] = {}
        self._order = 0

    def apply(self, event: Event) -> None:
        """Take in one event."""
        for effect in event.effects:
            if isinstance(effect, Sync):
                self._sync(effect.target, event.begin)
                continue
            self._order += 1
            target = effect.directory if isinstance(effect, Names) else effect.file
            self._pending.setdefault(target, []).append(_Pending(event.end, self._order, effect))

    def image(self, left: Left, seed: str, under_way: Sequence[Event] = ()) -> Image:
        """Return what a cut now leaves. `under_way`: events that had begun and not ended; partly done, perhaps.

        The same seed, events and arguments give the same image.
        """
        chance = random.Random(seed)  # noqa: S311  # a choice that can be repeated, not a secret
        pending = sorted((item for items in self._pending.values() for item in items), key=lambda item: item.order)
        if left is Left.SOME:
            begun = [effect for event in under_way for effect in event.effects if not isinstance(effect, Sync)]
            pending += [_Pending(0.0, self._order + 1 + n, effect) for n, effect in enumerate(begun)]
        return self._with(_chosen(pending, left, chance, self._habit))

    # what syncs do

    def _sync(self, target: int | None, begin: float) -> None:
        covered = [target] if target is not None else list(self._pending)
        if self._habit is Habit.JOURNAL:
            covered += [number for number in self._pending if is_directory(number)]
        for number in dict.fromkeys(covered):
            waiting = self._pending.pop(number, [])
            for item in waiting:
                if item.end <= begin:
                    _do(item.effect, self._directories, self._file)
            later = [item for item in waiting if item.end > begin]
            if later:
                self._pending[number] = later

    def _file(self, number: int) -> Content:
        return self._files.setdefault(number, Content())

    # images

    def _with(self, chosen: Sequence[Change]) -> Image:
        directories = dict(self._directories)
        copies: dict[int, Content] = {}

        def file(number: int) -> Content:
            if number not in copies:
                copies[number] = self._files.get(number, Content()).copy()
            return copies[number]

        for effect in chosen:
            if isinstance(effect, Names):
                directories[effect.directory] = dict(directories.get(effect.directory, {}))
            _do(effect, directories, file)
        return _reachable(directories, {**self._files, **copies})


def _do(effect: Change, directories: dict[int, dict[str, int]], file: Callable[[int], Content]) -> None:
    match effect:
        case Write(number, offset, data):
            file(number).write(offset, data)
        case Resize(number, size):
            file(number).resize(size)
        case Lengthen(number, size):
            file(number).resize(max(size, file(number).size))
        case Names(directory, changes):
            names = directories.setdefault(directory, {})
            for name, named in changes:
                if named is None:
                    names.pop(name, None)
                else:
                    names[name] = named


def _chosen(pending: Sequence[_Pending], left: Left, chance: random.Random, habit: Habit) -> list[Change]:
    if left is not Left.SOME:
        return [item.effect for item in pending] if left is Left.EVERYTHING else []
    likely = chance.choice((0.1, 0.5, 0.9))
    names_kept = chance.randint(0, sum(isinstance(item.effect, Names) for item in pending))
    chosen: list[Change] = []
    for item in pending:
        if isinstance(item.effect, Names) and habit is Habit.JOURNAL:
            names_kept -= 1
            chosen += [item.effect] if names_kept >= 0 else []
        elif chance.random() < likely:
            chosen += _perhaps_torn(item.effect, chance)
    return chosen


def _perhaps_torn(effect: Change, chance: random.Random) -> Iterator[Change]:
    """Yield the effect, or of a write only some sectors, or only the length that it gave its file."""
    if not isinstance(effect, Write) or chance.random() < 0.5:  # noqa: PLR2004  # half of them arrive whole
        yield effect
        return
    if chance.random() < 0.5:  # noqa: PLR2004  # of the others half have their length
        yield Lengthen(effect.file, effect.offset + len(effect.data))
    first = -effect.offset % SECTOR
    bounds = [0, *range(first or SECTOR, len(effect.data), SECTOR), len(effect.data)]
    kept = chance.choice(("begin", "end", "any"))
    middle = chance.randrange(len(bounds))
    for number, (begin, end) in enumerate(pairwise(bounds)):
        stays = {"begin": number < middle, "end": number >= middle, "any": bool(chance.getrandbits(1))}[kept]
        if stays:
            yield Write(effect.file, effect.offset + begin, effect.data[begin:end])


def _reachable(directories: Mapping[int, Mapping[str, int]], files: Mapping[int, Content]) -> Image:
    folders: list[str] = []
    found: dict[str, Content] = {}
    waiting = [(ROOT, "")]
    while waiting:
        number, path = waiting.pop()
        for name, child in sorted(directories.get(number, {}).items()):
            below = f"{path}/{name}" if path else name
            if is_directory(child):
                folders.append(below)
                waiting.append((child, below))
            else:
                found[below] = files.get(child) or Content()
    return Image(tuple(sorted(folders)), found)

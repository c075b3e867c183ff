"""What system calls do to files, in the words of a disk model.

Files and directories are numbers (inodes of our own): files above zero, directories below, and ROOT, which is watched.
Every effect has the time in which the call ran: a sync covers what had ended before it began, and nothing later.
"""

from dataclasses import dataclass, field
from typing import Final

ROOT: Final = 0
"""The directory that is watched."""


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes at an offset of a file."""

    file: int
    offset: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Resize:
    """A file has another length from now on."""

    file: int
    size: int


@dataclass(frozen=True, slots=True)
class Lengthen:
    """A file is at least so long: what a write that was cut may leave of itself."""

    file: int
    size: int


@dataclass(frozen=True, slots=True)
class Names:
    """Names of one directory that change as one: a number to be named, None to be removed."""

    directory: int
    changes: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True, slots=True)
class Sync:
    """All that was done to this file or directory before the call began is durable; None: to every one."""

    target: int | None


Change = Write | Resize | Lengthen | Names
Effect = Change | Sync


@dataclass(frozen=True, slots=True)
class Event:
    """A call that changed something: when it began and was seen to end, what it was, and what it did, in order."""

    begin: float
    end: float
    call: str
    effects: tuple[Effect, ...]

    @property
    def is_sync(self) -> bool:
        """Whether it only makes durable."""
        return all(isinstance(effect, Sync) for effect in self.effects)


@dataclass(frozen=True, slots=True)
class Tree:
    """Directories and files as they were when the watching began, by number; ROOT is the directory itself."""

    directories: dict[int, dict[str, int]]
    files: dict[int, bytes]


def is_directory(number: int) -> bool:
    """Return whether a number means a directory."""
    return number <= ROOT


EMPTY: Final = Tree({ROOT: {}}, {})

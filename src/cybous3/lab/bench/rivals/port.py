"""What a rival is to the benchmark: a program that some package manager has, and how it is started over one folder.

A rival is a value, one small file each; `process.started` brings any of them up. None of them changes the machine: what
can be installed for one person goes below a cache folder, what only the system's package manager has is told.

Promises: `provide` returns a program that is there, or raises Unavailable with the reason that the table will show.
`launch` only describes; it may write below `folder` and nowhere else. `durability` is what the rival's answer to a PUT
means, in words; the count of syncs beside it is measured, not claimed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cybous3.core.errors import CybousError
from cybous3.core.sigv4.credentials import Credentials


class Unavailable(CybousError):
    """A rival cannot be brought up on this machine; the message is the reason."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Program:
    """A program that is there: how to call it, and which version it says it is."""

    command: tuple[str, ...]
    version: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rival shall run: a folder of its own, a free port on loopback, and the key it shall accept."""

    folder: Path
    port: int
    credentials: Credentials = field(repr=False)


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start it: arguments, what to add to the environment, and the key it will accept in the end."""

    command: tuple[str, ...]
    credentials: Credentials = field(repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Shelf:
    """Where installed programs lie, and whether more may be installed. `say` is told before something is fetched."""

    folder: Path
    install: bool
    say: Callable[[str], None]


@dataclass(frozen=True)
class Rival:
    """One server to be compared with. `how` says in one line where it comes from.

    `writes` False: it serves files as they lie below its folder and takes none. `strong` is our own.
    """

    name: str
    how: str
    durability: str
    provide: Callable[[Shelf], Program]
    launch: Callable[[Program, Place], Launch]
    writes: bool = True
    strong: bool = False

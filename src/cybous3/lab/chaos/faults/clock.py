"""Faults of the server's clock: a jump, a wrong speed, a stop. By libfaketime, loaded before the server starts.

The wall clock alone is wrong; the monotonic one, by which a server waits, stays right, as on a machine whose time was
set. What the library is to say stands in a file, so that it changes while the server runs.
"""

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cybous3.lab.chaos import units
from cybous3.lab.chaos.description import Description, Parameter
from cybous3.lab.chaos.errors import CannotInject
from cybous3.lab.chaos.faults.port import Fault, Inject
from cybous3.lab.chaos.powercut.programs import find_library
from cybous3.lab.chaos.scenario import Injection
from cybous3.lab.chaos.site import Site

LIBRARY: Final = "faketime/libfaketime.so.1"
HOW: Final = "on Debian: apt install libfaketime, or without root: tools/debian.sh libfaketime"
RIGHT: Final = "+0"
_SEPARATORS: Final = re.compile(r"[\s:]")


def surroundings(clock: Path) -> Mapping[str, str]:
    """Return the environment of a server whose clock is read from the file `clock`. Raises CannotInject."""
    library = find_library(LIBRARY)
    if library is None:
        raise CannotInject("libfaketime is not here", hint=HOW)
    clock.write_text(RIGHT)
    return {
        "LD_PRELOAD": preloadable(library, clock.with_name("libfaketime.so.1")),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_RESET": "1",
    }


def preloadable(library: str, link: Path) -> str:
    """Return a path of `library` without blanks and colons, which the loader takes for separators (ld.so(8)).

    If need be that is `link`, made here. Raises CannotInject when its path has some as well.
    """
    if not _SEPARATORS.search(library):
        return library
    if _SEPARATORS.search(str(link)):
        raise CannotInject("a path with a blank or a colon cannot be preloaded", hint="set TMPDIR to one without")
    link.unlink(missing_ok=True)
    link.symlink_to(library)
    return str(link)


Words = Callable[[Injection], str]
"""Returns what is written for the library."""


def _clock(words: Words) -> Inject:
    """Return a fault that lets the clock say what `words` make of the parameters, and then the truth again."""

    @contextmanager
    def inject(site: Site, injection: Injection, chance: random.Random) -> Iterator[str]:
        del chance  # nothing to draw
        if site.clock is None:
            raise CannotInject("the server was started with the machine's own clock")
        said = words(injection)
        _say(site.clock, said)
        try:
            yield f"clock: {said}"
        finally:
            _say(site.clock, RIGHT)

    return inject


def _say(clock: Path, words: str) -> None:
    """Replace the file in one step: a half-written time would be a jump nobody asked for."""
    aside = clock.with_suffix(".aside")
    aside.write_text(words)
    aside.replace(clock)


def _jump(injection: Injection) -> str:
    return f"{injection.settings['by']:+.0f}"


def _skew(injection: Injection) -> str:
    return f"+0 x{injection.settings['speed']:g}"


def _frozen(injection: Injection) -> str:
    del injection  # it stops where it is
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime())


def _no_library() -> str:
    return "" if find_library(LIBRARY) else f"libfaketime is not here ({HOW})"


def _described(name: str, summary: str, parameters: Mapping[str, Parameter]) -> Description:
    return Description(name, summary, ("clock",), preloads="clock", parameters=parameters)


_BY: Final = {"by": Parameter(units.duration, None, 'how far, such as "20min" or "-20min"')}
_SPEED: Final = {"speed": Parameter(units.factor, "2x", "how many seconds it makes of one")}
FAULTS: Final = (
    Fault(_described("clock.jump", "Set the server's clock.", _BY), _clock(_jump), _no_library, "libfaketime"),
    Fault(
        _described("clock.skew", "Let the clock run fast or slow.", _SPEED), _clock(_skew), _no_library, "libfaketime"
    ),
    Fault(_described("clock.frozen", "Stop the clock.", {}), _clock(_frozen), _no_library, "libfaketime"),
)

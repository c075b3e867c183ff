"""What the code of a fault looks like: a context that breaks something while it is open, and mends it when it closes.

Promises of every fault:

- It is done when the context is entered, and says in one line what was done to what.
- Leaving the context takes it back, however it is left; leaving it is safe when nothing is there to be taken back.
- It touches what the site holds and nothing else. All it draws, it draws from the generator it is given.
- It raises CannotInject, having changed nothing, when the machine or the site lacks something.
"""

import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from cybous3.lab.chaos.description import Description
from cybous3.lab.chaos.scenario import Injection
from cybous3.lab.chaos.site import Site

Inject = Callable[[Site, Injection, random.Random], AbstractContextManager[str]]


def nothing_lacks() -> str:
    """Say that any machine will do."""
    return ""


@dataclass(frozen=True, slots=True)
class Fault:
    """A description, its code, and what this machine lacks for it ("": nothing)."""

    description: Description
    inject: Inject
    lacks: Callable[[], str] = nothing_lacks
    how: str = ""

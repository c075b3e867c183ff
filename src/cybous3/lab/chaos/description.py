"""What a fault is, as data: its name, what it may be done to, its parameters. Scenarios are read against this table.

Nothing here injects anything; `faults/registry.py` joins a description with the code that does it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

NO_PARAMETERS: Final[Mapping[str, "Parameter"]] = {}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: how it is read, what it is when the scenario is silent (None: it must be given), what it means."""

    parse: Callable[[object], Any]
    default: str | int | None
    summary: str


@dataclass(frozen=True, slots=True)
class Description:
    """One kind of fault.

    `on` names what it may be done to, the usual one first. `lasts` says whether it goes on until it is taken back;
    a fault that does not last happens at once, and taking it back means bringing the process back. `own` says that
    it needs a server that the run itself started. `preloads` names what must be in place before that server starts.
    """

    name: str
    summary: str
    on: tuple[str, ...]
    lasts: bool = True
    own: bool = True
    preloads: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=lambda: NO_PARAMETERS)


Catalogue = Mapping[str, Description]

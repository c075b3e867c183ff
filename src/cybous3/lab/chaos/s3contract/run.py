"""Which checks there are, and which of them a person wants."""

from collections.abc import Sequence
from typing import Final

from cybous3.lab.chaos.errors import BadScenario
from cybous3.lab.chaos.s3contract import (
    listing_checks,
    reading_checks,
    register_checks,
    trust_checks,
    writing_checks,
)
from cybous3.lab.chaos.s3contract.requirements import BY_ID, REQUIREMENTS
from cybous3.lab.chaos.s3contract.table import Check

_ALL: Final = (
    *reading_checks.CHECKS,
    *trust_checks.CHECKS,
    *writing_checks.CHECKS,
    *listing_checks.CHECKS,
    *register_checks.CHECKS,
)
_ORDER: Final = [requirement.id for requirement in REQUIREMENTS]
CHECKS: Final[Sequence[Check]] = sorted(_ALL, key=lambda c: (c.requirement == "R3", _ORDER.index(c.requirement)))
"""Every check, by requirement; R3 comes last, because it takes the server down, and some come back with nothing."""


def chosen(only: str | None) -> list[Check]:
    """Return the checks of the requirements named, as in `R9,R20`; all without a name. BadScenario."""
    if only is None:
        return list(CHECKS)
    wanted = {name.strip().upper() for name in only.split(",") if name.strip()}
    unknown = sorted(wanted - BY_ID.keys())
    if unknown or not wanted:
        raise BadScenario(f"no requirement is called {', '.join(unknown) or 'nothing'}", hint="they are R1 to R20")
    return [check for check in CHECKS if check.requirement in wanted]

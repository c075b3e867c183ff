"""How the safety of a data directory reads, in `cybs3 server status` and `swifts3 status`."""

import time
from typing import TYPE_CHECKING

from cybous3.cli.output import human_bytes, printable

if TYPE_CHECKING:
    from cybous3.server.app.maintenance.state import State

SHOWN_MAX = 10


def lines_of(state: "State") -> list[str]:
    """Return the lines for a person."""
    if state.reason:
        return [f"stored: not known: {printable(state.reason)}"]
    modes = ", ".join(f"{printable(name)} {mode}" for name, mode in sorted(state.not_strict.items()))
    lines = [
        f"buckets that are not strict: {modes or 'none'}",
        f"damaged objects: {len(state.damaged) or 'none known'}",
    ]
    lines += [f"  {printable(f'{one.bucket}/{one.key}')}: {printable(one.reason)}" for one in state.damaged[:SHOWN_MAX]]
    if len(state.damaged) > SHOWN_MAX:
        lines.append(f"  and {len(state.damaged) - SHOWN_MAX} more (--json names them)")
    return [*lines, f"last scrub: {_scrub(state)}"]


def _scrub(state: "State") -> str:
    scrub = state.scrub
    if scrub is None:
        return "never"
    when = scrub.started_ms if scrub.finished_ms is None else scrub.finished_ms
    ended = "begun, not finished" if scrub.finished_ms is None else "finished"
    day = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(when / 1000))
    return f"{ended} {day}: {scrub.objects:,} objects, {human_bytes(scrub.bytes)}, {scrub.damaged} damaged"

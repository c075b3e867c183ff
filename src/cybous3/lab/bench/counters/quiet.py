"""When has a process finished what it does? When all its threads sleep and none of them has run meanwhile.

An answer reaches its client before the server has put everything away (marks are removed, garbage is reaped), and a
count taken in between would depend on luck. The kernel knows: a thread in a system call on a disk is not asleep in its
sense (state D), and every wake-up counts a context switch. Linux only.
"""

import re
import time
from pathlib import Path
from typing import Final

from cybous3.core.errors import CybousError

LOOKS: Final = 3
_PAUSE_S: Final = 0.004
_WAIT_S: Final = 30.0
_FIELDS: Final = re.compile(r"^(State|voluntary_ctxt_switches|nonvoluntary_ctxt_switches):\s*(\S+)", re.MULTILINE)

Look = dict[str, tuple[str, ...]]


class NeverQuiet(CybousError):
    """The process did not come to rest."""


def wait_quiet(pid: int, looks: int = LOOKS) -> None:
    """Return when `looks` looks in a row found every thread asleep and unmoved. NeverQuiet after 30 seconds."""
    deadline = time.monotonic() + _WAIT_S
    last, same = look(pid), 0
    while same < looks:
        if time.monotonic() > deadline:
            raise NeverQuiet(f"process {pid} is still busy after {_WAIT_S:.0f} seconds")
        time.sleep(_PAUSE_S)
        now = look(pid)
        same = same + 1 if now == last and asleep(now) else 0
        last = now


def look(pid: int) -> Look:
    """Return state and context switches of every thread."""
    threads: Look = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            text = (task / "status").read_text("ascii", "replace")
        except (FileNotFoundError, ProcessLookupError):  # it has ended since
            continue
        threads[task.name] = tuple(found[2] for found in _FIELDS.finditer(text))
    return threads


def asleep(threads: Look) -> bool:
    """Tell whether every thread waits for something other than a disk or a processor."""
    return all(state == "S" for state, *_ in threads.values())

"""Start-up without what nobody here uses, and what is used a little later got ready a little later.

structlog imports rich, where it is installed, for tracebacks that the server never prints: a quarter of the time that a
process needs until it serves, and five megabytes. `import_structlog` must run before anything else imports structlog.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from cybous3.core import checksums

COLLECT_AFTER: Final = (10_000, 20, 20)  # objects of the youngest generation, and how often for one of the next


@contextmanager
def without(name: str) -> Iterator[None]:
    """Let imports within fail to find the package `name`, unless it was imported before."""
    hidden = name not in sys.modules
    if hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # what the import system reads as "there is none"
    try:
        yield
    finally:
        if hidden:
            del sys.modules[name]


def import_structlog() -> None:
    """Import structlog as if there were no rich."""
    with without("rich"):
        import structlog  # noqa: F401, PLC0415  # for `sys.modules`; here and not above is the point


def warm() -> None:
    """Load what the first upload needs, 50 ms of it: in a thread, once the server is ready. Then settle the memory.

    What was loaded until now stays for ever, so the collector need not look at it again; and requests make few cycles,
    so it need not look after every 700 objects. Together a tenth of what a small PUT costs (ADR 0008).
    """
    checksums.new("CRC64NVME").update(b"")
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)

"""How often a server syncs for a write: counted by strace in a run of its own, not believed from its documentation.

The calls are those by which a program asks for its bytes to be on the medium. What strace does not see is a file
opened with O_SYNC or O_DSYNC, whose writes are syncs themselves; such opens are counted as one each, which shows that
there are some. No time is taken in this run: tracing slows a server down several times.
"""

import re
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

from cybous3.client.stores.connect import Access, open_buckets, open_store
from cybous3.lab.bench.rivals.port import Program, Rival
from cybous3.lab.bench.rivals.process import started

WRITES: Final = 200
SIZE: Final = 4096
_CALLS: Final = "fsync,fdatasync,sync_file_range,msync,sync,syncfs,open,openat"
_SYNC: Final = re.compile(r"\b(?:fsync|fdatasync|sync_file_range|msync|sync|syncfs)\(|\bopen(?:at)?\(.*\bO_D?SYNC\b")
_UNFINISHED_TWIN: Final = "resumed>"
_SETTLE_S: Final = 0.5


def tracer() -> str | None:
    """Return where strace is, None if it is not there."""
    return shutil.which("strace")


def per_write(rival: Rival, program: Program, folder: Path, clients: Sequence[int]) -> list[float]:
    """Return the syncs for each acknowledged 4 KiB PUT, for each number of clients. Raises Unavailable, StoreError."""
    log = folder / "strace.log"
    folder.mkdir(parents=True, exist_ok=True)
    command = (tracer() or "strace", "-f", "-qq", "-s", "0", "-e", f"trace={_CALLS}", "-o", str(log))
    with started(rival, program, folder, tracer=command) as running:
        target = running.target
        access = Access(target.endpoint, target.credentials, target.region)
        buckets = open_buckets(access)
        buckets.create_bucket("syncs")
        buckets.close()
        return [_counted(log, partial(_write, access, count)) / WRITES for count in clients]


def _counted(log: Path, work: Callable[[], None]) -> int:
    before = _settled(log)
    work()
    return _settled(log) - before


def _settled(log: Path) -> int:
    """Return the number of syncs so far, once the server rests: what it does behind an answer belongs to it too."""
    time.sleep(_SETTLE_S)
    return count_syncs(log.read_text("utf-8", "replace"))


def count_syncs(trace: str) -> int:
    """Return how many lines of a trace begin a sync; a call that strace tells in two halves is one."""
    return sum(1 for line in trace.splitlines() if _UNFINISHED_TWIN not in line and _SYNC.search(line))


def _write(access: Access, clients: int) -> None:
    store = open_store(access, "syncs")
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(lambda number: store.put(f"c{clients}/{number:05}", bytes(SIZE)), range(WRITES)))
    store.close()

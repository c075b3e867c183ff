"""Start a helper process: a fork where that is certainly safe, else this program anew (0.2 s of processor for imports).

Safe: Linux, and the kernel itself lists one single thread of this process, so that no lock can be held by a thread
that would not exist in the child. The child touches nothing it inherited but the two pipes, and leaves by `_exit`.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from cybous3.client.sync.helper import serve

if TYPE_CHECKING:
    from typing import NoReturn

_CODE = "from cybous3.client.sync.helper import main; main()"
_DEFECT = 70


class Process(NamedTuple):
    """A helper: where its orders go in, where its results come out, and how to wait for its exit code."""

    orders: BinaryIO
    results: BinaryIO
    wait: Callable[[], int]
    pid: int


def start(others: Sequence[Process]) -> Process:
    """Start a helper. `others`: those that were started before, whose pipes it must not hold open."""
    return forked(others) if may_fork() else spawned()


def may_fork() -> bool:
    """Whether nothing but the calling thread runs in this process, as far as the kernel knows."""
    with suppress(OSError):
        return sys.platform == "linux" and len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208  # names only
    return False


def spawned() -> Process:
    """Start this program anew, in a process group of its own: Ctrl-C is for the parent, who then closes the pipes."""
    windows = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    process = subprocess.Popen(  # noqa: S603  # this very interpreter; -P: the current folder gives it no modules
        [sys.executable, "-P", "-c", _CODE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        creationflags=windows,
        process_group=None if windows else 0,
    )
    if process.stdin is None or process.stdout is None:
        raise AssertionError("both were asked for as pipes")
    return Process(process.stdin, process.stdout, process.wait, process.pid)  # type: ignore[arg-type]  # binary, as asked


def forked(others: Sequence[Process]) -> Process:
    """Split this process. Only where `may_fork` says so."""
    orders_in, orders_out = os.pipe()
    results_in, results_out = os.pipe()
    pid = os.fork()
    if pid == 0:
        _child(orders_in, results_out, [orders_out, results_in, *(other.orders.fileno() for other in others)])
    os.close(orders_in)
    os.close(results_out)

    @cache  # a process can be waited for once
    def wait() -> int:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    return Process(os.fdopen(orders_out, "wb"), os.fdopen(results_in, "rb"), wait, pid)


def _child(orders: int, results: int, not_ours: Sequence[int]) -> "NoReturn":
    code = _DEFECT
    try:
        os.setpgid(0, 0)  # Ctrl-C is for the parent, who then closes the pipes
        for descriptor in not_ours:
            os.close(descriptor)
        serve(os.fdopen(orders, "rb"), os.fdopen(results, "wb"))
        code = 0
    except BaseException:  # noqa: BLE001  # nothing may run on in a copy of the parent
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)

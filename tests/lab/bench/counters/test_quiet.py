"""Rest is what the kernel says it is: every thread asleep, none of them woken."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cybous3.lab.bench.counters import quiet
from cybous3.lab.bench.counters.quiet import NeverQuiet, asleep, look, wait_quiet

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@contextmanager
def running(program: str) -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
    finally:
        process.kill()
        process.communicate()


WAITS = """
import threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
print(flush=True)
threading.Event().wait()
"""


def test_a_waiting_process_is_at_rest() -> None:
    with running(WAITS) as pid:
        wait_quiet(pid)
        assert len(look(pid)) == 2


def test_a_busy_process_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "_WAIT_S", 0.2)
    with running("print(flush=True)\nwhile True: pass") as pid, pytest.raises(NeverQuiet):
        wait_quiet(pid)


def test_waiting_for_a_disk_is_no_rest() -> None:
    assert asleep({"1": ("S", "4", "0"), "2": ("S", "9", "1")})
    assert not asleep({"1": ("S", "4", "0"), "2": ("D", "9", "1")})

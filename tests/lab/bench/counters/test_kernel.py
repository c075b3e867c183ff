"""Reading what strace writes, and which of it gates."""

import shutil

import pytest

from cybous3.lab.bench.counters import kernel
from cybous3.lab.bench.counters.kernel import between, parse

TRACE = """\
700 1000.100000 read(12<socket:[99]>, ""..., 65536) = 390
700 1000.200000 openat(AT_FDCWD, "/data/blobs/ab/abcd", O_RDONLY|O_NOFOLLOW|O_CLOEXEC) = 21</data/blobs/ab/abcd>
700 1000.210000 newfstatat(21</data/blobs/ab/abcd>, "", {st_mode=S_IFREG|0600, st_size=8, ...}, AT_EMPTY_PATH) = 0
701 1000.300000 pwrite64(8</data/index.sqlite-wal>, ""..., 4096, 32 <unfinished ...>
700 1000.310000 epoll_pwait(3<anon_inode:[eventpoll]>, [], 1024, 0, NULL, 8) = 0
701 1000.320000 <... pwrite64 resumed>) = 4096
701 1000.330000 fdatasync(8</data/index.sqlite-wal> <unfinished ...>
700 1000.335000 futex(0x7f, FUTEX_WAIT_PRIVATE, 0, NULL) = -1 EAGAIN (Resource temporarily unavailable)
701 1000.400000 <... fdatasync resumed>) = 0
701 1000.410000 write(5<anon_inode:[eventfd]>, ""..., 8) = 8
700 1000.420000 read(4<UNIX-STREAM:[1->2]>, ""..., 4096) = 1
700 1000.500000 write(12<socket:[99]>, ""..., 322) = 322
700 1000.600000 read(12<socket:[99]>, ""..., 65536) = -1 EAGAIN (Resource temporarily unavailable)
700 1009.000000 fsync(9</data/blobs>) = 0
--- SIGCHLD ---
"""


def test_calls_are_told_apart_by_what_their_descriptor_is() -> None:
    counts = between(parse(TRACE.splitlines()), 1000.0, 1001.0)
    assert counts == {
        "kernel.read (socket)": 2,
        "bytes.read (socket)": 390,
        "kernel.open": 1,
        "kernel.stat": 1,
        "kernel.pwrite": 1,
        "bytes.written": 4096,
        "timing.epoll_pwait": 1,
        "kernel.fdatasync": 1,
        "timing.futex": 1,
        "timing.write (waking)": 1,
        "timing.read (waking)": 1,
        "kernel.write (socket)": 1,
        "bytes.written (socket)": 322,
    }


def test_what_began_outside_belongs_to_another_operation() -> None:
    events = parse(TRACE.splitlines())
    assert "kernel.fsync" not in between(events, 1000.0, 1001.0)
    assert between(events, 1008.0, 1010.0) == {"kernel.fsync": 1}


def test_where_strace_is_missing_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert kernel.unavailable() == "strace is not installed"

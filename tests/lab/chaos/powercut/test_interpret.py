"""A program that does everything one can do to files is followed to the last byte, and what cannot be is refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cybous3.lab.chaos.powercut import recording
from cybous3.lab.chaos.powercut.calls import BadLog, Call, read_calls
from cybous3.lab.chaos.powercut.disk import Disk, Left
from cybous3.lab.chaos.powercut.effects import EMPTY, ROOT, Sync, Tree, Write
from cybous3.lab.chaos.powercut.images import lay_out, take
from cybous3.lab.chaos.powercut.interpret import interpret
from cybous3.lab.chaos.powercut.programs import find_program
from cybous3.lab.chaos.powercut.recording import Recording, check_whole, moments

PROGRAM = """
import os, threading
W, C, R = os.O_WRONLY, os.O_CREAT, os.O_RDWR
os.mkdir("folder"); os.mkdir("gone"); os.rmdir("gone")
here = os.open(".", os.O_RDONLY)
a = os.open("a", W | C); os.write(a, b"first"); os.pwrite(a, b"SECOND", 3); os.write(a, b"third"); os.fsync(a)
twin = os.dup(a); os.lseek(twin, 2, 0); os.write(a, b"seeked"); os.close(twin)
b = os.open("b", W | C | os.O_APPEND); os.writev(b, [b"one", b"two"]); os.pwritev(b, [b"x", b"y"], 0); os.fdatasync(b)
d = os.open("d", R | C); os.write(d, b"0123456789"); os.ftruncate(d, 4); os.truncate("d", 6)
os.posix_fallocate(d, 0, 20)
os.copy_file_range(os.open("a", os.O_RDONLY), os.open("copied", W | C), 7)
os.close(os.open("b2", W | C)); os.rename("b2", "folder/b3"); os.rename("folder/b3", "folder/b4")
os.link("a", "folder/a"); os.unlink("a"); os.symlink("b", "soft") if False else None
os.close(os.open("trunc", W | C)); t = os.open("trunc", W); os.write(t, b"long"); os.open("trunc", W | os.O_TRUNC)
s = os.open("sync", W | C | os.O_DSYNC); os.write(s, b"durable")
os.write(os.open("by_fd", W | C, dir_fd=here), b"relative")
os.rename("d", "folder/d", src_dir_fd=here)
hidden = os.open(".", os.O_TMPFILE | W); os.write(hidden, b"nameless")
os.link(f"/proc/self/fd/{hidden}", "named", src_dir_fd=here)
if os.fork() == 0:
    os.write(b, b"child"); os._exit(0)
os.wait(); os.write(b, b"parent")
def thread(n):
    for turn in range(50):
        f = os.open(f"t{n}", W | C | os.O_APPEND); os.write(f, b"%d" % turn); os.close(f)
threads = [threading.Thread(target=thread, args=(n,)) for n in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
os.fsync(here); os.sync(); os.unlink("b")
os.rename("sync", "../outside")
"""

needs_strace = pytest.mark.skipif(find_program("strace") is None, reason="no strace: tools/debian.sh strace")


def traced(data: Path, log: Path, program: str) -> Recording:
    data.mkdir(exist_ok=True)
    base = take(data)
    words, environment = recording.strace(log)
    subprocess.run([*words, sys.executable, "-c", program], cwd=data, env={**os.environ, **environment}, check=True)
    with log.open(encoding="ascii") as lines:
        calls = list(read_calls(lines))
    events = interpret(str(data).encode(), base, calls, str(data).encode())
    return Recording(base, events, (), moments(events))


@needs_strace
def test_every_byte_and_name_is_accounted_for(tmp_path: Path) -> None:
    made = traced(tmp_path / "data", tmp_path / "log", PROGRAM)
    check_whole(made, tmp_path / "data")
    disk = Disk(made.base)
    for event in made.events:
        disk.apply(event)
    lay_out(disk.image(Left.EVERYTHING, ""), tmp_path / "again")
    told = subprocess.run(["diff", "-r", tmp_path / "data", tmp_path / "again"], capture_output=True, check=False)
    assert told.stdout == b""


@needs_strace
def test_a_log_that_does_not_tell_the_whole_is_refused(tmp_path: Path) -> None:
    """Bytes that came through a mapping are in no log; neither is a file that somebody else put there."""
    data = tmp_path / "data"
    mapped = "import mmap,os; f=os.open('m',os.O_RDWR|os.O_CREAT); os.truncate('m',9); mmap.mmap(f,9)[0:1]=b'x'"
    with pytest.raises(BadLog, match="m has bytes that the log does not tell of"):
        check_whole(traced(data, tmp_path / "log", mapped), data)
    made = traced(tmp_path / "other", tmp_path / "log2", "open('here','w').close()")
    (tmp_path / "other" / "foreign").touch()
    with pytest.raises(BadLog, match="foreign is only there"):
        check_whole(made, tmp_path / "other")


def call(name: str, words: str, *strings: bytes, result: int = 0, process: int = 1) -> Call:
    return Call(process, 1.0, 2.0, name, words, strings, result)


OPENED = call("open", ", O_WRONLY|O_CREAT, 0600", b"/root/a", result=3)


@pytest.mark.parametrize(
    ("calls", "why"),
    [
        ([call("rename", ", ", b"/elsewhere", b"/root/b")], "moved in from elsewhere"),
        ([OPENED, call("sendfile", "3, 9, NULL, 5", result=5)], "that the log does not hold"),
        ([OPENED, call("fallocate", "3, FALLOC_FL_PUNCH_HOLE, 0, 5")], "cannot follow"),
    ],
)
def test_what_cannot_be_followed_is_refused(calls: list[Call], why: str) -> None:
    with pytest.raises(BadLog, match=why):
        interpret(b"/root", EMPTY, calls)


def test_what_happens_elsewhere_changes_nothing() -> None:
    calls = [
        call("open", ", O_RDWR", b"/etc/passwd", result=3),
        call("write", "3, , 1", b"x", result=1),
        call("write", "99, , 1", b"x", result=1),
        call("rename", ", ", b"/a", b"/b"),
        call("unlink", "", b"/a"),
        call("mkdir", ", 0700", b"/root", result=-1),
        call("open", ", O_WRONLY|O_CREAT", b"/root/missing/a", result=4),
        call("mkdir", ", 0700", b"relative"),
        call("dup2", "77, 78", result=78),
        call("fallocate", "3, FALLOC_FL_KEEP_SIZE, 0, 5"),
    ]
    assert interpret(b"/root", EMPTY, calls, b"/somewhere") == []


def test_old_calls_and_a_base_are_followed_too() -> None:
    base = Tree({ROOT: {"a": 1, "b": 2}}, {1: b"old", 2: b"x"})
    calls = [
        call("creat", ", 0600", b"/root/a", result=3),
        call("pwritev2", "3, [{iov_base=, iov_len=2}], 1, 4, RWF_HIPRI", b"zz", result=2),
        call("syncfs", "3"),
        call("rename", ", ", b"/root/b", b"/gone"),
    ]
    kinds = [effect for event in interpret(b"/root/", base, calls) for effect in event.effects]
    assert Write(1, 4, b"zz") in kinds
    assert kinds[-2] == Sync(None)
    assert kinds[-1].changes == (("b", None),)  # type: ignore[union-attr]  # the last one is about names

"""Every rival is described whole, starts below its own folder, ends with all it started, or says why it cannot."""

import os
import shutil
import sys
from pathlib import Path

import psutil
import pytest

from cybous3.client.stores.connect import Access, open_buckets, open_store
from cybous3.core.sigv4.credentials import Credentials
from cybous3.lab.bench.rivals import nginx, radosgw, rclone, syncs
from cybous3.lab.bench.rivals.port import Launch, Place, Program, Rival, Shelf, Unavailable
from cybous3.lab.bench.rivals.process import started
from cybous3.lab.bench.rivals.table import OURS, RIVALS, NoSuchRival, chosen

KEY = Credentials("BENCHKEY", "not-a-secret")


def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "cache", install=False, say=lambda _text: None)


def scripted(source: str) -> Rival:
    """Return a rival that is a few lines of Python; they see the port as `port`."""

    def launch(program: Program, place: Place) -> Launch:
        return Launch((*program.command, "-c", f"port = {place.port}\n{source}"), place.credentials)

    return Rival("scripted", "here", "none", lambda _shelf: Program((sys.executable,), "1"), launch)


def start_and_leave(rival: Rival, folder: Path) -> int:
    with started(rival, rival.provide(shelf(folder)), folder) as running:
        pid = running.target.server_pid
        assert pid is not None
        assert psutil.pid_exists(pid)
        return pid


def test_the_table_is_whole() -> None:
    assert [rival.name for rival in RIVALS] == ["cybous3", "rclone", "s3rver", "moto", "radosgw", "nginx"]
    assert all(rival.how and rival.durability for rival in RIVALS)
    assert [rival for rival in RIVALS if rival.strong] == [OURS]


def test_ours_is_always_there_and_names_are_checked() -> None:
    assert [rival.name for rival in chosen(("nginx", "rclone"))] == ["cybous3", "rclone", "nginx"]
    assert chosen(()) == RIVALS
    with pytest.raises(NoSuchRival, match="minio"):
        chosen(("minio",))


@pytest.mark.parametrize("rival", RIVALS, ids=lambda rival: rival.name)
def test_a_launch_listens_on_loopback_and_writes_below_its_folder(rival: Rival, tmp_path: Path) -> None:
    if rival is radosgw.RIVAL:
        with pytest.raises(Unavailable, match="cluster"):
            rival.launch(Program(("radosgw",), ""), Place(tmp_path, 4711, KEY))
        return
    launch = rival.launch(Program(("program",), "1"), Place(tmp_path, 4711, KEY))
    told = " ".join(launch.command) + "".join(path.read_text() for path in tmp_path.glob("*.conf"))
    assert "127.0.0.1" in told
    assert "4711" in told
    assert KEY.secret_key not in told
    assert "0.0.0.0" not in told  # noqa: S104  # what must not be there


def test_radosgw_says_why_it_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="needs a Ceph cluster"):
        radosgw.RIVAL.provide(shelf(tmp_path))


def test_rclone_answers_and_is_gone_afterwards(tmp_path: Path) -> None:
    program = rclone.RIVAL.provide(shelf(tmp_path))
    with started(rclone.RIVAL, program, tmp_path) as running:
        access = Access(running.target.endpoint, running.target.credentials, running.target.region)
        buckets, store = open_buckets(access), open_store(access, "bench")
        buckets.create_bucket("bench")
        store.put("k", b"bytes")
        with store.get("k") as download:
            assert download.read() == b"bytes"
        store.close()
        buckets.close()
        assert running.target.durability == "none (no fsync)"
        assert (running.data / "bench" / "k").read_bytes() == b"bytes"
        pid = running.target.server_pid
    assert pid is not None
    assert not psutil.pid_exists(pid)


@pytest.mark.skipif(shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") is None, reason="no nginx here")
def test_nginx_serves_what_lies_there(tmp_path: Path) -> None:
    program = nginx.RIVAL.provide(shelf(tmp_path))
    assert program.version[0].isdigit()
    with started(nginx.RIVAL, program, tmp_path) as running:
        (running.data / "b").mkdir()
        (running.data / "b" / "k").write_bytes(b"bytes")
        store = open_store(Access(running.target.endpoint, running.target.credentials, "us-east-1"), "b")
        with store.get("k") as download:
            assert download.read() == b"bytes"
        store.close()


def test_a_process_that_does_not_listen_to_reason_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cybous3.lab.bench.rivals.process._STOP_S_MAX", 0.3)
    deaf = (
        "import http.server, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "http.server.HTTPServer(('127.0.0.1', port), http.server.SimpleHTTPRequestHandler).serve_forever()"
    )
    assert not psutil.pid_exists(start_and_leave(scripted(deaf), tmp_path))


def test_a_rival_that_ends_at_once_leaves_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"did not answer: .*no licence"):
        start_and_leave(scripted("raise SystemExit('error: no licence')"), tmp_path)


def test_a_rival_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cybous3.lab.bench.rivals.process.answers", lambda process, _port: process.poll() == "never")
    with pytest.raises(Unavailable, match="did not answer"):
        start_and_leave(scripted("import time; time.sleep(60)"), tmp_path)


def test_a_program_that_cannot_be_run_is_told(tmp_path: Path) -> None:
    rival = Rival("gone", "nowhere", "none", lambda _s: Program((str(tmp_path / "gone"),), "1"), scripted("").launch)
    with pytest.raises(Unavailable, match="cannot be started"):
        start_and_leave(rival, tmp_path)


TRACE = """\
101 openat(AT_FDCWD, ""..., O_RDONLY|O_CLOEXEC) = 3
101 openat(AT_FDCWD, ""..., O_WRONLY|O_CREAT|O_DSYNC, 0666) = 4
101 fsync(4) = 0
102 fdatasync(5 <unfinished ...>
101 fsync(4) = 0
102 <... fdatasync resumed>) = 0
102 msync(0x7f, 4096, MS_SYNC) = 0
103 async_thing(1) = 0
"""


def test_syncs_are_counted_once_each() -> None:
    assert syncs.count_syncs(TRACE) == 5
    assert syncs.count_syncs("") == 0


@pytest.mark.slow
@pytest.mark.skipif(syncs.tracer() is None, reason="no strace on this machine")
def test_ours_syncs_and_rclone_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One client: each write is a commit of its own. Sixteen: they share commits. rclone acknowledges without."""
    monkeypatch.setattr(syncs, "WRITES", 48)
    alone, together = syncs.per_write(OURS, OURS.provide(shelf(tmp_path)), tmp_path / "ours", (1, 16))
    assert alone >= 1
    assert together < alone
    program = rclone.RIVAL.provide(shelf(tmp_path))
    assert syncs.per_write(rclone.RIVAL, program, tmp_path / "rclone", (1,)) == [0]

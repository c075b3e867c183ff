"""A real server whose bytes are damaged by hand, and the commands that look after it; some of them killed half way."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from cybous3.cli.output import Out
from cybous3.cli.server_keeping import _rate, _Ticker
from cybous3.cli.server_state import SHOWN_MAX, lines_of
from cybous3.server.app.maintenance.state import State
from cybous3.server.meta.port import DamagedRecord
from cybous3.server.model.scrubs import ScrubState
from tests.server.app.conftest import ask
from tests.support.person import Person
from tests.support.server import Server, swifts3

BIG = bytes(range(256)) * 2000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path / "house")
    running.start()
    assert ask(running, "PUT", "/bucket")[0] == 200
    for number in range(4):
        assert ask(running, "PUT", f"/bucket/big{number}", BIG)[0] == 200
        assert ask(running, "PUT", f"/bucket/small{number}", b"small" * 100)[0] == 200
    yield running
    if running.is_running():
        running.kill()


def run(server: Server, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = swifts3(*arguments, *(() if "--data" in arguments else ("--data", str(server.data))))
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def run_json(server: Server, *arguments: str, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(server, *arguments, "--json", code=code).stdout)
    return found


def killed(server: Server, *arguments: str, after_s: float) -> None:
    """Start a command and kill it."""
    command = swifts3(*arguments, "--data", str(server.data))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        time.sleep(after_s)
        process.send_signal(signal.SIGKILL)


def blobs(server: Server) -> list[Path]:
    return sorted((server.data / "blobs" / "blobs").glob("*/*"))


def flip(path: Path, offset: int = 5) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def metrics(server: Server) -> dict[str, float]:
    connection = http.client.HTTPConnection("127.0.0.1", server.admin_port, timeout=10)
    connection.request("GET", "/-/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


def statuses(server: Server, method: str = "GET") -> list[int]:
    return [ask(server, method, f"/bucket/big{number}")[0] for number in range(4)]


def test_damage_is_found_told_and_never_sent(server: Server) -> None:
    assert "nothing is damaged" in run(server, "scrub", "--rate", "0").stdout
    assert "all is well" in run(server, "fsck").stdout
    flip(blobs(server)[0])
    os.truncate(blobs(server)[1], 1000)
    flip(blobs(server)[2], len(BIG) + 20)  # a check, behind the data
    found = run_json(server, "scrub", "--rate", "0", code=11)
    assert len(found["found"]) == 3
    assert len(run_json(server, "fsck", code=11)["problems"]) == 3
    assert sorted(statuses(server)) == [200, 500, 500, 500]
    assert sorted(statuses(server, "HEAD")) == [200, 500, 500, 500]
    shown = metrics(server)
    assert (shown["swifts3_damaged_objects"], shown["swifts3_scrub_damaged"]) == (3, 3)
    assert shown["swifts3_scrub_finished_timestamp_seconds"] > time.time() - 60
    damaged = found["found"][0]["key"]
    assert b"damaged" in ask(server, "GET", f"/bucket/{damaged}")[1]
    assert "damaged objects: 3" in run(server, "status").stdout
    assert ask(server, "PUT", f"/bucket/{damaged}", BIG)[0] == 200  # overwriting heals
    assert ask(server, "GET", f"/bucket/{damaged}") == (200, BIG)
    assert "2 damaged" in run(server, "scrub", "--rate", "0", code=11).stdout


def test_a_backup_of_a_live_server_survives_kills_and_is_restored(server: Server, tmp_path: Path) -> None:
    dest = str(tmp_path / "backup")
    killed(server, "backup", dest, after_s=1.0)
    killed(server, "scrub", "--rate", "0", after_s=1.0)
    assert "8 objects" in run(server, "backup", dest).stdout
    assert "4 there already" in run(server, "backup", dest).stdout
    run(server, "scrub", "--rate", "0")
    restored = Server(tmp_path / "restored")
    done = subprocess.run(
        swifts3("restore", dest, "--data", str(restored.data)), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    restored.root = server.root
    restored.start()
    try:
        assert [ask(restored, "GET", f"/bucket/big{number}") for number in range(4)] == [(200, BIG)] * 4
        assert ask(restored, "GET", "/bucket/small3") == (200, b"small" * 100)
    finally:
        restored.stop()
    assert "is not empty" in run(server, "restore", dest, code=1).stderr
    assert "no finished backup" in run(server, "restore", str(tmp_path), "--data", str(tmp_path / "x"), code=3).stderr


def test_a_server_without_an_index_comes_back(server: Server) -> None:
    assert "another server works on" in run(server, "fsck", "--rebuild", code=31).stderr
    server.kill()
    for name in ("index.sqlite", "index.sqlite-wal", "index.sqlite-shm", "seal.key"):
        (server.data / name).unlink(missing_ok=True)
    killed(server, "fsck", "--rebuild", after_s=1.2)
    subprocess.run(swifts3("fsck", "--rebuild", "--data", str(server.data)), capture_output=True, check=False)
    assert not (server.data / "index.sqlite.rebuilt").exists()
    server.start()
    assert statuses(server) == [200] * 4
    assert ask(server, "GET", "/bucket/small0")[0] == 404
    assert ask(server, "PUT", "/bucket/new", BIG)[0] == 200
    assert "--rebuild goes alone" in run(server, "fsck", "--rebuild", "--quick", code=2).stderr


def test_what_a_log_has_lost_is_told_before_it_is_forgotten(server: Server) -> None:
    """One changed bit of a log that SQLite would take for its end: everything behind it was acknowledged."""
    log = server.data / "index.sqlite-wal"
    server.kill()
    flip(log, 5_000)
    kept = log.read_bytes()
    for command in (("serve",), ("users", "list"), ("fsck",), ("scrub",), ("backup", str(server.data.parent / "b"))):
        ports = ("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0") if command == ("serve",) else ()
        refused = run(server, *command, *ports, code=11)
        assert "the index is damaged and cannot be used: page 2 of" in refused.stderr
        assert "fsck --rebuild" in refused.stderr
        assert log.read_bytes() == kept
    assert "8 objects (0 known from their blobs alone)" in run(server, "fsck", "--rebuild", code=5).stdout
    server.start()
    assert statuses(server) == [200] * 4
    assert [ask(server, "GET", f"/bucket/small{number}")[1] for number in range(4)] == [b"small" * 100] * 4
    server.stop()
    (server.data / "index.sqlite").unlink()
    ports = ("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
    assert "the index of the data directory" in run(server, "serve", *ports, code=11).stderr


def test_relaxed_writes_outlive_a_kill(server: Server) -> None:
    assert run(server, "durability", "bucket").stdout == "bucket: strict\n"
    assert run(server, "durability", "bucket", "relaxed").stdout == "bucket: relaxed\n"
    assert "no bucket" in run(server, "durability", "other", code=3).stderr
    assert "no bucket" in run(server, "durability", "other", "none", code=3).stderr
    assert ask(server, "PUT", "/bucket/late", BIG)[0] == 200
    server.kill()
    server.start()
    assert "relaxed_kept=" in server.tail()
    assert ask(server, "GET", "/bucket/late") == (200, BIG)
    assert "bucket relaxed" in run(server, "status").stdout
    assert run_json(server, "status")["buckets_not_strict"] == {"bucket": "relaxed"}
    server.kill()
    shutil.rmtree(server.data)
    assert "there is no index yet" in run(server, "status").stdout


def test_a_named_server_is_looked_after_by_its_name(tmp_path: Path) -> None:
    """`cybs3 server` has the same commands, and its status says how safe the data is."""
    person = Person(tmp_path / "home", {"SWIFTS3_STATE_DIR": str(tmp_path / "state")})
    done = person.run("server", "status")
    assert done.code == 3
    assert "durability of new buckets: strict" in done.out
    done = person.run("server", "durability", "nothing")
    assert (done.code, "data directory" in done.err) == (3, True)
    ports = ("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
    assert person.run("server", "start", "--durability", "relaxed", *ports).code == 0
    try:
        done = person.run("server", "scrub", "--json")
        assert (done.code, json.loads(done.out)["damaged"]) == (0, 0)
        shown = json.loads(person.run("server", "status", "--json").out)
        assert (shown["state"], shown["stored"]["scrub"]["damaged"]) == ("running", 0)
        assert shown["durability"] == "relaxed"
    finally:
        assert person.run("server", "stop").code == 0


@pytest.mark.parametrize(
    ("text", "rate"),
    [("50MiB", 50 * 1024**2), ("1.5 kb/s", 1536), ("7", 7), ("0", None), ("full", None), ("2G", 2 * 1024**3)],
)
def test_rates(text: str, rate: float | None) -> None:
    assert _rate(None, None, text) == rate  # type: ignore[arg-type]  # click's context is not looked at


@pytest.mark.parametrize("text", ["fast", "", "-1", "0.0", "5 apples"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a rate"):
        _rate(None, None, text)  # type: ignore[arg-type]  # click's context is not looked at


def test_state_reads_as_sentences() -> None:
    damaged = tuple(DamagedRecord("b", f"k{number}\n", "block 0 differs") for number in range(SHOWN_MAX + 2))
    lines = lines_of(State({"a": "none"}, damaged, ScrubState("", 0, None, 5, 2048, 1)))
    assert lines[0] == "buckets that are not strict: a none"
    assert r"  b/k0\n: block 0 differs" in lines
    assert "  and 2 more (--json names them)" in lines
    assert lines[-1] == "last scrub: begun, not finished 1970-01-01 00:00:00 UTC: 5 objects, 2 KiB, 1 damaged"


def test_a_person_sees_how_far_it_is_and_a_script_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    class Watched(Out):
        interactive = True  # as if somebody sat there

    ticker = _Ticker(Watched())
    ticker.show(lambda: "half")
    ticker.show(lambda: "too soon")
    ticker.clear()
    assert capsys.readouterr().err == "\rhalf\r    \r"
    silent = _Ticker(Out())
    silent.show(lambda: "half")
    silent.clear()
    assert capsys.readouterr().err == ""


def test_flipped_index_rows_are_found_and_never_read(server: Server) -> None:
    server.stop()  # what is in the log goes into the tables
    index = server.data / "index.sqlite"
    content = bytearray(index.read_bytes())
    hits = []
    at = content.find(b"small" * 100)
    while at >= 0:
        hits.append(at)
        at = content.find(b"small" * 100, at + 500)
    for at in hits:
        content[at + 7] ^= 1
    index.write_bytes(content)
    server.start()
    assert {ask(server, "GET", f"/bucket/small{number}")[0] for number in range(4)} == {500}
    assert statuses(server) == [200] * 4
    found = run_json(server, "scrub", "--rate", "0", code=11)
    assert {(one["kind"], one["key"]) for one in found["found"]} == {("index", f"small{number}") for number in range(4)}
    run(server, "fsck", code=11)
    for number in range(4):
        assert ask(server, "PUT", f"/bucket/small{number}", b"healed")[0] == 200
        assert ask(server, "GET", f"/bucket/small{number}") == (200, b"healed")
    run(server, "scrub", "--rate", "0")

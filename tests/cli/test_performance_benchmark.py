"""`cybs3 performance benchmark` as a person uses it: what it prints, what it keeps, what it ends with."""

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from cybous3.lab.bench import result
from tests.support.server import Server
from tests.support.shell import Shell
from tests.support.tiny_http import ok, refusal, tiny_http
from tests.support.yes_s3 import accepts

QUICK = ("--operations", "30", "--objects", "20", "--concurrency", "3")


@pytest.fixture
def keys(shell: Shell) -> Shell:
    """Give a shell that knows some access key; the little server of these tests takes any."""
    shell.patch.setenv("AWS_ACCESS_KEY_ID", "A")
    shell.patch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    return shell


def bench(*arguments: str) -> tuple[str, ...]:
    return ("performance", "benchmark", *arguments)


def at(server: Server, shell: Shell) -> tuple[str, ...]:
    secret = shell.home / "secret"
    secret.parent.mkdir(parents=True, exist_ok=True)
    secret.write_text(server.root.secret_key)
    return ("--endpoint", server.endpoint, "--access-key", server.root.access_key, "--secret-key-file", str(secret))


def test_a_server_of_its_own_is_started_and_labelled(shell: Shell) -> None:
    """Without an endpoint: durability and both CPU shares are printed, results go to the person's own folder."""
    done = shell(*bench("put", *QUICK))
    assert done.code == 0, done
    assert "durability: strict" in done.out
    assert "the generator used" in done.out
    assert "of a core, the server" in done.out
    folder = shell.home / "cybs3" / "performance"
    kept = sorted(folder.iterdir())
    assert [path.suffix for path in kept] == [".csv", ".hlog", ".jsonl"]
    (run,) = result.load(kept[2])
    assert (run.label, run.durability, run.blocks[0].count) == ("own", "strict", 30)
    assert run.blocks[0].server_cpu_s is not None


def test_any_endpoint_several_kinds_and_raw_operations(shell: Shell, server: Server, tmp_path: Path) -> None:
    more = ("--out", str(tmp_path / "r"), "--label", "mine", "--raw", "--durability", "strict", "--blocks", "2")
    said = shell.json(*bench("get", "mixed", *QUICK, *more, "--mix", "get:1,put:1", *at(server, shell)))
    stored = result.load(Path(said["file"]))
    assert [run["workload"]["kind"] for run in said["runs"]] == ["get", "mixed"]
    assert [run.to_json() for run in stored] == said["runs"]
    assert [block.count for run in stored for block in run.blocks] == [30] * 4
    raw = Path(said["file"].replace(".jsonl", ".operations.jsonl")).read_text().splitlines()
    assert len(raw) == 120
    assert {json.loads(line)["op"] for line in raw} == {"get", "put"}


def test_an_open_loop_is_labelled_and_shows_both_clocks(shell: Shell, server: Server, tmp_path: Path) -> None:
    open_loop = ("--rate", "200", "--duration", "0.3", "--arrivals", "constant")
    said = shell.ok(*bench("stat", "--objects", "5", *open_loop, "--out", str(tmp_path), *at(server, shell)))
    assert "open loop, 200/s, constant arrivals" in said
    assert "from its real start" in said


def test_sealing_needs_no_server(shell: Shell, tmp_path: Path) -> None:
    quick = ("--operations", "10", "--concurrency", "2", "--out", str(tmp_path), "--ceiling")
    said = shell.json(*bench("encrypt", *quick))
    (run,) = said["runs"]
    assert said["ceiling"].keys() == {"put", "get"}
    assert (run["durability"], run["blocks"][0]["ops"][0]["count"]) == ("memory", 10)
    assert run["blocks"][0]["ops"][0]["errors"] == {}


@pytest.mark.parametrize(
    ("said", "code"),
    [(refusal("SlowDown"), 5), (refusal("InsufficientStorage", "507 Full"), 30), (None, 20)],
    ids=["some failed", "the target is full", "the target is gone"],
)
def test_failed_operations_are_shown_stored_and_have_exit_codes(
    keys: Shell, tmp_path: Path, said: bytes | None, code: int
) -> None:
    with tiny_http(accepts(put=lambda _head: said)) as tiny:
        done = keys(*bench("put", *QUICK, "--endpoint", tiny.endpoint, "--bucket", "b", "--out", str(tmp_path)))
    assert done.code == code, done
    assert "30 operations failed" in done.err
    (run,) = result.load(next(tmp_path.glob("*.jsonl")))
    assert run.blocks[0].failed == 30


def test_control_c_keeps_and_labels_what_there_is(keys: Shell, tmp_path: Path) -> None:
    seen = iter(range(1000))

    def sized(_head: bytes) -> bytes:
        if next(seen, 0) == 99:
            threading.Timer(0, os.kill, (os.getpid(), signal.SIGINT)).start()
        return ok().replace(b"Length: 0", b"Length: 4096")

    with tiny_http(accepts(head=sized)) as tiny:
        where = ("--endpoint", tiny.endpoint, "--bucket", "b", "--out", str(tmp_path))
        done = keys(*bench("stat", "put", "--duration", "60", "--objects", "5", *where))
        removed = [head for head in tiny.heads if b"list-type=2" in head]
    assert done.code == 130
    assert "INCOMPLETE: interrupted in block 1 of 1" in done.out
    (run,) = result.load(next(tmp_path.glob("*.jsonl")))  # `put` was never begun
    assert (run.completed, run.note) == (False, "interrupted in block 1 of 1")
    assert run.blocks[0].count > 0
    assert removed, "nobody looked for test data to remove"


def test_a_full_disk_for_the_results_is_told_after_the_table(keys: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with tiny_http(accepts()) as tiny:
        where = ("--endpoint", tiny.endpoint, "--bucket", "b", "--out", str(tmp_path / "results"))
        keys.patch.setattr("cybous3.cli.performance_benchmark.save", _no_room)
        done = keys(*bench("put", *QUICK, *where))
    assert done.code == 30
    assert "no space left" in done.err
    assert "put of 4KiB" in done.out


def _no_room(*_arguments: object) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        full.write("x")


def test_a_target_that_is_not_there_and_wrong_credentials(keys: Shell, server: Server, tmp_path: Path) -> None:
    out = ("--out", str(tmp_path))
    assert "cannot reach" in keys.fails(20, *bench("put", "--endpoint", "http://127.0.0.1:1", *out))
    assert "unknown access key" in keys.fails(21, *bench("put", "--endpoint", server.endpoint, *out))
    assert list(tmp_path.glob("*.jsonl")) == []


@pytest.mark.parametrize(
    "wrong",
    [
        (),
        ("sing",),
        ("put", "--size", "much"),
        ("put", "--mix", "get"),
        ("put", "--mix", "sing:1"),
        ("put", "--rate", "-1"),
        ("put", "--duration", "0"),
        ("put", "--duration", "1", "--operations", "1"),
        ("put", "--rate", "5", "--connections", "2"),
        ("put", "--processes", "9", "--concurrency", "2"),
        ("put", "--endpoint", "http://127.0.0.1:1"),
        ("put", "--endpoint", "http://127.0.0.1:1", "--access-key", "A"),
    ],
)
def test_a_wrong_command_line_is_refused_before_anything_is_started(shell: Shell, wrong: tuple[str, ...]) -> None:
    shell.fails(2, *bench(*wrong))


def test_the_group_lists_its_commands_without_importing_them(shell: Shell) -> None:
    said = shell.ok("performance", "--help")
    assert "benchmark" in said
    assert "Put a load on an S3 endpoint" in said

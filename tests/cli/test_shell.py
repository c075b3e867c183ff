"""The frame: how commands are found, and how they end."""

import io
import json
import os
import signal
import subprocess
import sys

import click
import pytest

from cybous3.cli.output import Out, human_bytes, printable
from cybous3.cli.shell import COMMANDS, LocalProblem, cybs3, run
from cybous3.core.errors import CybousError
from tests.support.shell import Shell


def ending(error: BaseException | None, *arguments: str) -> int:
    @click.command()
    @click.option("--json", "as_json", is_flag=True)
    def command(*, as_json: bool) -> None:
        del as_json
        if error is not None:
            raise error

    return run("cybs3", list(arguments), command)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 0),
        (CybousError("x", hint="do this"), 1),
        (LocalProblem("x"), 30),
        (PermissionError(13, "Permission denied", "/f"), 30),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("x"), 1),
        (click.UsageError("x"), 2),
    ],
)
def test_every_end_has_its_code_and_none_a_traceback(
    error: BaseException | None, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ending(error) == code
    assert "Traceback" not in capsys.readouterr().err


def test_errors_carry_their_hint(capsys: pytest.CaptureFixture[str]) -> None:
    ending(CybousError("it\x1b broke", hint="mend it"))
    assert capsys.readouterr().err == "cybs3: it\\x1b broke\n  hint: mend it\n"
    ending(CybousError("broke", hint="mend it"), "--json")
    assert json.loads(capsys.readouterr().err) == {"error": {"message": "broke", "hint": "mend it", "exit_code": 1}}


def test_a_defect_can_be_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYBS3_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        ending(ZeroDivisionError())


def test_every_command_of_the_table_exists_and_explains_itself(shell: Shell) -> None:
    said = shell.ok("--help")
    for name, entry in COMMANDS.items():
        assert name in said
        assert entry.summary in said
        assert shell.ok(name, "--help")
    assert shell("nonsense").code == 2
    assert cybs3.list_commands(click.Context(cybs3)) == sorted(COMMANDS)


def test_the_version_is_told_quickly_and_in_full() -> None:
    for option in ("--version", "-V"):
        done = subprocess.run([sys.executable, "-m", "cybous3.cli.cybs3", option], capture_output=True, check=True)
        assert done.stdout.startswith(b"cybs3 0.")


def test_version_imports_nothing_heavy() -> None:
    """Less than 60 ms: what is imported decides, and can be told without a clock."""
    code = (
        "import sys; sys.argv = ['cybs3', '--version']\n"
        "from cybous3.cli.cybs3 import main; main()\n"
        "print([m for m in ('click', 'rich', 'cryptography', 'asyncio', 'sqlite3') if m in sys.modules])"
    )
    # The coverage gate measures child processes, and its own imports would be mistaken for ours.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, env=plain)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM there")
def test_a_request_to_end_is_an_orderly_end() -> None:
    code = (
        "import time, click\nfrom cybous3.cli.shell import run\n"
        "@click.command()\ndef wait():\n"
        "    try:\n        print('ready', flush=True)\n        time.sleep(60)\n"
        "    finally:\n        print('tidy', flush=True)\n"
        "raise SystemExit(run('cybs3', [], wait))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "tidy\n")
    assert "Traceback" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end otherwise there")
def test_a_reader_that_left_is_no_error() -> None:
    code = (
        "import click, sys\nfrom cybous3.cli.shell import run\n"
        "@click.command()\ndef talk():\n    sys.stdin.read()\n"
        "    while True:\n        sys.stdout.write('x' * 100000)\n        sys.stdout.flush()\n"
        "raise SystemExit(run('cybs3', [], talk))"
    )
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    os.close(reader)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (141, b"")


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (10**6, "977 KiB"),
        (2**20, "1 MiB"),
        (5 * 2**30, "5 GiB"),
        (2**40 - 1, "1 TiB"),
        (3 * 2**50, "3 PiB"),
    ],
)
def test_sizes_are_readable(count: int, text: str) -> None:
    assert human_bytes(count) == text


def test_ordinary_letters_of_any_script_stay() -> None:
    assert printable("ümläut 日本 🗝") == "ümläut 日本 🗝"
    assert printable("a\nb\u202ec") == "a\\nb\\u202ec"


def test_streams_have_one_job_each() -> None:
    stdout, stderr = io.StringIO(), io.StringIO()
    out = Out(stdout=stdout, stderr=stderr)
    out.result({"a": 1}, ["one", "", "two"])
    out.event({"b": 1}, "three")
    out.note("noted")
    out.warn("beware")
    out.table(["NAME", "SIZE"], [["x\x07", "1"], ["longer", "22"]])
    assert stdout.getvalue() == "one\ntwo\nthree\nNAME    SIZE\nx\\x07   1\nlonger  22\n"
    assert stderr.getvalue() == "noted\nwarning: beware\n"
    assert not out.interactive


def test_json_and_quiet_leave_out_what_is_not_asked_for() -> None:
    stdout, stderr = io.StringIO(), io.StringIO()
    out = Out(as_json=True, stdout=stdout, stderr=stderr)
    out.result({"ü": 1}, "text")
    out.event({"b": 1}, "text")
    out.note("noted")
    out.table(["A"], [["b"]])
    assert stdout.getvalue() == '{"ü": 1}\n{"b": 1}\n'
    quiet = Out(quiet=True, stdout=stdout, stderr=stderr)
    quiet.event({}, "unheard")
    quiet.note("unheard")
    assert stderr.getvalue() == ""

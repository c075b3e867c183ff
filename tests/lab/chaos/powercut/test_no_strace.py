"""Where system calls cannot be recorded, one sentence says why, and nothing is called a verdict."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cybous3.cli.shell import run
from cybous3.lab.chaos.powercut import programs, recording
from cybous3.lab.chaos.powercut.calls import BadLog, read_calls
from cybous3.lab.chaos.powercut.effects import EMPTY
from cybous3.lab.chaos.powercut.interpret import interpret
from cybous3.lab.chaos.powercut.recording import Recording, check_whole

Crash = Callable[..., tuple[int, str]]

FORBIDDEN = """#!/bin/sh
echo "strace: ptrace(PTRACE_TRACEME, ...): Operation not permitted" >&2
exit 1
"""
# It runs the command and writes nothing that could be followed.
ANOTHER = """#!/bin/sh
while [ "$1" != -o ]; do shift; done
log=$2; shift 2
printf '1 1.0 brand_new_call(3</a>, "\\\\x41") = 1 <0.1>\\nof another form\\n' >"$log"
exec "$@"
"""


@pytest.fixture
def crash(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Crash:
    def command(strace: str | None) -> tuple[int, str]:
        bare = tmp_path / "bin"
        bare.mkdir()
        for name in ("sh",):
            (bare / name).symlink_to(str(shutil.which(name)))
        if strace is not None:
            (bare / "strace").write_text(strace, encoding="utf-8")
            (bare / "strace").chmod(0o755)
        monkeypatch.setenv("PATH", str(bare))
        monkeypatch.setattr(programs, "tools_folder", lambda: tmp_path / "none")
        code = run("cybs3", ["chaos", "crash", "--cuts", "1", "--requests", "1"])
        return code, capfd.readouterr().err

    return command


@pytest.mark.parametrize(
    ("strace", "why"),
    [
        (None, "strace is not on this machine"),
        (FORBIDDEN, "strace cannot trace here: ptrace(PTRACE_TRACEME, ...): Operation not permitted"),
    ],
)
def test_it_ends_with_one_sentence_and_a_hint(crash: Crash, strace: str | None, why: str) -> None:
    code, said = crash(strace)
    lines = said.strip().splitlines()[1:]  # the first tells what it began with
    assert code == recording.CannotTrace.exit_code == 3
    assert lines[0] == f"cybs3: {why}"
    assert lines[1].startswith("  hint: ")
    assert len(lines) == 2


@pytest.mark.slow
def test_a_log_that_does_not_tell_the_whole_is_no_verdict(crash: Crash) -> None:
    """An strace that writes calls nobody knows, and forms nobody reads: the files themselves tell that it did."""
    code, said = crash(ANOTHER)
    assert code == BadLog.exit_code == 3
    assert said.strip().splitlines()[-1].endswith("the log does not tell the whole")


def test_unknown_calls_change_nothing_and_what_they_did_is_missed(tmp_path: Path) -> None:
    lines = ['7 1.0 brand_new_call(3</a>, "\\x41") = 1 <0.1>\n', "7 1.1 +++ exited +++\n", "\n", "nonsense\n"]
    events = interpret(os.fsencode(tmp_path), EMPTY, list(read_calls(lines)))
    assert events == []
    made = Recording(EMPTY, events, (), (float("inf"),))
    check_whole(made, tmp_path)
    (tmp_path / "new").write_bytes(b"by the new call")
    with pytest.raises(BadLog, match="new is only there"):
        check_whole(made, tmp_path)

"""A program run as a fork of one that is warm behaves as one that was started: arguments, environment, end."""

import os
import signal
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from cybous3.lab.chaos.powercut import warm
from cybous3.lab.chaos.powercut.warm import Warm

PROGRAM = """
import os, sys, time
print(sys.argv[1:], os.environ.get("COLOUR"), "HOME" in os.environ, sys.stdin.read())
if "sleep" in sys.argv:
    time.sleep(60)
if "raise" in sys.argv:
    raise ValueError("a plain defect")
if sys.argv[1:2] == ["code"]:
    sys.exit(int(sys.argv[2]))
if sys.argv[1:2] == ["words"]:
    sys.exit("in words")
"""


def warmed(folder: Path, run_s_max: int = warm.RUN_S_MAX) -> Warm:
    (folder / "told.py").write_text(textwrap.dedent(PROGRAM), encoding="utf-8")
    path = os.pathsep.join([str(folder), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    return Warm("told", ("json",), {**os.environ, "PYTHONPATH": path.strip(os.pathsep)}, run_s_max)


@pytest.fixture
def ready(tmp_path: Path) -> Iterator[Warm]:
    with warmed(tmp_path) as ready:
        yield ready


def test_each_run_has_its_own_arguments_environment_and_end(ready: Warm) -> None:
    assert ready.run(["a", "b"], {"COLOUR": "red"}) == (0, "['a', 'b'] red False")
    assert ready.run(["code", "7"], {"HOME": "x"}) == (7, "['code', '7'] None True")
    assert ready.run(["words"], {})[0] == 1
    assert ready.run([], {}) == (0, "[] None False"), "what ended before it left nothing behind"


def test_a_defect_is_an_end_like_any_other(ready: Warm) -> None:
    code, _ = ready.run(["raise"], {})
    assert code == 1
    assert ready.run(["code", "0"], {})[0] == 0


def test_when_the_process_is_gone_it_is_said(ready: Warm) -> None:
    ready._process.kill()
    ready._process.wait()
    with pytest.raises(BrokenPipeError):
        ready.run([], {})


def test_a_run_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with warmed(tmp_path, run_s_max=1) as ready:
        assert ready.run(["sleep"], {})[0] == -signal.SIGALRM
        assert ready.run(["code", "3"], {})[0] == 3

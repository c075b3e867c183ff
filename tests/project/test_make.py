"""The one door: every target is listed, set-up is idempotent in its reading, and CI knows nothing else."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.house import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROMISED = {"demo", "test", "check", "cover", "generate", "help", "docs", "lint", "types", "floors", "quick", "clean"}


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
def test_bare_make_lists_every_target() -> None:
    listing = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = set(re.findall(r"^  ([a-z]+) +\S", listing, re.MULTILINE))
    assert listed >= PROMISED
    declared = set(re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[1].split())  # type: ignore[index]  # it is there
    assert declared - listed == {"run", "dev"}, "targets that nobody can find"


def test_every_target_that_runs_something_sets_up_first() -> None:
    """No target calls the environment's Python without building it."""
    for target, needs, recipe in re.findall(r"^([a-z]+):([^\n]*)\n((?:\t[^\n]*\n)*)", MAKEFILE, re.MULTILINE):
        if "$(PY" in recipe or "$(COVERED)" in recipe:
            assert {"run", "dev"} & set(needs.split("##")[0].split()), target


def test_ci_runs_check_then_test_and_nothing_else() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = [line for line in script.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert lines == ["set -eu", 'cd "$(dirname "$0")/.."', "make check", "make test"]


@pytest.mark.skipif(shutil.which("sh") is None, reason="no POSIX shell on this machine")
@pytest.mark.parametrize("python", ["/nonexistent/python", "false"])
def test_setup_refuses_a_python_that_is_none(tmp_path: Path, python: str) -> None:
    """A wrong PYTHON= is one clear sentence, not a half-made environment."""
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "setup.sh", tmp_path / "tools")
    environment = {**os.environ, "PYTHON": python}
    command = ["sh", "tools/setup.sh", "run"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"PYTHON={python} is not a Python of 3.11 or newer\n"
    assert not (tmp_path / ".venv").exists()

"""The README's one-minute tour runs as it stands, in an empty home."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.house import ROOT
from tests.support.server import free_port

pytestmark = pytest.mark.e2e

WRAPPER = '#!/bin/sh\nexec {python} -m cybous3.cli.{name} "$@"\n'


def tour() -> str:
    """Return the shell commands of the tour."""
    chapter = (ROOT / "README.md").read_text(encoding="utf-8").split("## One-minute tour")[1].split("\n## ")[0]
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", chapter, re.MULTILINE | re.DOTALL))


@pytest.mark.skipif(shutil.which("sh") is None, reason="no POSIX shell on this machine")
def test_the_tour_runs_as_it_stands(tmp_path: Path) -> None:
    commands = tour()
    assert commands.count("cybs3 ") > 8
    programs, home, folder = tmp_path / "bin", tmp_path / "home", tmp_path / "work here"
    for place in (programs, home, folder):
        place.mkdir()
    for name in ("cybs3", "swifts3"):
        quoted = "'" + sys.executable.replace("'", "'\\''") + "'"
        (programs / name).write_text(WRAPPER.format(python=quoted, name=name), encoding="utf-8")
        (programs / name).chmod(0o755)
    foreign = ("CYBS3_", "SWIFTS3_", "AWS_", "XDG_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | {
        "HOME": str(home),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        # The machine that runs the tests may have a server on the usual ports.
        "SWIFTS3_LISTEN": f"127.0.0.1:{free_port()}",
        "SWIFTS3_ADMIN_LISTEN": f"127.0.0.1:{free_port()}",
    }
    done = subprocess.run(
        ["sh", "-eu", "-c", commands], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    try:
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        assert "dear Ada" in done.stdout
        assert "the same, byte for byte" in done.stdout
    finally:  # when the tour broke off before its own last line
        subprocess.run([str(programs / "cybs3"), "server", "stop"], env=environment, capture_output=True, check=False)

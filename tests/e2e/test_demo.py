"""`make demo` tells the whole story, and clears up however it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.house import ROOT

pytestmark = pytest.mark.e2e

COMMAND = [sys.executable, "tools/demo.py", "--large", "16", "--files", "150"]


def environment(scratch: Path) -> dict[str, str]:
    """Return an environment whose temporary directory is ours to look into."""
    return {**os.environ, "TMPDIR": str(scratch), "HOME": str(scratch)}


def leftovers(scratch: Path) -> list[str]:
    """Return the files and the processes that still belong to the demonstration."""
    processes = [
        " ".join(process.info["cmdline"])
        for process in psutil.process_iter(["cmdline"])
        if process.info["cmdline"] and str(scratch) in " ".join(process.info["cmdline"])
    ]
    return [path.name for path in scratch.glob("cybous3-demo-*")] + processes


def test_the_demo_keeps_its_promises_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        COMMAND, cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "the same, byte for byte" in done.stdout
    assert "No name of the tree is in a key" in done.stdout
    assert "Traceback" not in done.stderr
    assert leftovers(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there")
def test_an_interrupted_demo_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C in the middle of the upload: the server is stopped, the directory removed."""
    demo = subprocess.Popen(
        COMMAND, cwd=ROOT, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert demo.stdout is not None
    with demo.stdout:
        for line in demo.stdout:
            if "folders put" in line:
                demo.send_signal(signal.SIGINT)
                break
        rest = demo.stdout.read()
    assert demo.wait(60) == 130, rest
    assert "interrupted" in rest
    assert leftovers(tmp_path) == []

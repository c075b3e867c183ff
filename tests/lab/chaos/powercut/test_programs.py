"""Programs are found on the path first, then where tools/debian.sh unpacks them, with the libraries they need."""

import shutil
import subprocess
from pathlib import Path

import pytest

from cybous3.lab.chaos.powercut.programs import find_library, find_program, how_to_get, tools_folder
from tests.support.house import ROOT


def test_the_systems_own_comes_first_and_needs_nothing(tmp_path: Path) -> None:
    found = find_program("sh", tmp_path)
    assert found is not None
    assert found.path == shutil.which("sh")
    assert found.environment == {}


def test_an_unpacked_program_comes_with_its_library_path(tmp_path: Path) -> None:
    program = tmp_path / "root" / "usr" / "bin" / "only-here"
    library = tmp_path / "root" / "usr" / "lib" / "x86_64-linux-gnu" / "libonly.so.1"
    for path in (program, library):
        path.parent.mkdir(parents=True)
        path.write_text("#!/bin/sh\necho found\n", encoding="utf-8")
    assert find_program("only-here", tmp_path) is None, "it cannot be run"
    program.chmod(0o755)
    found = find_program("only-here", tmp_path)
    assert found is not None
    assert subprocess.run([found.path], capture_output=True, check=True).stdout == b"found\n"
    assert str(library.parent) in found.environment["LD_LIBRARY_PATH"].split(":")
    assert find_library("libonly.so.1", tmp_path) == str(library)


def test_what_is_nowhere_is_none_and_how_to_get_it_is_said(tmp_path: Path) -> None:
    assert find_program("no-such-program", tmp_path) is None
    assert find_library("libnone.so.9", tmp_path) is None
    assert "tools/debian.sh fuse3" in how_to_get("fusermount3")
    assert tools_folder() == ROOT / ".tools"


@pytest.mark.skipif(shutil.which("sh") is None, reason="no POSIX shell on this machine")
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "usage: tools/debian.sh"),
        (["../escape"], 2, "is not the name of a package"),
        (["--soft", "no-such-package-anywhere"], 0, "cannot be had: this is no Debian"),
        (["no-such-package-anywhere"], 1, "cannot be had: this is no Debian"),
    ],
)
def test_fetching_says_why_it_cannot(tmp_path: Path, words: list[str], code: int, said: str) -> None:
    """Without apt there is one clear line for each package; `--soft` turns failure into a remark."""
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "debian.sh", tmp_path / "tools")
    bare = tmp_path / "bin"
    bare.mkdir()
    for name in ("dirname", "mkdir", "rm"):
        (bare / name).symlink_to(str(shutil.which(name)))
    shell = str(shutil.which("sh"))
    done = subprocess.run(
        [shell, "tools/debian.sh", *words],
        cwd=tmp_path,
        env={"PATH": str(bare)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr

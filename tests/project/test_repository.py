"""What is committed names no machine, no index and no address to install from; and what it links to is there."""

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.support.house import ROOT

# Put together here so that this file does not contain what it forbids.
FORBIDDEN = (
    "/work" + "/main",
    "/work" + "/shared",
    "tmp" + "/plan",
    "pypi" + ".org",
    "files.python" + "hosted",
    "--index" + "-url",
    "--find" + "-links",
    "--extra-index" + "-url",
)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)")


@cache
def tracked() -> list[Path]:
    """Return every file git knows of, or every file that is there when this is no clone."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    names = done.stdout.decode().split("\0") if done.returncode == 0 else []
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def test_nothing_names_a_machine_or_an_index() -> None:
    if not tracked():
        pytest.skip("not a git clone")
    found = []
    for path in tracked():
        text = path.read_bytes().decode("utf-8", "replace")
        found += [f"{path.relative_to(ROOT)}: {word}" for word in FORBIDDEN if word in text]
    assert found == []


def test_pins_have_hashes() -> None:
    """Every requirement is pinned to one version and to the hashes of its files."""
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        blocks = re.split(r"\n(?=[A-Za-z0-9])", path.read_text(encoding="utf-8").strip())
        loose = [block.splitlines()[0] for block in blocks if "==" not in block or "--hash=sha256:" not in block]
        assert loose == [], path.name


def test_run_and_dev_agree() -> None:
    """What the tests prove is what a user installs: dev.txt holds every pin of run.txt and build.txt."""

    def pins(name: str) -> set[str]:
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        return set(re.findall(r"^([a-z0-9-]+==[^ ;\\]+)", text, re.MULTILINE))

    assert pins("run.txt") | pins("build.txt") <= pins("dev.txt")


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_links_lead_somewhere(name: str) -> None:
    targets = LINK.findall((ROOT / name).read_text(encoding="utf-8"))
    assert [target for target in targets if not (ROOT / target).exists()] == []

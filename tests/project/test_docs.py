"""The documentation builds strictly, fetches nothing, and knows every command."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.support.house import ROOT
from tools import generate_cli_reference, generate_reference

# What a browser would fetch by itself when a page is opened; a link that a person may follow is another matter.
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source)[^>]*\ssrc=["'](?:https?:)?//|<link[^>]*\shref=["'](?:https?:)?//"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the documentation once."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_reading_fetches_nothing(site: Path) -> None:
    assert FETCHED.search('<script src="https://cdn.example/x.js">')
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 10
    assert [page.name for page in pages if FETCHED.search(page.read_text(encoding="utf-8"))] == []
    sheets = [sheet.read_text(encoding="utf-8") for sheet in site.rglob("*.css")]
    assert [text[:80] for text in sheets if re.search(r"url\(\s*['\"]?(https?:)?//", text)] == []


def test_every_command_is_documented() -> None:
    """The reference page has a section for every command there is; `make generate` writes it."""
    page = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    commands = [context.command_path for context in generate_cli_reference.contexts()]
    assert len(commands) > 20
    assert [command for command in commands if f" {command}\n" not in page] == []


def test_every_command_explains_itself() -> None:
    """Each command and each option has a help text."""
    silent = [context.command_path for context in generate_cli_reference.contexts() if not context.command.help]
    mute = [
        f"{context.command_path} {option.opts[0]}"
        for context in generate_cli_reference.contexts()
        for option in context.command.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert silent + mute == []


def test_every_exit_code_is_documented() -> None:
    """No error ends a command with a code that docs/reference/exit-codes.md does not explain."""
    page = (ROOT / "docs" / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    used = {family.exit_code for family in generate_reference.families()}
    assert len(used) > 5
    assert used - documented == set()

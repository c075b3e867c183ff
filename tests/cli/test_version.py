"""The version is found without `importlib.metadata`, and is what that would say."""

import sys
from importlib.metadata import version as installed
from pathlib import Path

import pytest

from cybous3.cli.version import version, version_line


def test_it_is_what_the_installer_wrote() -> None:
    assert version() == installed("cybous3")
    assert version_line("cybs3") == f"cybs3 {installed('cybous3')}"


def test_the_first_place_that_python_looks_at_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    (first / "cybous3_other-9.dist-info").mkdir(parents=True)
    (second / "cybous3-7.1.dist-info").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "archive.zip"), str(first), str(second), *sys.path])
    assert version() == "7.1"


def test_a_bare_source_tree_says_that_it_does_not_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert version() == "unknown"

"""What a word names: endpoints, builds, revisions, results; and what names nothing is said so."""

import subprocess
import sys
from pathlib import Path

import pytest

from cybous3.lab.bench.verdict import sides
from cybous3.lab.bench.verdict.sides import Build, Endpoint, Revision, Saved, UnknownSide, side_of
from tests.support.house import ROOT


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a repository with one commit, and stand in it."""
    folder = tmp_path / "repository"
    (folder / "src" / "cybous3" / "cli").mkdir(parents=True)
    (folder / "src" / "cybous3" / "cli" / "swifts3.py").write_text("first\n", encoding="utf-8")
    name = ["-c", "user.name=a", "-c", "user.email=a@localhost"]
    for command in (["init", "-q"], ["add", "."], [*name, "commit", "-q", "-m", "first"], ["tag", "v1"]):
        subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True)
    monkeypatch.chdir(folder)
    return folder


def test_urls_and_own() -> None:
    assert side_of("http://127.0.0.1:9000") == Endpoint("http://127.0.0.1:9000")
    assert side_of("https://s3.example") == Endpoint("https://s3.example")
    assert side_of("own") == Build(Path(sys.executable))


def test_a_source_tree_is_named_by_its_folder_or_by_its_src() -> None:
    assert side_of(str(ROOT)) == side_of(str(ROOT / "src")) == Build(Path(sys.executable), ROOT / "src")


def test_a_python_keeps_the_name_it_is_called_by(tmp_path: Path) -> None:
    """Resolving the link of a virtual environment would lose the environment."""
    link = tmp_path / "python"
    link.symlink_to(sys.executable)
    assert side_of(str(link)) == Build(link)


def test_results_are_known_by_their_ending(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.touch()
    assert side_of(str(path)) == Saved(path)


def test_a_revision_is_taken_out_without_a_trace(repository: Path, tmp_path: Path) -> None:
    (repository / "src" / "cybous3" / "cli" / "swifts3.py").write_text("changed\n", encoding="utf-8")
    revision = side_of("v1")
    assert isinstance(revision, Revision)
    build = revision.take_out(tmp_path / "out")
    assert build == Build(Path(sys.executable), tmp_path / "out" / "src")
    assert (tmp_path / "out/src/cybous3/cli/swifts3.py").read_text(encoding="utf-8") == "first\n"
    told = subprocess.run(["git", "worktree", "list"], check=True, capture_output=True, text=True).stdout
    assert told.count("\n") == 1


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("word", ["v2", "--help", "no/such/place"])
def test_words_that_name_nothing(word: str) -> None:
    with pytest.raises(UnknownSide, match="neither an endpoint") as refused:
        side_of(word)
    assert refused.value.exit_code == 2


def test_folders_and_files_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(UnknownSide, match="no source tree"):
        side_of(str(tmp_path))
    (tmp_path / "x.txt").touch()
    with pytest.raises(UnknownSide, match="neither stored results nor a Python"):
        side_of(str(tmp_path / "x.txt"))


def test_without_git_a_revision_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnknownSide, match="git does not answer"):
        sides._git("status")

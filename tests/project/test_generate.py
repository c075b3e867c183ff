"""`make check` notices stale generated files, names them, and leaves the tree as it was."""

from pathlib import Path

import pytest

from tools import generate

TOOL = """
from pathlib import Path
folder = Path("docs")
folder.mkdir(exist_ok=True)
(folder / "a.txt").write_text("new")
(folder / "b.txt").write_text("kept")
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a little tree with one generator, whose first output is stale."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "tool.py").write_text(TOOL)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("old")
    (tmp_path / "docs" / "b.txt").write_text("kept")
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "GENERATORS", (("tools/tool.py", ("docs",)),))
    return tmp_path


def test_a_check_names_what_is_stale_and_changes_nothing(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 1
    assert "not up to date: docs/a.txt" in capsys.readouterr().out
    assert (tree / "docs" / "a.txt").read_text() == "old"


def test_a_missing_file_is_stale_too(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the tool writes and the tree does not have counts, and is not left behind."""
    (tree / "docs" / "b.txt").unlink()
    assert generate.main(["--check"]) == 1
    assert "docs/b.txt" in capsys.readouterr().out
    assert not (tree / "docs" / "b.txt").exists()


def test_generating_twice_changes_nothing_more(tree: Path) -> None:
    assert generate.main([]) == 0
    assert (tree / "docs" / "a.txt").read_text() == "new"
    assert generate.main(["--check"]) == 0


def test_a_generator_that_fails_ends_the_run(tree: Path) -> None:
    (tree / "tools" / "tool.py").write_text("raise SystemExit('no model')")
    with pytest.raises(SystemExit, match="no model"):
        generate.main(["--check"])


def test_every_generator_and_output_exists() -> None:
    for tool, outputs in generate.GENERATORS:
        assert (generate.ROOT / tool).is_file()
        assert all((generate.ROOT / output).exists() for output in outputs)

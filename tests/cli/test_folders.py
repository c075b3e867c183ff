"""The tree commands against a real server."""

import os
from pathlib import Path

import pytest

from cybous3.client.sync import crew
from tests.support.shell import Shell

pytestmark = pytest.mark.e2e

FILES = {"a.txt": b"1", "d/b.bin": os.urandom(5000), "d/e/c": b"", "skip.log": b"l"}


@pytest.fixture
def tree(vaulted: Shell) -> Shell:
    for name, data in FILES.items():
        Path("tree", name).parent.mkdir(parents=True, exist_ok=True)
        Path("tree", name).write_bytes(data)
    return vaulted


def restored(folder: str) -> dict[str, bytes]:
    root = Path(folder)
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_a_tree_goes_and_comes_back(tree: Shell) -> None:
    said = tree.ok("folders", "put", "tree")
    assert "put a.txt" in said
    assert "4 files moved" in said
    again = tree.json("folders", "put", "tree")
    assert (again["uploaded"], again["same"]) == (0, 4)
    report = tree.json("folders", "get", "tree", "back")
    assert report["downloaded"] == 4
    assert restored("back") == FILES
    assert tree.json("folders", "verify", "back", "tree", "--read") == {"same": 4, "different": []}


def test_many_small_files_go_and_come_by_helpers(vaulted: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """One file in the way fails alone, with the code of a partial failure."""
    monkeypatch.setattr(crew, "usable_cores", lambda: 2)
    monkeypatch.setattr(crew, "FILES_MIN", 10)
    monkeypatch.setattr("cybous3.client.sync.folders._FEW", 10)
    files = {f"d{number % 3}/f{number}": os.urandom(number) for number in range(40)}
    for name, data in files.items():
        Path("many", name).parent.mkdir(parents=True, exist_ok=True)
        Path("many", name).write_bytes(data)
    assert vaulted.json("folders", "put", "many")["uploaded"] == 40
    Path("back/d0/f3").mkdir(parents=True)
    done = vaulted("folders", "get", "many", "back")
    assert done.code == 5
    assert "f3" in done.err
    assert restored("back") == {name: data for name, data in files.items() if name != "d0/f3"}
    assert vaulted.json("folders", "put", "many")["same"] == 40


def test_filters_choose(tree: Shell) -> None:
    tree.ok("folders", "put", "tree", "/", "--exclude", "*.log", "--exclude", "e")
    assert tree.json("folders", "get", "/", "back", "--include", "*.txt")["downloaded"] == 1
    assert restored("back") == {"a.txt": b"1"}
    tree.fails(2, "folders", "put", "tree", "--exclude", "!x")


def test_a_dry_run_changes_nothing_and_tells_everything(tree: Shell) -> None:
    plan = tree.json("folders", "sync", "tree", "t", "--dry-run")
    assert plan["bytes"]["upload"] == sum(map(len, FILES.values()))
    assert tree.json("files", "list")["files"] == []
    assert "would put a.txt (new)" in tree.ok("folders", "put", "tree", "t", "-n")
    tree.ok("folders", "put", "tree", "t")
    assert "would get a.txt" in tree.ok("folders", "get", "t", "back", "--dry-run")
    assert not Path("back").exists()


def test_sync_follows_both_ways(tree: Shell) -> None:
    tree.ok("folders", "sync", "tree", "t")
    Path("tree/a.txt").unlink()
    Path("tree/new").write_bytes(b"n")
    report = tree.json("folders", "sync", "tree", "t", "--delete")
    assert (report["uploaded"], report["deleted"]) == (1, 1)
    Path("back").mkdir()
    Path("back/extra").write_bytes(b"")
    report = tree.json("folders", "sync", "back", "t", "--pull", "--delete")
    assert (report["downloaded"], report["deleted"]) == (4, 1)
    assert restored("back") == restored("tree")


def test_differences_have_a_code_of_their_own(tree: Shell) -> None:
    tree.ok("folders", "put", "tree")
    Path("tree/a.txt").write_bytes(b"2")
    done = tree("folders", "verify", "tree", "tree")
    assert done.code == 6
    assert "a.txt: the content differs" in done.out


def test_what_is_left_out_is_told_and_what_fails_is_counted(tree: Shell) -> None:
    Path("tree/link").symlink_to("nowhere")
    done = tree("folders", "put", "tree")
    assert done.code == 0
    assert "link: left out, a symbolic link" in done.err
    Path("back").mkdir()
    Path("back/d").write_bytes(b"in the way")
    done = tree("folders", "get", "tree", "back")
    assert done.code == 5
    assert Path("back/a.txt").read_bytes() == b"1"


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (30, ("put", "missing")),
        (30, ("verify", "missing", "t")),
        (2, ("put", "tree", "../x")),
        (2, ("get", "t")),
        (3, ("get", "nothing", "back")),
        (3, ("verify", "tree", "nothing")),
    ],
)
def test_bad_input_ends_in_one_sentence(tree: Shell, code: int, arguments: tuple[str, ...]) -> None:
    tree.fails(code, "folders", *arguments)

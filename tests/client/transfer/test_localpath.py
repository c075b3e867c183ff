import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.client.transfer.localpath import BadPath, Ground, UnsafePath, inside, local_path, stored_path

ESCAPES = ["", "/", "/etc/passwd", "..", "a/..", "../a", "a/../../b", "./a", "a//b", "a/", "a\0b", "a/" + "x" * 256]
WINDOWS = [
    "a\\b",
    "C:",
    "c:/x",
    "CON",
    "con.txt",
    "LPT1",
    "a.",
    "a ",
    "a:stream",
    "COM¹",
    "x/nul.tar.gz",
    "a\x01b",
    'a"b',
]


@pytest.mark.parametrize("stored", ESCAPES)
@pytest.mark.parametrize("windows", [False, True])
def test_a_stored_path_never_leaves_the_destination(stored: str, windows: bool) -> None:
    with pytest.raises(UnsafePath):
        local_path(Path("root"), stored, windows=windows)


@pytest.mark.parametrize("stored", WINDOWS)
def test_names_that_windows_would_reinterpret_are_refused_there(stored: str) -> None:
    with pytest.raises(UnsafePath):
        local_path(Path("root"), stored, windows=True)


@given(st.text(max_size=40))
def test_whatever_is_accepted_stays_inside_and_keeps_its_name(stored: str) -> None:
    try:
        path = local_path(Path("/root"), stored, windows=False)
    except UnsafePath:
        return
    assert path.relative_to("/root").as_posix() == stored
    assert ".." not in path.parts


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_in_the_destination_does_not_carry_a_restore_elsewhere(tmp_path: Path) -> None:
    root = tmp_path / "root"
    outside = tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "link").symlink_to(outside)
    with pytest.raises(UnsafePath, match="symbolic link"):
        inside(root, root / "link" / "file")
    assert inside(root, root / "file") == root / "file"


@pytest.mark.parametrize(("given_", "stored"), [("a/b", "a/b"), ("/a/", "a"), ("a", "a")])
def test_stored_paths_are_plain(given_: str, stored: str) -> None:
    assert stored_path(given_) == stored


@pytest.mark.parametrize("bad", ["", "/", "a//b", "../a", "."])
def test_a_stored_path_has_only_names(bad: str) -> None:
    with pytest.raises(BadPath):
        stored_path(bad)


def test_a_folder_of_the_destination_is_examined_once_and_again_when_it_is_another(tmp_path: Path) -> None:
    """A link planted in the middle of a restore must not carry the rest of it elsewhere."""
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    elsewhere.mkdir()
    ground = Ground(root)
    assert ground.ready("a/b/one") == root / "a" / "b" / "one"
    assert ground.ready("a/b/two").parent.is_dir()
    (root / "a" / "b").rmdir()
    (root / "a" / "b").symlink_to(elsewhere)
    with pytest.raises(UnsafePath):
        ground.ready("a/b/three")
    (root / "a" / "b").unlink()
    assert ground.ready("a/b/three").parent.is_dir()
    with pytest.raises(UnsafePath):
        ground.ready("../x")

"""The file commands against a real server."""

import json
import os
from pathlib import Path

import pytest

from tests.support.shell import Shell

pytestmark = pytest.mark.e2e


def plant(name: str, size: int) -> bytes:
    data = os.urandom(size)
    Path(name).write_bytes(data)
    return data


def test_a_file_goes_and_comes_back(vaulted: Shell) -> None:
    data = plant("a.bin", 3_000_000)
    stored = vaulted.json("files", "put", "a.bin", "docs/a.bin", "--content-type", "text/x", "--meta", "colour=grün")
    assert (stored["path"], stored["size"]) == ("docs/a.bin", len(data))
    got = vaulted.json("files", "get", "docs/a.bin", "back.bin")
    assert Path("back.bin").read_bytes() == data
    assert got["local"] == "back.bin"
    shown = vaulted.json("files", "stat", "docs/a.bin")
    assert (shown["content_type"], shown["metadata"]) == ("text/x", {"colour": "grün"})
    assert "content_type: text/x" in vaulted.ok("files", "stat", "docs/a.bin")


def test_names_have_sensible_defaults(vaulted: Shell) -> None:
    data = plant("a.bin", 10)
    vaulted.ok("files", "put", "a.bin")
    vaulted.ok("files", "put", "a.bin", "folder/")
    Path("a.bin").unlink()
    vaulted.ok("files", "get", "folder/a.bin")
    assert Path("a.bin").read_bytes() == data
    Path("into").mkdir()
    vaulted.ok("files", "get", "a.bin", "into")
    assert Path("into/a.bin").read_bytes() == data
    vaulted.ok("files", "copy", "a.bin", "copies/")
    assert set(vaulted.ok("files", "list", "-r").split()) == {"a.bin", "copies/a.bin", "folder/a.bin"}


def test_streams_go_through_pipes(vaulted: Shell) -> None:
    data = os.urandom(2_500_000)
    vaulted.ok("files", "put", "-", "piped", given=data)
    for arguments in (("cat", "piped"), ("get", "piped", "-")):
        done = vaulted("files", *arguments)
        assert done.out.encode("utf-8", "surrogateescape") == data
    part = vaulted("files", "cat", "piped", "--offset", "1048540", "--length", "20").out
    assert part.encode("utf-8", "surrogateescape") == data[1048540:1048560]
    vaulted.fails(2, "files", "put", "-", given=b"")


def test_listings_show_folders_sizes_and_what_is_missing(vaulted: Shell) -> None:
    plant("a", 5)
    for path in ("x/1", "x/y/2", "z"):
        vaulted.ok("files", "put", "a", path)
    assert set(vaulted.ok("files", "list").split()) == {"x/", "z"}
    assert set(vaulted.ok("files", "list", "/x").split()) == {"x/1", "x/y/"}
    assert vaulted.ok("files", "list", "z").split() == ["z"]
    long = vaulted.ok("files", "list", "-l", "x")
    assert "5" in long
    assert "SIZE" in long
    document = vaulted.json("files", "list", "-r")
    assert {item["path"]: item["size"] for item in document["files"]} == {"x/1": 5, "x/y/2": 5, "z": 5}
    folders = vaulted.json("files", "list", "x")["files"]
    assert {"path": "x/y/", "kind": "folder"} in folders
    assert "no file or folder" in vaulted.fails(3, "files", "list", "nothing/here")


def test_deleting_tells_what_was_not_there(vaulted: Shell) -> None:
    plant("a", 5)
    vaulted.ok("files", "put", "a", "one")
    assert "would delete one" in vaulted.ok("files", "delete", "one", "--dry-run")
    done = vaulted("files", "delete", "one", "two", "three")
    assert done.code == 5
    assert "deleted one" in done.out
    vaulted.fails(3, "files", "delete", "one")
    vaulted.fails(3, "files", "get", "one")
    vaulted.fails(3, "files", "stat", "one")


def test_nothing_is_overwritten_against_the_will(vaulted: Shell) -> None:
    plant("a", 5)
    vaulted.ok("files", "put", "a", "one")
    vaulted.fails(22, "files", "put", "a", "one", "--no-overwrite")
    vaulted.fails(30, "files", "get", "one", "a", "--no-overwrite")


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (30, ("put", "missing")),
        (30, ("put", ".")),
        (2, ("put", "a", "x/../../y")),
        (2, ("put", "a", "a//b")),
        (22, ("put", "a", "one/below")),
        (2, ("put", "a", "x", "--meta", "k=" + "v" * 20_000)),
        (2, ("put", "a", "x", "--meta", "nonsense")),
        (2, ("put",)),
        (30, ("get", "one", "no/such/folder/file")),
        (30, ("cat", "one", "--offset", "99")),
    ],
)
def test_bad_input_ends_in_one_sentence(vaulted: Shell, code: int, arguments: tuple[str, ...]) -> None:
    plant("a", 5)
    vaulted.ok("files", "put", "a", "one")
    vaulted.fails(code, "files", *arguments)


def test_errors_are_documents_too(vaulted: Shell) -> None:
    error = json.loads(vaulted.fails(3, "files", "stat", "nothing", "--json"))["error"]
    assert error["exit_code"] == 3
    assert error["hint"]


def test_a_name_from_elsewhere_cannot_speak_to_the_terminal(vaulted: Shell) -> None:
    plant("a", 5)
    vaulted.ok("files", "put", "a", "evil\x1b[2Jname")
    assert "\x1b" not in vaulted.ok("files", "list")
    assert "evil\\x1b[2Jname" in vaulted.ok("files", "list", "-l")


def test_a_copy_may_replace_a_newer_file(vaulted: Shell) -> None:
    data = plant("a", 50)
    vaulted.ok("files", "put", "a", "old")
    plant("b", 60)
    vaulted.ok("files", "put", "b", "new")
    vaulted.ok("files", "copy", "old", "new")
    vaulted.ok("files", "get", "new", "back")
    assert Path("back").read_bytes() == data


def test_an_empty_folder_is_no_file(vaulted: Shell) -> None:
    Path("tree/hollow").mkdir(parents=True)
    vaulted.ok("folders", "put", "tree", "t")
    vaulted.fails(30, "files", "get", "t/hollow", "x")
    vaulted.fails(30, "files", "cat", "t/hollow")
    assert not Path("x").exists()


def test_the_benchmarks_plaintext_needs_more_than_an_option_and_is_refused_by_every_other_read(
    vaulted: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = plant("a.bin", 100_000)
    refused = vaulted.fails(30, "files", "put", "--no-encryption", "a.bin")
    assert "CYBS3_BENCHMARK_PLAINTEXT" in refused
    monkeypatch.setenv("CYBS3_BENCHMARK_PLAINTEXT", "1")
    vaulted.ok("files", "put", "--no-encryption", "a.bin")
    vaulted.ok("files", "get", "--no-encryption", "a.bin", "back.bin")
    assert Path("back.bin").read_bytes() == data
    assert "without encryption" in vaulted.fails(13, "files", "get", "a.bin", "other.bin")
    assert "--no-encryption" not in vaulted.ok("files", "put", "--help")

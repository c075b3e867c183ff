"""A line that was noted is found by whoever comes after; what is torn, or nobody's, is nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cybous3.client.keys import intents as module
from cybous3.client.keys.errors import LocalProblem
from cybous3.client.keys.intents import GONE, Intent, Intents

VAULT, OTHER = bytes(16), b"\x01" * 16
ONE, TWO = Intent(b"\x01" * 16, 5), Intent(GONE, 6)


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite.intents"


@pytest.fixture(name="mine")
def _mine(path: Path) -> Iterator[Intents]:
    intents = Intents(path)
    yield intents
    intents.close()


def test_what_a_killed_process_noted_is_found(mine: Intents, path: Path) -> None:
    mine.note(VAULT, [("a", ONE), ("b", TWO)])
    mine.note(VAULT, [("a", TWO)])
    later = Intents(path)  # nothing was closed
    assert later.of(VAULT, "a") == [ONE, TWO]
    assert later.of(VAULT, "b") == [TWO]
    assert later.of(OTHER, "a") == later.of(VAULT, "c") == []
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_this_process_notes_after_it_looked_is_found_too(mine: Intents) -> None:
    assert mine.of(VAULT, "a") == []
    mine.note(VAULT, [("a", ONE)])
    assert mine.of(VAULT, "a") == [ONE]


def test_a_torn_line_and_a_strange_one_are_passed_over(mine: Intents, path: Path) -> None:
    mine.note(VAULT, [("a", ONE)])
    name = path.read_text(encoding="ascii").split(" ")[0]
    with path.open("a", encoding="latin-1") as out:
        out.write(f"{name} xx 7\n{name} - seven\n\xff\n{name} - 9")
    assert Intents(path).of(VAULT, "a") == [ONE]


def test_the_file_stays_small_and_what_is_set_aside_is_still_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT_BYTES", 100)
    for key in "abc":
        intents = Intents(path)
        intents.note(VAULT, [(key, ONE), (key, TWO)])
        intents.close()
        intents.close()
    later = Intents(path)
    assert [len(later.of(VAULT, key)) for key in "abc"] == [0, 0, 2]
    assert sum(each.stat().st_size for each in path.parent.iterdir()) < 200


def test_a_small_file_is_not_set_aside(path: Path) -> None:
    for key in "ab":
        intents = Intents(path)
        intents.note(VAULT, [(key, ONE)])
        intents.close()
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert Intents(path).of(VAULT, "a") == [ONE]


def test_a_home_that_cannot_be_written_is_told_before_anything_is_sent(path: Path) -> None:
    path.mkdir()
    with pytest.raises(LocalProblem):
        Intents(path).note(VAULT, [("a", ONE)])
    assert Intents(path).of(VAULT, "a") == [], "and what cannot be read is a conflict, as without it"


def test_without_a_file_the_process_knows_its_own() -> None:
    intents = Intents()
    intents.note(VAULT, [("a", ONE)])
    assert intents.of(VAULT, "a") == [ONE]
    intents.close()

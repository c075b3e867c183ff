import threading
from pathlib import Path

import pytest

from cybous3.client.keys.errors import Locked
from cybous3.client.keys.home import Home, find_home


def test_the_environment_names_the_home(tmp_path: Path) -> None:
    assert find_home({"CYBS3_HOME": str(tmp_path / "x")}).root == tmp_path / "x"


def test_otherwise_the_system_has_a_place_for_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    root = find_home({}).root
    assert root.name == "cybs3"
    assert root.is_absolute()
    assert not root.exists()


def test_two_homes_have_two_labels_that_say_nothing(tmp_path: Path) -> None:
    one, two = Home(tmp_path / "alice"), Home(tmp_path / "bob")
    assert one.label == Home(tmp_path / "alice").label != two.label
    assert "alice" not in one.label


def test_two_processes_do_not_write_at_once(home: Home) -> None:
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with home.locked():
            entered.set()
            leave.wait(5)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(5)
    with pytest.raises(Locked) as caught, home.locked(wait_s=0.05):
        pass
    assert caught.value.exit_code == 31
    leave.set()
    thread.join(5)
    with home.locked(wait_s=1):
        assert home.root.is_dir()

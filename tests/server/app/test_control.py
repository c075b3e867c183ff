"""The parts of `cybs3 server` that need no server; those that do are with the command's tests."""

import sys
from pathlib import Path

import psutil
import pytest

from cybous3.server.app import control
from cybous3.server.app.control import (
    BusyError,
    Named,
    OtherServerError,
    StartFailedError,
    StopFailedError,
    detached,
    home,
    tail,
)
from cybous3.server.app.discovery import Instance, announce
from cybous3.server.app.places import DataDirectory
from cybous3.server.app.problems import LocalError, StartError


def named(tmp_path: Path) -> Named:
    return Named("n", tmp_path / "n")


def instance(data: Path, pid: int = 1, create_time: float = 0.0) -> Instance:
    return Instance(
        str(data), ("127.0.0.1", 1), ("127.0.0.1", 1), pid, create_time, tls=False, region="r", version="1", token="t"
    )


def test_what_was_started_is_remembered(tmp_path: Path) -> None:
    place = named(tmp_path)
    assert place.remembered() == (place.default_data, [])
    place.root.mkdir()
    place.remember(Path("/d"), ["--region", "r"])
    assert place.remembered() == (Path("/d"), ["--region", "r"])
    (place.root / "started.json").write_text("[]")
    assert place.remembered() == (place.default_data, [])


def test_the_running_server_must_be_the_one_asked_for(tmp_path: Path) -> None:
    """By its name, and by where it listens; a host may be said by its name, and port 0 is any."""
    mine, other = Named("n", tmp_path / "n"), Named("o", tmp_path / "o")
    running = instance(tmp_path / "data", 7)
    with pytest.raises(OtherServerError, match="a server that was started otherwise") as refused:
        control.ensure_asked_for(mine, running, {})
    assert refused.value.exit_code == 31
    for place in (mine, other):
        place.root.mkdir()
        place.remember(tmp_path / "data", [])
    control.ensure_asked_for(mine, running, {})
    other.remember(tmp_path / "data", [], 7)
    with pytest.raises(OtherServerError, match="the server 'o' works on"):
        control.ensure_asked_for(mine, running, {})
    other.remember(tmp_path / "data", [])
    mine.remember(tmp_path / "data", [], 7)
    for address in (("127.0.0.1", 1), ("localhost", 0), ("127.0.0.1", 0)):
        control.ensure_asked_for(mine, running, {"listen": address, "admin": ("127.0.0.1", 1)})
    for address in (("127.0.0.1", 2), ("127.0.0.2", 1), ("no host", 1)):
        with pytest.raises(OtherServerError, match="other addresses"):
            control.ensure_asked_for(mine, running, {"admin": address})


def test_homes() -> None:
    assert home({"CYBS3_HOME": "/h"}) == Path("/h").absolute() / "server"
    assert home({}).name == "server"


def test_a_server_that_says_nothing_is_unknown(tmp_path: Path, state: Path) -> None:
    del state
    place = DataDirectory(named(tmp_path).default_data)
    place.prepare()
    with place.lock():
        found = control.status(named(tmp_path))
        assert (found.state, found.instance) == ("unknown", None)
        with pytest.raises(StopFailedError, match="does not say where it listens"):
            control.stop(named(tmp_path), 0.1)
        with pytest.raises(StartError, match="does not answer"):
            control.start(named(tmp_path), place.root, [], lambda: None, patience_s=0.2)
        announce(instance(place.root))
        found = control.status(named(tmp_path))
        assert (found.state, found.reasons) == ("unknown", ("its admin port does not answer",))


def test_what_a_crash_left_is_stopped_with_a_note(tmp_path: Path, state: Path) -> None:
    del state
    place = DataDirectory(named(tmp_path).default_data)
    place.prepare()
    assert control.status(named(tmp_path)).reasons == ()
    announce(instance(place.root))
    found = control.status(named(tmp_path))
    assert (found.state, "left over" in found.reasons[0]) == ("stopped", True)
    assert control.stop(named(tmp_path), 0.1) == "not running"


def test_another_process_with_the_servers_number_is_left_alone(tmp_path: Path, state: Path) -> None:
    """The number of a process that is gone may have been given to another: its time of birth tells them apart."""
    del state
    own = psutil.Process()
    place = DataDirectory(named(tmp_path).default_data)
    place.prepare()
    with place.lock():
        announce(instance(place.root, own.pid, own.create_time() - 100))
        with pytest.raises(StopFailedError, match="does not end"):
            control.stop(named(tmp_path), 0.1)


def test_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_OTHER_START_S", 0.1)
    with named(tmp_path).lock(), pytest.raises(BusyError) as refused:
        control.stop(named(tmp_path), 0.1)
    assert refused.value.exit_code == 31


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "n").write_text("x")
    with pytest.raises(LocalError):
        control.stop(named(tmp_path), 0.1)


def test_a_server_that_is_never_ready_is_ended(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del state
    sleeper = tmp_path / "python"
    sleeper.write_text("#!/bin/sh\necho slow start\nexec sleep 60\n")
    sleeper.chmod(0o755)
    if sys.platform == "win32":
        pytest.skip("a shell script is not a program there")
    monkeypatch.setattr(sys, "executable", str(sleeper))
    with pytest.raises(StartFailedError, match="not ready within") as failed:
        control.start(named(tmp_path), tmp_path / "data", [], lambda: None, patience_s=0.5)
    assert failed.value.lines == ("slow start",)
    assert failed.value.exit_code == 1


def test_the_tail_of_a_log(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert tail(path, 5) == []
    path.write_text("".join(f"line {i}\n" for i in range(50_000)))
    assert tail(path, 2) == ["line 49998", "line 49999"]
    assert tail(path, 0) == []


def test_the_child_outlives_its_parent_on_every_system() -> None:
    assert detached("linux") == {"start_new_session": True}
    assert detached("win32") == {"creationflags": 0x08000200}

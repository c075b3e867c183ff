"""What a server writes of itself is believed while its lock is held, and no longer."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cybous3.server.app.discovery import Instance, announce, find, running, state_directory, withdraw
from cybous3.server.app.places import DataDirectory
from cybous3.server.app.problems import LocalError


def instance(data: Path) -> Instance:
    return Instance(
        str(data), ("127.0.0.1", 9000), ("127.0.0.1", 9001), 4711, 12.5, tls=False, region="r", version="1", token="t"
    )


def test_a_server_is_found_while_its_lock_is_held(state: Path, tmp_path: Path) -> None:
    place = DataDirectory(tmp_path / "data")
    place.prepare()
    assert find(place.root) is None
    held = place.lock()
    assert find(place.root) is None  # starting: it has said nothing yet
    assert running() == []
    announce(instance(place.root))
    assert find(place.root) == instance(place.root)
    assert running() == [instance(place.root)]
    held.release()
    assert find(place.root) is None
    assert running() == []
    assert list(state.glob("*.json")) == []


def test_the_token_stays_in_the_data_directory(state: Path, tmp_path: Path) -> None:
    announce(replace(instance(tmp_path), token="secret-token"))
    entries = list(state.glob("*.json"))
    assert len(entries) == 1
    assert "secret-token" not in entries[0].read_text()
    own = DataDirectory(tmp_path).server_file
    assert "secret-token" in own.read_text()
    if os.name == "posix":
        assert own.stat().st_mode & 0o777 == 0o600
    assert "secret-token" not in repr(replace(instance(tmp_path), token="secret-token"))


def test_withdrawing_removes_both(state: Path, tmp_path: Path) -> None:
    announce(instance(tmp_path))
    withdraw(tmp_path)
    withdraw(tmp_path)
    assert not DataDirectory(tmp_path).server_file.exists()
    assert list(state.glob("*.json")) == []


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"listen": 5}', '{"listen": ["a", "b"], "admin": ["a", 1]}', "\0"]
)
def test_what_is_no_entry_is_nobody(state: Path, tmp_path: Path, content: str) -> None:
    state.mkdir()
    (state / "x.json").write_text(content)
    place = DataDirectory(tmp_path / "data")
    place.prepare()
    place.server_file.write_text(content)
    with place.lock():
        assert find(place.root) is None
    assert running() == []


@pytest.mark.usefixtures("state")
def test_a_later_version_may_say_more(tmp_path: Path) -> None:
    announce(instance(tmp_path))
    own = DataDirectory(tmp_path).server_file
    own.write_text(json.dumps({**json.loads(own.read_text()), "colour": "blue"}))
    with DataDirectory(tmp_path).lock():
        assert find(tmp_path) == instance(tmp_path)


@pytest.mark.usefixtures("state")
def test_a_data_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    with pytest.raises(LocalError, match="state file"):
        announce(instance(tmp_path / "f"))


@pytest.mark.usefixtures("state")
def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(json, "dump", failing)
    with pytest.raises(LocalError, match="input/output error"):
        announce(instance(tmp_path))
    assert list(tmp_path.glob(".server.json*")) == []


@pytest.mark.usefixtures("state")
def test_a_full_disk_is_no_reason_not_to_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(json, "dump", full)
    with capture_logs() as logs:
        announce(instance(tmp_path))
    assert [line["log_level"] for line in logs] == ["warning"]
    assert list(tmp_path.glob(".server.json*")) == []


@pytest.mark.parametrize(
    ("host", "tls", "url"),
    [
        ("127.0.0.1", False, "http://127.0.0.1:9000"),
        ("0.0.0.0", True, "https://127.0.0.1:9000"),  # noqa: S104  # recognised, not bound
        ("", False, "http://127.0.0.1:9000"),
        ("::", False, "http://[::1]:9000"),
        ("::1", False, "http://[::1]:9000"),
    ],
)
def test_an_address_for_everybody_is_reached_on_this_machine(host: str, tls: bool, url: str) -> None:
    assert replace(instance(Path("/d")), listen=(host, 9000), tls=tls).endpoint == url
    assert instance(Path("/d")).admin_url == "http://127.0.0.1:9001"


def test_the_registry_has_its_place() -> None:
    assert state_directory({"SWIFTS3_STATE_DIR": "/s"}) == Path("/s")
    assert state_directory({}).name == "running"

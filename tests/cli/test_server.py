"""`cybs3 server`: start returns when it is ready, two starts give one server, status tells the truth by its code."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.e2e
ANYWHERE = ("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")


class Home:
    """A home of its own, and `cybs3` in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.env = {
            **os.environ,
            "CYBS3_HOME": str(root),
            "SWIFTS3_STATE_DIR": str(root / "state"),
            "SWIFTS3_ROOT_ACCESS_KEY": "ROOTKEY",
            "SWIFTS3_ROOT_SECRET_KEY": "root-secret-key",
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "cybous3.cli.cybs3", "server", *arguments]

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*arguments), env=self.env, capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    def json(self, *arguments: str, code: int = 0) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.run(*arguments, "--json", code=code).stdout)
        return found

    @property
    def data(self) -> Path:
        return self.root / "server" / "default" / "data"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path / "home")
    yield made
    for folder in (made.root / "server").glob("*"):
        made.run("stop", "--name", folder.name, "--timeout", "10")


def test_a_server_is_started_found_and_stopped(home: Home) -> None:
    assert home.json("status", code=3)["state"] == "stopped"
    started = home.json("start", *ANYWHERE)
    assert started["started"] is True
    assert "token" not in started
    found = home.json("status")
    assert (found["state"], found["ready"], found["pid"]) == ("running", True, started["pid"])
    assert str(found["endpoint"]) in home.run("status").stdout
    again = home.json("start", *ANYWHERE)
    assert (again["started"], again["pid"]) == (False, started["pid"])
    assert re.search(r"ready .*workers=1", home.run("logs", "-n", "3").stdout)
    assert home.json("stop")["ending"] == "drained"
    assert home.json("status", code=3)["reasons"] == []
    assert home.json("stop")["ending"] == "not running"


def test_two_starts_at_once_give_one_server(home: Home) -> None:
    found: list[dict[str, object]] = []
    threads = [threading.Thread(target=lambda: found.append(home.json("start", *ANYWHERE))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one["pid"] for one in found}) == 1
    assert sorted(one["started"] is True for one in found) == [False, False, True]


def test_named_servers_stand_beside_each_other(home: Home) -> None:
    first, second = home.json("start", *ANYWHERE), home.json("start", "--name", "other", *ANYWHERE)
    assert first["pid"] != second["pid"]
    home.run("stop", "--name", "other")
    home.run("status")
    home.run("status", "--name", "other", code=3)
    home.run("status", "--name", "../other", code=2)


def test_a_port_in_use_ends_in_the_reason(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = home.run("start", "--listen", address, "--admin-listen", "127.0.0.1:0", code=1)
    assert f"cannot listen on {address}" in done.stderr
    home.run("status", code=3)


def test_a_port_in_use_is_found_before_a_root_key_is_made(home: Home) -> None:
    for name in ("SWIFTS3_ROOT_ACCESS_KEY", "SWIFTS3_ROOT_SECRET_KEY"):
        del home.env[name]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for ports in (
            ("--listen", address, "--admin-listen", "127.0.0.1:0"),
            (*ANYWHERE[:2], "--admin-listen", address),
        ):
            assert "root key" not in home.run("start", *ports, code=1).stderr
    assert not home.data.exists()
    assert "root key" in home.run("start", *ANYWHERE).stderr


def test_another_server_on_the_data_directory_is_not_taken_for_the_one_asked_for(home: Home) -> None:
    first = home.json("start", "--data", str(home.root / "data"), *ANYWHERE)
    said = home.run("start", "--name", "two", "--data", str(home.root / "data"), *ANYWHERE, code=31).stderr
    assert "the server 'default' works on the data directory" in said
    assert str(first["endpoint"]) in said
    home.run("status", "--name", "two", code=3)
    assert home.json("start", "--data", str(home.root / "data"))["started"] is False
    elsewhere = ("--data", str(home.root / "data"), "--listen", "127.0.0.1:1")
    assert "runs already, at other addresses" in home.run("start", *elsewhere, code=31).stderr
    assert home.json("status")["pid"] == first["pid"]


def test_a_wrong_setting_starts_nothing(home: Home) -> None:
    assert "--region: 'US'" in home.run("start", "--region", "US", code=2).stderr
    assert not home.data.exists()


def test_a_killed_server_is_stopped_whatever_its_files_say(home: Home) -> None:
    started = home.json("start", *ANYWHERE)
    process = psutil.Process(int(str(started["pid"])))
    process.kill()
    _wait_until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    assert "left over" in str(home.json("status", code=3)["reasons"])
    assert home.json("stop")["ending"] == "not running"
    assert home.json("start", *ANYWHERE)["started"] is True


@pytest.mark.skipif(sys.platform == "win32", reason="there are no stopped processes there")
def test_a_server_that_hangs_is_unknown_and_ended_by_force(home: Home) -> None:
    started = home.json("start", *ANYWHERE)
    process = psutil.Process(int(str(started["pid"])))
    process.suspend()
    assert home.json("status", code=4)["state"] == "unknown"
    ending = home.json("stop", "--timeout", "0.5")["ending"]
    assert ending == "killed"
    assert home.json("status", code=3)["state"] == "stopped"


def test_a_restart_keeps_how_it_was_started(home: Home) -> None:
    first = home.json("start", "--region", "eu-test-1", *ANYWHERE)
    second = home.json("restart", "--log-level", "debug")
    assert second["region"] == "eu-test-1"
    assert second["pid"] != first["pid"]
    third = home.json("restart", "--region", "eu-test-2")
    assert third["region"] == "eu-test-2"


def test_the_root_key_is_shown_at_the_terminal_and_not_in_the_log(home: Home) -> None:
    for name in ("SWIFTS3_ROOT_ACCESS_KEY", "SWIFTS3_ROOT_SECRET_KEY"):
        del home.env[name]
    shown = home.run("start", *ANYWHERE).stderr
    secret = re.findall(r"secret key  ([A-Za-z0-9]{40})", shown)
    assert len(secret) == 1
    assert secret[0] not in (home.root / "server" / "default" / "server.log").read_text()
    assert "secret" not in home.run("restart").stderr


def test_settings_are_set_shown_and_used(home: Home) -> None:
    home.run("config", "set", "region", "eu-test-9")
    home.run("config", "set", "base-hosts", "s3.example.org,s3.local")
    home.run("config", "set", "drain_timeout_s", "5")
    home.run("config", "set", "listen", "127.0.0.1:0")
    home.run("config", "set", "admin_listen", "[::1]:0")
    home.run("config", "set", "admin_listen", "127.0.0.1:0")
    assert home.json("config", "show") == {
        "admin_listen": "127.0.0.1:0",
        "base_hosts": ["s3.example.org", "s3.local"],
        "drain_timeout_s": 5.0,
        "listen": "127.0.0.1:0",
        "region": "eu-test-9",
    }
    found = home.json("config", "get", "region")
    assert found["value"] == "eu-test-9"
    assert "config.toml" in str(found["origin"])
    home.env["SWIFTS3_REGION"] = "from-env"
    effective = home.json("config", "show", "--effective")
    assert effective["region"] == {"value": "from-env", "origin": "SWIFTS3_REGION"}
    assert effective["workers"] == {"value": 1, "origin": "default"}
    assert "from-env" in home.run("config", "show", "--effective").stdout
    del home.env["SWIFTS3_REGION"]
    home.run("config", "validate")
    assert home.json("start")["region"] == "eu-test-9"
    home.run("config", "set", "region", "")
    assert home.run("config", "get", "region").stdout == "us-east-1\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("set", "workers", "many"), "'many'"),
        (("set", "colour", "blue"), "colour"),
        (("get", "colour"), "colour"),
        (("set", "log_file", "/x"), "fixed"),
    ],
)
def test_wrong_settings_are_refused(home: Home, arguments: tuple[str, ...], said: str) -> None:
    assert said in home.run("config", *arguments, code=2).stderr


def test_a_broken_file_is_told(home: Home) -> None:
    file = home.root / "server" / "default" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text('regoin = "x"\n')
    assert "regoin" in home.run("config", "validate", code=2).stderr
    assert "regoin" in home.run("start", code=2).stderr
    file.write_text("= broken")
    assert "is not TOML" in home.run("config", "show", code=2).stderr


def test_the_log_can_be_followed_through_a_rotation(home: Home) -> None:
    log = home.root / "server" / "default" / "server.log"
    log.parent.mkdir(parents=True)
    log.write_text("one\ntwo \x1b[31m\n")
    with subprocess.Popen(
        home.command("logs", "-n", "1", "-f"), env=home.env, stdout=subprocess.PIPE, text=True
    ) as follow:
        assert follow.stdout is not None
        assert follow.stdout.readline() == "two \\x1b[31m\n"
        with log.open("a") as file:
            file.write("three\n")
        assert follow.stdout.readline() == "three\n"
        log.rename(log.with_suffix(".1"))
        log.write_text("new\n")
        assert follow.stdout.readline() == "new\n"
        follow.terminate()
    assert home.run("logs", "-n", "0").stdout == ""
    assert home.run("logs", "--name", "none").stdout == ""


def _wait_until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_start_after_a_kill_tells_the_new_server_not_the_dead_one(home: Home) -> None:
    """On the same ports the new server answers before it has said who it is: the old word must be gone by then."""
    first = home.json("start", *ANYWHERE)
    same: list[str] = []
    for field, option in (("listen", "--listen"), ("admin", "--admin-listen")):
        address = first[field]
        assert isinstance(address, list)
        same += [option, f"{address[0]}:{address[1]}"]
    process = psutil.Process(int(str(first["pid"])))
    process.kill()
    process.wait(10)
    second = home.json("start", *same)
    assert second["pid"] != first["pid"]
    assert psutil.pid_exists(int(str(second["pid"])))

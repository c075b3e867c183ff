"""`swifts3`: users and keys by command, with the server running or not; every error a sentence, a hint and a code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.app.conftest import ask
from tests.support.server import Key, Server, swifts3


def run(*arguments: str, stdin: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(swifts3(*arguments), input=stdin, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_the_version_is_told_without_importing_anything() -> None:
    assert run("--version").stdout.startswith("swifts3 0.")
    imported = subprocess.run(
        [sys.executable, "-X", "importtime", *swifts3("--version")[1:]], capture_output=True, text=True, check=True
    )
    for heavy in ("click", "cryptography", "starlette", "uvloop", "structlog"):
        assert f" {heavy}\n" not in imported.stderr


def test_users_are_added_listed_and_deleted(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    shown = run("users", "add", "ann", *data, "--email", "ann@example.org", "--display-name", "Ann")
    assert "secret key" in shown.stdout
    added = json.loads(run("users", "add", "bob", *data, "--bucket", "one", "--bucket", "two", "--json").stdout)
    assert added["buckets"] == ["one", "two"]
    assert len(added["secret_key"]) == 40
    found = json.loads(run("users", "list", *data, "--json").stdout)
    assert [(user["name"], user["email"], user["display_name"]) for user in found] == [
        ("ann", "ann@example.org", "Ann"),
        ("bob", "", "bob"),
    ]
    assert "secret" not in json.dumps(found)
    assert "ann@example.org" in run("users", "list", *data).stdout
    run("users", "delete", "bob", *data)
    assert len(json.loads(run("users", "list", *data, "--json").stdout)) == 1


@pytest.mark.parametrize(
    "arguments",
    [("users", "list"), ("users", "delete", "x"), ("keys", "add", "x"), ("keys", "list"), ("keys", "delete", "x")],
)
def test_a_mistyped_directory_is_not_made(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    missing = tmp_path / "nosuch"
    done = run(*arguments, "--data", str(missing), code=3)
    assert "swifts3 serve --data" in done.stderr
    assert not missing.exists()
    missing.mkdir()
    run(*arguments, "--data", str(missing), code=3)
    assert list(missing.iterdir()) == []


def test_a_first_user_may_make_the_directory_which_is_told(tmp_path: Path) -> None:
    told = "made a new data directory"
    data = ("--data", str(tmp_path / "new"))
    assert told in run("users", "add", "ann", *data).stderr
    assert told not in run("users", "add", "bob", *data).stderr
    (tmp_path / "empty").mkdir()
    assert told not in run("users", "add", "ann", "--data", str(tmp_path / "empty")).stderr
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter").touch()
    assert told in run("users", "add", "ann", "--data", str(tmp_path / "full"), "--json").stderr


@pytest.mark.parametrize("how", [("--secret-key", "-"), ("--secret-key-stdin",)])
def test_a_secret_may_come_on_standard_input_and_is_not_shown(tmp_path: Path, how: tuple[str, ...]) -> None:
    done = run(
        *("users", "add", "ann", "--data", str(tmp_path), "--access-key", "ANNSKEY", *how), stdin="a-long-secret\n"
    )
    assert "a-long-secret" not in done.stdout + done.stderr
    assert "ANNSKEY" in done.stdout


def test_keys_are_added_listed_and_deleted(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path))
    run("users", "add", "ann", *data, "--access-key", "FIRST")
    run("keys", "add", "ann", *data, "--access-key", "SECOND", "--bucket", "b")
    found = json.loads(run("keys", "list", *data, "--json").stdout)
    assert [(key["user"], key["access_key"], key["buckets"]) for key in found] == [
        ("ann", "FIRST", None),
        ("ann", "SECOND", ["b"]),
    ]
    assert "SECOND" in run("keys", "list", "ann", *data).stdout
    run("keys", "delete", "FIRST", *data)
    assert [key["access_key"] for key in json.loads(run("keys", "list", "ann", *data, "--json").stdout)] == ["SECOND"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("users", "add", "ann"), 22, "already exists"),
        (("users", "add", "bob", "--access-key", "ANNSKEY"), 22, "ANNSKEY"),
        (("users", "delete", "nobody"), 3, "nobody"),
        (("keys", "add", "nobody"), 3, "nobody"),
        (("keys", "delete", "NOKEY"), 3, "NOKEY"),
        (("users", "add", "bob", "--access-key", "x y"), 1, "'x y'"),
        (("users", "add", "bob", "--secret-key", "short"), 1, "shorter than 8"),
        (("users", "add", "bob", "--secret-key", "a-long-secret", "--secret-key-stdin"), 2, "exclude each other"),
        (("users", "add", "bob", "--secret-key-stdin"), 2, "holds no secret key"),
        (("users", "add"), 2, "NAME"),
        (("nonsense",), 2, "nonsense"),
    ],
)
def test_errors_have_a_sentence_and_a_code(tmp_path: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    data = ("--data", str(tmp_path))
    run("users", "add", "ann", *data, "--access-key", "ANNSKEY")
    done = run(*arguments, *(data if len(arguments) > 1 else ()), code=code)
    assert said in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--region", "US East"), "--region: 'US East'"),
        (("--workers", "0"), "--workers: '0'"),
        (("--tls-cert", "/no/cert"), "tls_cert is set (--tls-cert) and tls_key is not"),
        (("--config", "/no/file.toml"), "cannot read the configuration file '/no/file.toml'"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    assert said in run("serve", "--data", str(tmp_path), *arguments, code=2).stderr


def test_the_data_directory_is_asked_for() -> None:
    assert "data is not set" in run("serve", code=2).stderr


def test_a_running_server_sees_every_change_at_once(own_server: Server) -> None:
    own_server.start()
    data = ("--data", str(own_server.data))
    key = Key("ANNSKEY", "ann-secret-key")
    run("users", "add", "ann", *data, "--access-key", key.access_key, "--secret-key", "-", stdin=key.secret_key)
    root, own_server.root = own_server.root, key
    assert ask(own_server, "PUT", "/annsbucket")[0] == 200
    run("users", "delete", "ann", *data, code=22)
    assert ask(own_server, "DELETE", "/annsbucket")[0] == 204
    run("users", "delete", "ann", *data)
    assert ask(own_server, "GET", "/")[0] == 403
    own_server.root = root
    assert ask(own_server, "GET", "/")[0] == 200

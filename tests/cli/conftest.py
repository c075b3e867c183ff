import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.person import Person
from tests.support.server import Server
from tests.support.shell import Shell


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Shell:
    """Give a shell in an empty home, in an empty directory."""
    monkeypatch.setenv("CYBS3_HOME", str(tmp_path / "home" / "cybs3"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return Shell(tmp_path / "home", monkeypatch, capsysbinary)


@pytest.fixture(scope="session")
def logged_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """Log in once for all tests, for a login is made to be slow; return the home, and a copy of it as it was then."""
    place = tmp_path_factory.mktemp("logged-in")
    home, copy = place / "home", place / "copy"
    person = Person(home)
    person.log_in()
    shutil.copytree(home, copy)
    yield home, copy
    person.run("logout")  # a kernel keyring has room for so many homes


@pytest.fixture
def vaulted(shell: Shell, server: Server, logged_in: tuple[Path, Path]) -> Shell:
    """Give a shell that is logged in, with a vault in a bucket of its own on a real server."""
    home, copy = logged_in
    shutil.rmtree(home)
    shutil.copytree(copy, home)
    shell.home = home
    shell.patch.setenv("CYBS3_HOME", str(home / "cybs3"))
    shell.patch.setenv("CYBS3_PASSPHRASE_FILE", str(home / "passphrase"))
    shell.patch.setenv("CYBS3_SECRET_KEY", server.root.secret_key)
    place = ("--endpoint", server.endpoint, "--bucket", f"cli-{secrets.token_hex(6)}", "--create-bucket")
    shell.ok("vaults", "add", "home", *place, "--access-key", server.root.access_key)
    return shell

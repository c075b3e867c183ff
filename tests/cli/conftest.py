import secrets
from pathlib import Path

import pytest

from tests.support.server import Server
from tests.support.shell import Shell, log_in


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Shell:
    """Give a shell in an empty home, in an empty directory."""
    monkeypatch.setenv("CYBS3_HOME", str(tmp_path / "home" / "cybs3"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return Shell(tmp_path / "home", monkeypatch, capsysbinary)


@pytest.fixture
def vaulted(shell: Shell, server: Server) -> Shell:
    """Give the same, with a vault in a bucket of its own on a real server."""
    log_in(shell)
    shell.patch.setenv("CYBS3_SECRET_KEY", server.root.secret_key)
    place = ("--endpoint", server.endpoint, "--bucket", f"cli-{secrets.token_hex(6)}", "--create-bucket")
    shell.ok("vaults", "add", "home", *place, "--access-key", server.root.access_key)
    return shell

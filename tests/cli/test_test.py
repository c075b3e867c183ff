"""`cybs3 test integration`: it passes against our server, and it can fail."""

import pytest

from cybous3.lab.integration import run as running
from cybous3.lab.integration.store_checks import CHECKS as STORE_CHECKS
from cybous3.lab.integration.vault_checks import CHECKS as VAULT_CHECKS
from tests.support.server import Server
from tests.support.shell import Shell

pytestmark = pytest.mark.e2e


def test_client_and_server_keep_their_promises(shell: Shell) -> None:
    document = shell.json("test", "integration")
    assert document["failed"] == 0
    assert document["passed"] == len(document["checks"]) == len(STORE_CHECKS) + len(VAULT_CHECKS) >= 20
    assert document["seconds"] < 60


def test_any_endpoint_can_be_checked_and_the_bucket_is_gone_afterwards(shell: Shell, server: Server) -> None:
    secret = shell.home / "secret"
    secret.parent.mkdir(parents=True, exist_ok=True)
    secret.write_text(server.root.secret_key)
    where = ("--endpoint", server.endpoint, "--access-key", server.root.access_key, "--secret-key-file", str(secret))
    said = shell.ok("test", "integration", *where, "--only", "trees")
    assert "2 of 2 checks passed" in said  # the trees, and the vault they need
    shell.patch.setenv("AWS_ACCESS_KEY_ID", server.root.access_key)
    shell.patch.setenv("AWS_SECRET_ACCESS_KEY", server.root.secret_key)
    done = shell("test", "integration", "--endpoint", server.endpoint, "--only", "ranges")
    assert done.code == 0
    assert "removed bucket" in done.err


def test_a_broken_promise_is_named_and_counted(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cybous3.client.keys.state.State.check_object", lambda *_a, **_k: None)
    done = shell("test", "integration", "--only", "rollback")
    assert done.code == 1
    assert "FAIL  rollback noticed" in done.out


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (2, ("--endpoint", "http://127.0.0.1:1")),
        (2, ("--endpoint", "http://127.0.0.1:1", "--access-key", "A")),
    ],
)
def test_missing_credentials_are_asked_for(shell: Shell, code: int, arguments: tuple[str, ...]) -> None:
    shell.fails(code, "test", "integration", *arguments)


def test_a_check_that_expects_an_error_notices_its_absence() -> None:
    with pytest.raises(running.Broken, match="nothing was raised"):
        running.must_raise(ValueError, lambda: None)
    with pytest.raises(running.Broken, match="so"):
        running.expect(condition=False, message="so")

"""Buckets, of the vault's endpoint and of any other."""

import json
import secrets

import pytest

from tests.support.server import Server
from tests.support.shell import Shell

pytestmark = pytest.mark.e2e


def test_buckets_come_and_go_without_any_login(shell: Shell, server: Server) -> None:
    place = ("--endpoint", server.endpoint, "--access-key", server.root.access_key)
    name, secret = f"cli-{secrets.token_hex(6)}", server.root.secret_key.encode()
    shell.ok("buckets", "create", name, *place, given=secret)
    assert f"\n{name} " in shell.ok("buckets", "list", *place, "--secret-key-file", "-", given=secret)
    shell.patch.setenv("AWS_SECRET_ACCESS_KEY", server.root.secret_key)
    assert name in [bucket["name"] for bucket in shell.json("buckets", "list", *place)]
    assert "exists already" in shell.fails(22, "buckets", "create", name, *place)
    assert json.loads(shell.ok("buckets", "delete", name, *place, "--json")) == {"deleted": name}
    assert "no bucket" in shell.fails(3, "buckets", "delete", name, *place)
    shell.fails(1, "buckets", "create", "Not A Name", *place)
    assert not shell.home.exists()


def test_the_environment_may_hold_the_whole_key(shell: Shell, server: Server) -> None:
    assert "credentials" in shell.fails(2, "buckets", "list", "--endpoint", server.endpoint)
    shell.patch.setenv("AWS_ACCESS_KEY_ID", server.root.access_key)
    shell.patch.setenv("AWS_SECRET_ACCESS_KEY", server.root.secret_key)
    shell.ok("buckets", "list", "--endpoint", server.endpoint)


def test_wrong_credentials_end_in_a_sentence(shell: Shell, server: Server) -> None:
    place = ("--endpoint", server.endpoint, "--access-key", server.root.access_key)
    assert "secret" in shell.fails(21, "buckets", "list", *place, given=b"not-the-secret-not-the-secret")
    err = shell.fails(21, "buckets", "list", "--endpoint", server.endpoint, "--access-key", "NOBODY", given=b"x" * 20)
    assert "unknown access key" in err
    shell.fails(2, "buckets", "list", *place, given=b"")
    assert "goes with --endpoint" in shell.fails(2, "buckets", "list", "--access-key", "X")


def test_the_vaults_endpoint_is_the_default(vaulted: Shell) -> None:
    bucket = vaulted.json("vaults", "list")[0]["bucket"]
    assert bucket in [found["name"] for found in vaulted.json("buckets", "list")]
    assert "not empty" in vaulted.fails(22, "buckets", "delete", bucket)

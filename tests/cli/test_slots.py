"""Ways to unlock a vault: added, used, removed."""

import secrets
from pathlib import Path

import pytest

from tests.support.server import Server
from tests.support.shell import Shell

pytestmark = pytest.mark.e2e


def test_a_passphrase_slot_opens_the_vault_for_somebody_with_other_words(vaulted: Shell, server: Server) -> None:
    bucket = vaulted.json("vaults", "list")[0]["bucket"]
    added = vaulted.json(
        "keys", "slots", "add", "--label", "for a friend", "--new-passphrase-file", str(secret(vaulted))
    )
    assert (added["kind"], added["label"]) == ("passphrase", "for a friend")

    vaulted.patch.setenv("CYBS3_HOME", str(vaulted.home / "friend"))
    vaulted.patch.delenv("CYBS3_PASSPHRASE_FILE")
    vaulted.ok("keys", "create", "--out", "friends-words")
    vaulted.patch.setenv("CYBS3_MNEMONIC_FILE", "friends-words")
    place = ("--endpoint", server.endpoint, "--bucket", bucket, "--access-key", server.root.access_key)
    vaulted.fails(10, "vaults", "add", "shared", *place)
    vaulted.fails(10, "vaults", "add", "shared", *place, "--passphrase-file", "-", given=b"a wrong one")
    shown = vaulted.json("vaults", "add", "shared", *place, "--passphrase-file", str(secret(vaulted)))
    assert not shown["created"]
    vaulted.patch.setenv("CYBS3_PASSPHRASE_FILE", str(secret(vaulted)))
    assert vaulted.json("vaults", "status")["opened"]

    # The friend cannot lock the owner out by accident.
    vaulted.ok("keys", "rotate")
    assert "recovery words" in vaulted.fails(10, "keys", "rotate", "--master")


def secret(shell: Shell) -> Path:
    path = shell.home / "slot-passphrase"
    if not path.exists():
        path.write_text(secrets.token_hex(8))
    return path


def test_slots_are_listed_and_removed_but_the_last(vaulted: Shell) -> None:
    vaulted.ok("keys", "create", "--out", "other-words")
    vaulted.ok("keys", "slots", "add", "--new-mnemonic-file", "other-words", "--label", "other\x1bwords")
    listed = vaulted.json("keys", "slots", "list")
    assert [slot["label"] for slot in listed] == ["recovery words", "other\\x1bwords"]
    assert "mnemonic" in vaulted.ok("keys", "slots", "list")
    assert "cybs3 keys slots list" in vaulted.fails(3, "keys", "slots", "remove", "zz")
    vaulted.ok("keys", "slots", "remove", listed[1]["id"][:12])
    assert len(vaulted.json("keys", "slots", "list")) == 1
    assert "the last way" in vaulted.fails(22, "keys", "slots", "remove", listed[0]["id"])
    vaulted.fails(3, "keys", "slots", "remove", "zz")


def test_a_slot_needs_one_secret(vaulted: Shell) -> None:
    vaulted.fails(10, "keys", "slots", "add")
    vaulted.fails(2, "keys", "slots", "add", "--new-passphrase-file", "-", "--new-mnemonic-file", "-")

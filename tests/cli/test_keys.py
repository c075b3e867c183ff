"""Making, checking and rotating keys."""

import stat
from pathlib import Path

import pytest

from cybous3.client.vault import opening
from cybous3.crypto.kdf import FOR_TESTS_ONLY
from cybous3.crypto.mnemonic import mnemonic_fingerprint, normalize_mnemonic
from cybous3.crypto.slots import PassphraseSecret
from cybous3.crypto.vault import OpenVault
from tests.support.server import Server
from tests.support.shell import Shell


def test_words_are_written_to_standard_output_and_nowhere_else(shell: Shell) -> None:
    done = shell("keys", "create")
    assert (done.code, done.err) == (0, "")
    assert normalize_mnemonic(done.out) == done.out.strip()
    assert len(done.out.split()) == 24
    assert len(shell.ok("keys", "create", "--words", "12").split()) == 12
    assert shell.ok("keys", "create") != done.out
    assert not shell.home.exists()


def test_words_may_go_to_a_new_private_file(shell: Shell) -> None:
    shown = shell.json("keys", "create", "--out", "words")
    assert set(shown) == {"fingerprint", "file"}
    path = Path("words")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert mnemonic_fingerprint(path.read_text()) == shown["fingerprint"]
    before = path.read_text()
    assert "words" in shell.fails(30, "keys", "create", "--out", "words")
    assert path.read_text() == before
    shell.fails(30, "keys", "create", "--out", "missing/words")


def test_validate(shell: Shell) -> None:
    words = shell.ok("keys", "create")
    Path("words").write_text(words)
    shown = shell.json("keys", "validate", "--mnemonic-file", "words")
    assert shown == {"valid": True, "words": 24, "fingerprint": mnemonic_fingerprint(words)}
    assert "valid: 24 words" in shell.ok("keys", "validate", "--mnemonic-file", "-", given=words.encode())
    swapped = " ".join(reversed(words.split()))
    assert shell("keys", "validate", "--mnemonic-file", "-", given=swapped.encode()).code in {0, 10}
    err = shell.fails(10, "keys", "validate", "--mnemonic-file", "-", given=b"zebra " * 5)
    assert "zebra" not in err
    shell.fails(10, "keys", "validate")
    shell.fails(30, "keys", "validate", "--mnemonic-file", "missing")
    shell.fails(2, "keys", "validate", "--mnemonic-file", "-", given=b"")


def test_fingerprint(shell: Shell) -> None:
    shell.ok("keys", "create", "--out", "words")
    expected = mnemonic_fingerprint(Path("words").read_text())
    assert shell.ok("keys", "fingerprint", "--mnemonic-file", "words") == expected + "\n"
    shell.fails(10, "keys", "fingerprint")
    shell.patch.setenv("CYBS3_MNEMONIC_FILE", "words")
    assert shell.json("keys", "fingerprint") == {"fingerprint": expected}


@pytest.mark.e2e
def test_rotation_begins_a_new_epoch(vaulted: Shell, server: Server) -> None:
    del server
    shown = vaulted.json("keys", "rotate")
    assert (shown["vault"], shown["generation"], shown["epoch"], shown["master"]) == ("home", 2, 2, False)
    done = vaulted("keys", "rotate", "--master")
    assert done.code == 0
    assert "epoch 3" in done.out
    assert "left out" not in done.err
    assert "wrapped keys until they are stored again" in done.err
    status = vaulted.json("vaults", "status")
    assert [(epoch["number"], epoch["state"]) for epoch in status["epochs"]] == [
        (1, "decrypt-only"),
        (2, "decrypt-only"),
        (3, "primary"),
    ]
    assert "no vault 'other'" in vaulted.fails(3, "keys", "rotate", "--vault", "other")


@pytest.mark.e2e
def test_a_new_master_key_keeps_only_slots_whose_secret_is_given(
    vaulted: Shell, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    del server
    add_passphrase_slot(vaulted, monkeypatch)
    vaulted.patch.delenv("CYBS3_PASSPHRASE_FILE")
    err = vaulted.fails(10, "keys", "rotate", "--master")
    assert "--drop-slots" in err
    assert "passphrase 'spare'" in err
    wrong = ("keys", "rotate", "--master", "--passphrase-file", "-")
    assert "wrong passphrase" in vaulted.fails(10, *wrong, given=b"wrong")
    assert "wrong passphrase" in vaulted.fails(10, "vaults", "status", "--passphrase-file", "-", given=b"wrong")
    assert "goes with --master" in vaulted.fails(2, "keys", "rotate", "--drop-slots")
    vaulted.ok("keys", "rotate", "--master", "--passphrase-file", "-", given=b"spare passphrase")
    assert [slot["label"] for slot in vaulted.json("vaults", "status")["slots"]] == ["recovery words", "spare"]
    assert (
        "slots that were left out cannot open future epochs"
        in vaulted("keys", "rotate", "--master", "--drop-slots").err
    )
    assert [slot["kind"] for slot in vaulted.json("vaults", "status")["slots"]] == ["mnemonic"]


def add_passphrase_slot(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Add a second way into the vault, through the same change a rotation goes through."""
    real = opening.Keeper.change
    secret = PassphraseSecret("spare passphrase", FOR_TESTS_ONLY)

    def change(self: opening.Keeper, vault: OpenVault, secrets: object, edit: object) -> OpenVault:
        del edit
        return real(
            self,
            vault,
            secrets,  # type: ignore[arg-type]  # passed on as it came
            lambda v: v.add_slot(secret, created=1, label="spare", entropy=lambda length: bytes(range(length))),
        )

    with monkeypatch.context() as patch:
        patch.setattr(opening.Keeper, "change", change)
        shell.ok("keys", "rotate")

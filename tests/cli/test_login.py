"""Logging in and out, as a script does it and as a person does."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from cybous3.cli import login as module
from cybous3.client.keys import login as keys
from cybous3.client.keys.device import ENV_KEYRING
from cybous3.crypto.kdf import FOR_TESTS_ONLY
from cybous3.crypto.mnemonic import create_mnemonic, mnemonic_fingerprint
from tests.support.shell import Shell

WORDS = create_mnemonic(bytes)
FINGERPRINT = mnemonic_fingerprint(WORDS)


@pytest.fixture
def shell(shell: Shell) -> Iterator[Shell]:
    """Give a shell that leaves no key in the kernel's keyring, and whose passphrases are quick to check."""
    Path("words").write_text(WORDS + "\n")
    Path("passphrase").write_text("correct horse\n")
    keep = keys.keep_unlocked
    shell.patch.setattr(keys, "keep_unlocked", lambda unlocked, word: keep(unlocked, word, FOR_TESTS_ONLY))
    yield shell
    shell("logout")


def test_nothing_is_set_up_at_first(shell: Shell) -> None:
    done = shell("login", "--status")
    assert (done.code, done.out) == (10, "not set up: run cybs3 login\n")
    assert "cybs3 keys create" in shell.fails(10, "login")
    assert "cybs3 login" in shell.fails(10, "vaults", "list")


@pytest.mark.parametrize("source", ["file", "stdin", "variable", "variable file"])
def test_words_may_come_from_anywhere_but_an_argument(shell: Shell, source: str) -> None:
    if source.startswith("variable"):
        name, value = ("CYBS3_MNEMONIC", WORDS) if source == "variable" else ("CYBS3_MNEMONIC_FILE", "words")
        shell.patch.setenv(name, value)
    options = {"file": ("--mnemonic-file", "words"), "stdin": ("--mnemonic-file", "-")}.get(source, ())
    out = json.loads(shell.ok("login", *options, "--json", given=WORDS.encode()))
    assert (out["unlocked"], out["fingerprint"]) == (True, FINGERPRINT)


def test_a_session_lasts_until_logout(shell: Shell) -> None:
    out = shell.json("login", "--mnemonic-file", "words")
    if out["place"] != "session":
        pytest.skip("this machine has no kernel keyring, or a system one")
    assert shell.ok("vaults", "list", "--json") == "[]\n"
    assert shell.json("login", "--status")["unlocked"]
    assert shell.ok("login", "--status") == f"unlocked: words {FINGERPRINT}\n"
    shell.ok("logout")
    shell.fails(10, "vaults", "list")
    done = shell("login", "--status", "--json")
    status = json.loads(done.out)
    assert (done.code, status["set_up"], status["unlocked"], status["fingerprint"]) == (10, True, False, None)


def test_a_passphrase_replaces_the_words(shell: Shell) -> None:
    out = shell.json("login", "--mnemonic-file", "words", "--passphrase-file", "passphrase")
    assert out["place"] == "passphrase"
    shell.ok("logout")
    assert shell.json("login", "--passphrase-file", "passphrase")["fingerprint"] == FINGERPRINT
    shell.ok("logout")
    assert "--passphrase-file" in shell.fails(10, "login")
    assert shell.ok("vaults", "list", "--json", "--passphrase-file", "passphrase") == "[]\n"
    shell.fails(10, "vaults", "list")
    assert "wrong passphrase" in shell.fails(10, "login", "--passphrase-file", "-", given=b"wrong")
    shell.fails(10, "vaults", "list", "--passphrase-file", "-", given=b"wrong")


def test_without_any_keyring_the_words_are_said_to_be_needed(shell: Shell) -> None:
    shell.patch.setenv(ENV_KEYRING, "off")
    out = shell.ok("login", "--mnemonic-file", "words")
    assert "every command will need the recovery words" in out
    shell.fails(10, "vaults", "list")
    assert shell.ok("vaults", "list", "--json", "--mnemonic-file", "words") == "[]\n"


def test_a_person_is_asked_for_words_and_a_passphrase(shell: Shell) -> None:
    shell.patch.setenv(ENV_KEYRING, "off")
    typed = iter([WORDS, "correct horse", "correct horse", "correct horse"])
    shell.patch.setattr("cybous3.cli.opening.terminal_prompt", lambda: lambda _text: next(typed))
    assert shell.json("login")["place"] == "passphrase"
    assert shell.ok("vaults", "list", "--json") == "[]\n"
    assert next(typed, None) is None


def test_other_words_do_not_get_in(shell: Shell) -> None:
    shell.ok("login", "--mnemonic-file", "words")
    other = create_mnemonic(lambda length: b"\x07" * length)
    assert "other recovery words" in shell.fails(10, "login", "--mnemonic-file", "-", given=other.encode())


def test_words_that_are_none_are_not_repeated(shell: Shell) -> None:
    err = shell.fails(10, "login", "--mnemonic-file", "-", given=b"my very secret words that are none of the list")
    assert "secret" not in err


def test_forgetting_asks_first_and_removes_all(shell: Shell) -> None:
    shell.ok("login", "--mnemonic-file", "words")
    assert shell("logout", "--forget", given=b"n\n").code == 130
    assert shell.json("login", "--status")["set_up"]
    shell.ok("logout", "--forget", "--yes")
    assert shell("login", "--status").out == "not set up: run cybs3 login\n"


def test_what_is_kept_is_private(shell: Shell) -> None:
    shell.ok("login", "--mnemonic-file", "words", "--passphrase-file", "passphrase")
    root = Path(shell.json("login", "--status")["home"])
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    for path in root.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert WORDS.encode() not in path.read_bytes()


def test_a_damaged_file_ends_in_a_sentence(shell: Shell) -> None:
    shell.ok("login", "--mnemonic-file", "words")
    path = Path(shell.json("login", "--status")["home"]) / "identity.sealed"
    path.write_bytes(path.read_bytes()[:-1])
    assert "damaged" in shell.fails(11, "login", "--status")
    assert module.NOT_LOGGED_IN == 10

"""`cybs3` run inside the test's own process: as fast as a call, and measured line by line."""

import io
import json
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cybous3.cli.shell import run
from tests.support.person import Done


class _Stdin(io.TextIOWrapper):
    """Standard input that holds given bytes and is no terminal."""

    def __init__(self, given: bytes) -> None:
        super().__init__(io.BytesIO(given), encoding="utf-8")


@dataclass
class Shell:
    """A person's shell: a home, a vault on a server, and commands."""

    home: Path
    patch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[bytes]

    def __call__(self, *arguments: str, given: bytes = b"") -> Done:
        """Run a command to its end."""
        self.capture.readouterr()
        with self.patch.context() as patch:
            patch.setattr(sys, "stdin", _Stdin(given))
            code = run("cybs3", list(arguments))
        out, err = self.capture.readouterr()
        return Done(code, out.decode("utf-8", "surrogateescape"), err.decode())

    def ok(self, *arguments: str, given: bytes = b"") -> str:
        """Run a command that must succeed; return what it printed."""
        done = self(*arguments, given=given)
        assert done.code == 0, f"{arguments}: {done}"
        return done.out

    def json(self, *arguments: str) -> Any:
        """Run a command with --json and return its document."""
        return json.loads(self.ok(*arguments, "--json"))

    def fails(self, code: int, *arguments: str, given: bytes = b"") -> str:
        """Run a command that must end with `code` and one sentence; return what it said."""
        done = self(*arguments, given=given)
        assert done.code == code, f"{arguments}: {done}"
        assert "Traceback" not in done.err
        assert done.err
        return done.err


def log_in(shell: Shell) -> None:
    """Make words and a passphrase and log in, as a script would."""
    shell.home.mkdir(parents=True, exist_ok=True)
    words = shell.ok("keys", "create", "--quiet")
    (shell.home / "words").write_text(words, encoding="utf-8")
    (shell.home / "passphrase").write_text(secrets.token_hex(8), encoding="utf-8")
    shell.patch.setenv("CYBS3_PASSPHRASE_FILE", str(shell.home / "passphrase"))
    shell.ok("login", "--mnemonic-file", str(shell.home / "words"))

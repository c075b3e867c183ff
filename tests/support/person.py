"""A person at a shell: a home of their own, `cybs3` run as a real process, nothing shared with anyone."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Done:
    """What a command ended with."""

    code: int
    out: str
    err: str


@dataclass
class Person:
    """Runs commands in an empty home. `environment` adds to what every command is given."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the home."""
        self.home.mkdir(parents=True, exist_ok=True)

    @property
    def surroundings(self) -> dict[str, str]:
        """The whole environment of a command."""
        foreign = ("CYBS3_", "SWIFTS3_", "AWS_", "XDG_")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        own = {"HOME": str(self.home), "USERPROFILE": str(self.home), "CYBS3_HOME": str(self.home / "cybs3")}
        return clean | own | self.environment

    def command(self, *arguments: str) -> list[str]:
        """Return the command line, independent of where scripts are installed."""
        return [sys.executable, "-m", "cybous3.cli.cybs3", *arguments]

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a command and return at once."""
        pipe = subprocess.PIPE
        return subprocess.Popen(self.command(*arguments), env=self.surroundings, stdout=pipe, stderr=pipe, text=True)

    def run(self, *arguments: str, given: str | None = None, extra: Mapping[str, str] | None = None) -> Done:
        """Run a command to its end."""
        done = subprocess.run(
            self.command(*arguments),
            env=self.surroundings | dict(extra or {}),
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def cybs3(self, *arguments: str, given: str | None = None) -> str:
        """Run a command that must succeed, and return what it printed."""
        done = self.run(*arguments, given=given)
        assert done.code == 0, f"cybs3 {' '.join(arguments)}: {done.code}\n{done.out}\n{done.err}"
        return done.out

    def json(self, *arguments: str) -> Any:  # whatever the command's document holds
        """Run a command with --json and return its document."""
        return json.loads(self.cybs3(*arguments, "--json"))

    def log_in(self) -> str:
        """Make words and a passphrase, log in with both, and return the words."""
        words = self.cybs3("keys", "create", "--quiet").strip()
        (self.home / "words").write_text(words, encoding="utf-8")
        (self.home / "passphrase").write_text(secrets.token_hex(8), encoding="utf-8")
        self.environment["CYBS3_PASSPHRASE_FILE"] = str(self.home / "passphrase")
        self.cybs3(
            *("login", "--mnemonic-file", str(self.home / "words")),
            *("--passphrase-file", str(self.home / "passphrase")),
        )
        return words

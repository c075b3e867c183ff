"""Where a secret may come from: a file, standard input, a command's output, the environment, a terminal.

Never an argument: those stand in process lists and histories. The nearest source wins: options before environment
before a prompt, and a prompt only where a person sits. One line end at the end is not part of the secret; nothing
else is removed.
"""

import os
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from cybous3.client.keys.errors import BadSource
from cybous3.client.keys.files import local_problems

SECRET_BYTES_MAX = 64 * 1024
COMMAND_TIMEOUT_S = 120
STDIN = Path("-")


class SecretKind(NamedTuple):
    """One secret a command may need, and the environment variables that may give it."""

    name: str  # for messages and prompts
    variable: str  # holds the secret; variable + "_FILE" holds a path to it
    command_variable: str | None = None  # holds a command that prints it


MNEMONIC = SecretKind("recovery words", "CYBS3_MNEMONIC")
PASSPHRASE = SecretKind("passphrase", "CYBS3_PASSPHRASE", "CYBS3_PASSWORD_COMMAND")
SECRET_KEY = SecretKind("secret access key", "CYBS3_SECRET_KEY")

Prompt = Callable[[str], str]


@dataclass(slots=True)
class Sources:
    """The surroundings secrets are read from. Standard input gives at most one of them."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    stdin: BinaryIO | None = None
    prompt: Prompt | None = None  # None: no person to ask
    _stdin_taken_by: str = ""

    @property
    def stdin_taken(self) -> bool:
        """Whether standard input has already given a secret."""
        return bool(self._stdin_taken_by)

    def from_options(self, kind: SecretKind, file: Path | None = None, command: str | None = None) -> str | None:
        """Return the secret an option names, None when no option was given."""
        if file is not None and command is not None:
            raise BadSource(f"the {kind.name} may come from a file or from a command, not from both")
        if file is not None:
            return self._file(kind, file)
        return None if command is None else _command(kind, command)

    def from_environment(self, kind: SecretKind) -> str | None:
        """Return the secret the environment gives, None when it gives none."""
        value = self.environ.get(kind.variable)
        if value:
            return _checked(kind, value.encode("utf-8", "surrogateescape"), f"${kind.variable}")
        path = self.environ.get(f"{kind.variable}_FILE")
        if path:
            return self._file(kind, Path(path))
        command = self.environ.get(kind.command_variable) if kind.command_variable else None
        return _command(kind, command) if command else None

    def ask(self, kind: SecretKind, *, again: bool = False) -> str | None:
        """Ask the person, twice with `again`; None when nobody is there."""
        if self.prompt is None:
            return None
        answer = self.prompt(f"{kind.name}: ")
        if again and self.prompt(f"{kind.name} again: ") != answer:
            raise BadSource(f"the two entries of the {kind.name} differ")
        return _checked(kind, answer.encode("utf-8", "surrogateescape"), "the terminal")

    def find(self, kind: SecretKind, file: Path | None = None, command: str | None = None) -> str | None:
        """Return the secret from the nearest source that has it."""
        return self.from_options(kind, file, command) or self.from_environment(kind) or self.ask(kind)

    def _file(self, kind: SecretKind, path: Path) -> str:
        if path == STDIN:
            return self._standard_input(kind)
        with local_problems(path), path.open("rb") as file:
            return _checked(kind, file.read(SECRET_BYTES_MAX + 1), str(path))

    def _standard_input(self, kind: SecretKind) -> str:
        if self._stdin_taken_by:
            raise BadSource(
                f"standard input gave the {self._stdin_taken_by} and cannot give the {kind.name} too",
                hint="read one of them from a file or a command",
            )
        self._stdin_taken_by = kind.name
        stream = self.stdin or sys.stdin.buffer
        return _checked(kind, stream.read(SECRET_BYTES_MAX + 1), "standard input")


def terminal_prompt() -> Prompt | None:
    """Return a prompt that shows nothing of what is typed, or None when no person sits at a terminal."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    import getpass  # noqa: PLC0415  # only where a person sits

    return lambda text: getpass.getpass(text, stream=sys.stderr)


def _command(kind: SecretKind, command: str) -> str:
    import subprocess  # noqa: PLC0415  # 10 ms that few commands need

    words = shlex.split(command, posix=os.name == "posix")
    if not words:
        raise BadSource(f"the command for the {kind.name} is empty")
    try:
        # The person's own command, split without a shell; its complaints go to their standard error.
        done = subprocess.run(  # noqa: S603
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=COMMAND_TIMEOUT_S, check=False
        )
    except OSError as error:
        raise BadSource(f"cannot run {words[0]!r} for the {kind.name}: {(error.strerror or '').lower()}") from error
    except subprocess.TimeoutExpired as error:
        raise BadSource(f"{words[0]!r} gave no {kind.name} within {COMMAND_TIMEOUT_S} s") from error
    if done.returncode != 0:
        raise BadSource(f"{words[0]!r} gave no {kind.name}: it ended with code {done.returncode}")
    return _checked(kind, done.stdout, repr(words[0]))


def _checked(kind: SecretKind, raw: bytes, origin: str) -> str:
    if len(raw) > SECRET_BYTES_MAX:
        raise BadSource(f"the {kind.name} from {origin} is longer than {SECRET_BYTES_MAX} bytes")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadSource(f"the {kind.name} from {origin} is not UTF-8 text") from error
    text = text.removesuffix("\n").removesuffix("\r")
    if not text.strip():
        raise BadSource(f"{origin} gives no {kind.name}: it is empty")
    return text

"""Where secrets come from, and that none is lost, shortened or asked of nobody."""

import io
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from cybous3.client.keys import sources as module
from cybous3.client.keys.errors import BadSource, LocalProblem
from cybous3.client.keys.sources import MNEMONIC, PASSPHRASE, STDIN, Sources, terminal_prompt

PRINT = f'"{sys.executable}" -c "print(chr(0x70) + chr(0x77))"'


def sources(environ: Mapping[str, str] | None = None, stdin: bytes = b"", answers: list[str] | None = None) -> Sources:
    given = list(answers or [])
    prompt = (lambda _text: given.pop(0)) if answers is not None else None
    return Sources(environ or {}, io.BytesIO(stdin), prompt)


def test_the_nearest_source_wins(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_text("from file\n")
    environ = {"CYBS3_PASSPHRASE": "from environment"}
    assert sources(environ, answers=["typed"]).find(PASSPHRASE, file) == "from file"
    assert sources(environ, answers=["typed"]).find(PASSPHRASE) == "from environment"
    assert sources(answers=["typed"]).find(PASSPHRASE) == "typed"
    assert sources().find(PASSPHRASE) is None


def test_the_environment_may_name_a_file_or_a_command(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_text("secret")
    assert sources({"CYBS3_MNEMONIC_FILE": str(file)}).find(MNEMONIC) == "secret"
    assert sources({"CYBS3_PASSWORD_COMMAND": PRINT}).find(PASSPHRASE) == "pw"
    assert sources({"CYBS3_PASSWORD_COMMAND": PRINT}).find(MNEMONIC) is None


@pytest.mark.parametrize(
    ("raw", "secret"), [(b"x\n", "x"), (b"x\r\n", "x"), (b" x \n", " x "), (b"x\n\n", "x\n"), ("ü".encode(), "ü")]
)
def test_one_line_end_is_removed_and_nothing_else(raw: bytes, secret: str) -> None:
    assert sources(stdin=raw).from_options(PASSPHRASE, STDIN) == secret


@pytest.mark.parametrize("raw", [b"", b"\n", b" \n", b"\xff", b"x" * 70_000])
def test_what_is_no_secret_is_refused_without_showing_it(raw: bytes) -> None:
    with pytest.raises(BadSource) as caught:
        sources(stdin=raw).from_options(PASSPHRASE, STDIN)
    assert caught.value.exit_code == 2
    assert "xxx" not in str(caught.value)


def test_standard_input_gives_one_secret() -> None:
    both = sources(stdin=b"x")
    assert not both.stdin_taken
    both.from_options(MNEMONIC, STDIN)
    assert both.stdin_taken
    with pytest.raises(BadSource, match="recovery words"):
        both.from_options(PASSPHRASE, STDIN)


def test_file_and_command_together_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(BadSource, match="not from both"):
        sources().from_options(PASSPHRASE, tmp_path, "x")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalProblem, match="missing"):
        sources().from_options(PASSPHRASE, tmp_path / "missing")


@pytest.mark.parametrize(
    "command", ["", "no-such-program-here", f'"{sys.executable}" -c "raise SystemExit(3)"', f'"{sys.executable}" -c ""']
)
def test_a_command_that_gives_nothing_says_so(command: str) -> None:
    with pytest.raises(BadSource):
        sources().from_options(PASSPHRASE, None, command)


def test_a_command_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COMMAND_TIMEOUT_S", 0.05)
    with pytest.raises(BadSource, match="within"):
        sources().from_options(PASSPHRASE, None, f'"{sys.executable}" -c "import time; time.sleep(5)"')


def test_a_new_secret_is_typed_twice() -> None:
    assert sources(answers=["a", "a"]).ask(PASSPHRASE, again=True) == "a"
    with pytest.raises(BadSource, match="differ"):
        sources(answers=["a", "b"]).ask(PASSPHRASE, again=True)
    assert sources().ask(PASSPHRASE, again=True) is None


def test_nobody_is_asked_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert terminal_prompt() is None
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(sys, "stderr", Terminal())
    prompt = terminal_prompt()
    assert prompt is not None
    monkeypatch.setattr("getpass.getpass", lambda text, stream: f"{text}{stream is sys.stderr}")
    assert prompt("words: ") == "words: True"


def test_no_secret_in_a_representation() -> None:
    assert "hidden" not in repr(sources({"CYBS3_PASSPHRASE": "hidden"}))


def test_standard_input_is_the_process_own_if_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    class Standard:
        buffer = io.BytesIO(b"piped\n")

    monkeypatch.setattr(sys, "stdin", Standard())
    assert Sources({}).from_options(PASSPHRASE, STDIN) == "piped"

"""Log lines: text or JSON, to a stream or a rotated file; tracebacks without variables."""

import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from cybous3.server.app import logs
from cybous3.server.app.logs import FileSink, configure
from cybous3.server.app.problems import LocalError


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def fail() -> None:
    secret = "the-secret-value"
    raise ValueError(len(secret))


def log_everything() -> None:
    log = structlog.get_logger("x")
    log.debug("hidden")
    log.info("seen", a=1)
    try:
        fail()
    except ValueError:
        log.exception("broke")


def test_json_lines_can_be_read_and_hide_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure("info", "json")
    log_everything()
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["event"], first["a"], first["level"]) == ("seen", 1, "info")
    assert "ValueError" in second["exception"]
    assert "the-secret-value" not in second["exception"].replace('"the-secret-value"', "", 1)


def test_text_lines_hide_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure("debug", "text")
    log_everything()
    assert "hidden" in stream.getvalue()
    assert "ValueError: 16" in stream.getvalue()
    assert "secret = 'the" not in stream.getvalue()


def test_a_reader_that_is_gone_does_not_stop_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure("info", "text")
    stream.close()
    structlog.get_logger("x").info("nobody hears this")


def test_a_file_is_private_and_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_FILE_BYTES", 10_000)
    path = tmp_path / "logs" / "server.log"
    sink = configure("info", "json", path)
    assert isinstance(sink, FileSink)
    for i in range(1000):
        structlog.get_logger("x").info("line", number=i)
    sink.close()
    sizes = [one.stat().st_size for one in (tmp_path / "logs").iterdir()]
    assert 2 <= len(sizes) <= 6
    assert max(sizes) <= 10_000
    assert json.loads(path.read_text().splitlines()[-1])["number"] == 999
    if os.name == "posix":
        assert path.stat().st_mode & 0o077 == 0


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    with pytest.raises(LocalError, match="cannot write the log file"):
        configure("info", "text", tmp_path / "f" / "server.log")

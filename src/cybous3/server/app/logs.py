"""Where log lines go: structlog, as text or JSON, to standard error or to a file that is rotated.

No frame's variables are ever printed with a traceback: a secret may be among them.
"""

import logging
import logging.handlers
import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Final, TextIO

import structlog

from cybous3.server.app.problems import local

_FILE_BYTES: Final = 10 * 1024 * 1024
_FILES: Final = 5
_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class _StreamSink:
    """Lines to a stream; a reader that is gone (a closed pipe) must not stop the server."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def line(self, text: str) -> None:
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except (BrokenPipeError, ValueError):
            return

    msg = debug = info = warning = error = critical = exception = line


class _PrivateFile(logging.handlers.RotatingFileHandler):
    """A rotated file that nobody else may read, each time it is made anew."""

    def _open(self) -> TextIOWrapper:
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(handle, "a", encoding="utf-8")


class FileSink:
    """Lines to a file of bounded size, with a few older ones beside it."""

    def __init__(self, path: Path) -> None:
        """Open the file for the user alone. LocalError."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._handler = _PrivateFile(path, maxBytes=_FILE_BYTES, backupCount=_FILES, encoding="utf-8")
        except OSError as error:
            raise local(f"cannot write the log file {str(path)!r}", error) from error

    def line(self, text: str) -> None:
        """Write one line, rotating first if the file is full."""
        self._handler.emit(logging.LogRecord("swifts3", logging.INFO, "", 0, text, None, None))

    def close(self) -> None:
        """Close the file; a line after this opens it again."""
        self._handler.close()

    msg = debug = info = warning = error = critical = exception = line


Sink = FileSink | _StreamSink


def configure(level: str, form: str, file: Path | None = None) -> Sink:
    """Set structlog up for this process and return where its lines go. LocalError."""
    sink: Sink = FileSink(file) if file is not None else _StreamSink(sys.stderr)
    colours = file is None and sys.stderr.isatty()
    renderer: structlog.typing.Processor
    if form == "json":
        renderer = structlog.processors.JSONRenderer()
        tail: list[structlog.typing.Processor] = [structlog.processors.format_exc_info, renderer]
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=colours, pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
        )
        tail = [renderer]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *tail,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: sink,
        cache_logger_on_first_use=False,
    )
    return sink

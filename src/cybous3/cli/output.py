"""How commands speak: results on standard output, everything else on standard error.

Rules of speech: a result is text for a person or, with `--json`, one JSON document (commands that stream write one
JSON document a line). Notes, progress and errors go to standard error. Names that come from elsewhere never reach a
terminal raw: control characters are escaped (they could move the cursor, or forge a line of a log).
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TextIO

from cybous3.core.errors import CybousError

_STEP = 1024


def printable(text: str) -> str:
    r"""Return `text` with everything a terminal could obey escaped, as in `\x1b`; letters of any script stay."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def human_bytes(count: int) -> str:
    """Return a size in binary units with three significant digits: `1.5 MiB`."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if round(size) < _STEP:
            return f"{round(size)} {unit}" if size >= 100 or unit == "B" else f"{size:.3g} {unit}"  # noqa: PLR2004  # three digits
        size /= _STEP
    return f"{size:.3g} PiB"


class Out:
    """Where one command writes. `as_json` and `quiet` come from the options every command shares."""

    def __init__(
        self, *, as_json: bool = False, quiet: bool = False, stdout: TextIO | None = None, stderr: TextIO | None = None
    ) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self._stdout = stdout
        self._stderr = stderr

    @property
    def stdout(self) -> TextIO:
        """The stream of results."""
        return self._stdout or sys.stdout

    @property
    def stderr(self) -> TextIO:
        """The stream of everything that is not a result."""
        return self._stderr or sys.stderr

    @property
    def interactive(self) -> bool:
        """Whether a person watches: progress bars and prompts only then."""
        return self.stderr.isatty() and not self.quiet and not self.as_json

    def result(self, data: Mapping[str, object] | Sequence[object], text: str | Iterable[str] = "") -> None:
        """Write the command's result: `data` as JSON, or `text` (one string, or lines) for a person."""
        if self.as_json:
            self.stdout.write(json.dumps(data, ensure_ascii=False, sort_keys=False) + "\n")
            return
        for line in [text] if isinstance(text, str) else text:
            if line:
                self.stdout.write(line + "\n")

    def event(self, data: Mapping[str, object], text: str = "") -> None:
        """Write one line of a stream: NDJSON, or text. Quiet leaves the text out."""
        if self.as_json:
            self.result(data)
        elif text and not self.quiet:
            self.stdout.write(text + "\n")

    def note(self, text: str) -> None:
        """Tell the person something beside the result. Left out by `--quiet` and `--json`."""
        if not self.quiet and not self.as_json:
            self.stderr.write(text + "\n")

    def warn(self, text: str) -> None:
        """Tell the person something they must not miss. Never left out."""
        self.stderr.write(f"warning: {text}\n")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Write rows in aligned columns, headed; cells are made printable. Nothing in JSON mode."""
        if self.as_json:
            return
        cells = [[printable(cell) for cell in row] for row in rows]
        widths = [max(len(row[i]) for row in [list(columns), *cells]) for i in range(len(columns))]
        for row in [list(columns), *cells]:
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.stdout.write(line.rstrip() + "\n")

    def error(self, program: str, error: CybousError) -> None:
        """Write an error: one sentence and, where there is one, a hint."""
        if self.as_json:
            body = {"message": error.message, "hint": error.hint, "exit_code": error.exit_code}
            self.stderr.write(json.dumps({"error": body}, ensure_ascii=False) + "\n")
            return
        self.stderr.write(f"{program}: {printable(error.message)}\n")
        if error.hint:
            self.stderr.write(f"  hint: {printable(error.hint)}\n")

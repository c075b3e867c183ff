r"""Reading what `strace -f -ttt -T -y -xx` wrote: one value a system call, whole, in the order in which they ended.

Strings and paths are hexadecimal (`-xx`), so that no name and no content can look like syntax. A call that another
thread's line interrupted stands in two lines, "unfinished" and "resumed"; here it is one. A call that never returned
(the process was killed in it) is not there: what it did, if anything, is what a cut in the middle of a write shows.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from cybous3.core.errors import CybousError

_BEGUN: Final = re.compile(r"(\d+) +(\d+\.\d+) (\w+)\(")
_RESUMED: Final = re.compile(r"(\d+) +(\d+\.\d+) <\.\.\. (\w+) resumed>")
_RESULT: Final = re.compile(r"\) += (0x[0-9a-f]+|-?\d+|\?)[^\"]*?(?:<(\d+\.\d+)>)?$")
_UNFINISHED: Final = " <unfinished ...>"
_ANNOTATION: Final = re.compile(r"<([^<>]*)>")


class BadLog(CybousError):
    """The log cannot be relied on: a string was cut short, a line has another form, or not every change is in it."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Call:
    """One system call that returned. Times are seconds of the wall clock; `end` is when it was seen to return.

    `strings` are the quoted arguments in order; `words` is the rest of the arguments with each string left out.
    """

    process: int
    begin: float
    end: float
    name: str
    words: str
    strings: tuple[bytes, ...]
    result: int

    @property
    def failed(self) -> bool:
        """Whether the system refused."""
        return self.result < 0


def read_calls(lines: Iterable[str]) -> Iterator[Call]:
    """Yield the calls of a log in the order in which they returned. BadLog."""
    pending: dict[int, tuple[float, str, str]] = {}
    for raw in lines:
        line = raw.rstrip("\n")
        if begun := _BEGUN.match(line):
            process, begin, name = int(begun[1]), float(begun[2]), begun[3]
            rest = line[begun.end() :]
            if rest.endswith(_UNFINISHED) and name == "close":
                # Its number is free from here on: another thread may be given it before this call returns.
                yield Call(process, begin, begin, name, rest.removesuffix(_UNFINISHED), (), 0)
                continue
            if rest.endswith(_UNFINISHED):
                pending[process] = (begin, name, rest.removesuffix(_UNFINISHED))
                continue
        elif resumed := _RESUMED.match(line):
            process = int(resumed[1])
            if process not in pending:  # begun before we looked
                continue
            begin, name, earlier = pending.pop(process)
            rest = earlier + line[resumed.end() :]
        else:
            continue  # a signal, or the end of a process
        if call := _whole(process, begin, name, rest):
            yield call


def path_of(annotated: str) -> bytes | None:
    """Return the path that `-y` wrote behind a descriptor, None where it wrote none or it is no path."""
    found = _ANNOTATION.search(annotated)
    path = unhex(found[1]) if found and found[1].startswith("\\x") else b""
    return path if path.startswith(b"/") else None


def unhex(text: str) -> bytes:
    r"""Return the bytes of `\x2f\x74...`. BadLog."""
    try:
        return bytes.fromhex(text.replace("\\x", ""))
    except ValueError as error:
        raise BadLog(f"not a hexadecimal string: {text[:40]!r}") from error


def _whole(process: int, begin: float, name: str, rest: str) -> Call | None:
    cut, result = _result(rest)
    if result is None or result[1] == "?":
        return None  # the process ended in it
    pieces = rest[:cut].split('"')
    if any(piece.startswith("...") for piece in pieces[2::2]):
        raise BadLog(f"{name} was cut short in the log: its bytes are not all there")
    strings = tuple(unhex(piece) for piece in pieces[1::2])
    end = begin + float(result[2] or 0)
    return Call(process, begin, end, name, "".join(pieces[::2]), strings, int(result[1], 0))


def _result(rest: str) -> tuple[int, re.Match[str] | None]:
    """Return where the arguments end, and what stands behind them. An error's text may hold brackets of its own."""
    cut = len(rest)
    while (cut := rest.rfind(")", 0, cut)) >= 0:
        if found := _RESULT.match(rest, cut):
            return cut, found
    return 0, None

"""Histories in a compact text: `vectors/linearizability/README.md` describes it. Reading only; values, no I/O."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cybous3.core.errors import CybousError
from cybous3.lab.chaos.linear.history import NEVER, Operation
from cybous3.lab.chaos.linear.register import Call, Outcome

_LINE: Final = re.compile(
    r"(?P<begun>\d+) (?P<ended>\d+|-) (?P<client>\d+) "
    r"(?:(?P<read>r)|w(?P<write>\d+)|s(?P<expected>\d+)>(?P<value>\d+)) (?P<outcome>ok|no|nil|\?|=\d+)"
)
_HEADING: Final = re.compile(r"== (?P<name>\S+) (?P<verdict>linearizable|not-linearizable|no-verdict)")


class NotAHistory(CybousError):
    """A line that is none of a history's."""


@dataclass(frozen=True, slots=True)
class Case:
    """One history; `linearizable` is the published verdict, None where none was published."""

    name: str
    linearizable: bool | None
    operations: tuple[Operation[Call, Outcome], ...]


def cases(text: str) -> Iterator[Case]:
    """Yield every history in the text. Raises NotAHistory."""
    heading: re.Match[str] | None = None
    collected: list[Operation[Call, Outcome]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        if found := _HEADING.fullmatch(line):
            if heading is not None:
                yield _case(heading, collected)
            heading, collected = found, []
        elif heading is not None and (match := _LINE.fullmatch(line)):
            collected.append(_operation(match))
        else:
            raise NotAHistory(f"line {number} is none of a history's: {line!r}")
    if heading is not None:
        yield _case(heading, collected)


def _case(heading: re.Match[str], operations: list[Operation[Call, Outcome]]) -> Case:
    verdicts = {"linearizable": True, "not-linearizable": False, "no-verdict": None}
    return Case(heading["name"], verdicts[heading["verdict"]], tuple(operations))


def _operation(match: re.Match[str]) -> Operation[Call, Outcome]:
    ended = NEVER if match["ended"] == "-" else int(match["ended"])
    return Operation("r", int(match["client"]), _call(match), _outcome(match["outcome"]), int(match["begun"]), ended)


def _call(match: re.Match[str]) -> Call:
    if match["read"]:
        return Call("read")
    if match["write"] is not None:
        return Call("write", int(match["write"]))
    return Call("swap", int(match["value"]), int(match["expected"]))


def _outcome(text: str) -> Outcome | None:
    if text.startswith("="):
        return Outcome(value=int(text[1:]))
    return {"ok": Outcome(), "nil": Outcome(), "no": Outcome(done=False), "?": None}[text]

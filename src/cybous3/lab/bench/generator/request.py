"""One request, ready to be written, and what its answer has to be. No sockets here.

An operation is one request, or several where `after` makes the next one from the answer (a multipart upload); it is
timed from the first byte asked to the last byte answered, and counted once.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple


class Check(Enum):
    """How an answer is judged, beside its status."""

    NOTHING = "the status says it all"
    BYTES = "the body is the object's bytes"
    LENGTH = "Content-Length is the object's size"
    KEYS = "the page holds so many keys"
    DOCUMENT = "an XML document that is no error"


class Answer(NamedTuple):
    """What a continuation is given: only of requests that are checked as DOCUMENT."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes


class Request(NamedTuple):
    """One prepared request.

    `start`, `offset` and `size` say which bytes of which contents the answer must be (Check.BYTES), how long the
    object is (LENGTH), or how many keys the page holds (KEYS). `payload` is what counts as moved when it succeeds.
    `settled` is told how the operation ended, True for success.
    """

    op: str
    head: bytes
    body: Sequence[memoryview | bytes] = ()
    status: int = 200
    check: Check = Check.NOTHING
    start: int = 0
    offset: int = 0
    size: int = 0
    payload: int = 0
    bodiless: bool = False
    after: Callable[[Answer], "Request | None"] | None = None
    settled: Callable[[bool], None] | None = None

    def __repr__(self) -> str:
        return f"<{self.op}: {len(self.head)} bytes of head>"  # a presigned head is good for days

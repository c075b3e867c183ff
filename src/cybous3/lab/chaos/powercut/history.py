"""What clients asked for and were told, and what must therefore be found after a cut. Pure.

A request is acknowledged at a cut if its answer was whole before the cut's moment. An object is then what the last
acknowledged request made of it, or what any later one that had begun would have made; nothing else. A refused or
unanswered request may have happened: it is one that had begun.

In `relaxed` an acknowledgement counts once it is older than the window, in `none` never; a found object must still be
one that somebody sent, whole.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

WINDOW_S: Final = 1.0
"""How old an acknowledgement must be in `relaxed` before a power cut may not take it any more, in seconds."""


class Durability(StrEnum):
    """What an acknowledgement promises."""

    STRICT = "strict"
    RELAXED = "relaxed"
    NONE = "none"

    @property
    def window_s(self) -> float:
        """How much of the past a power cut may take, in seconds."""
        return {"strict": 0.0, "relaxed": WINDOW_S, "none": float("inf")}[self.value]


@dataclass(frozen=True, slots=True)
class Value:
    """An object: digest and length of its bytes, its ETag (None: not known to us), and its own metadata."""

    sha256: str
    size: int
    etag: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, data: bytes, etag: str | None = None, metadata: Iterable[tuple[str, str]] = ()) -> "Value":
        """Return the value of an object with these bytes."""
        return cls(hashlib.sha256(data).hexdigest(), len(data), etag, tuple(sorted(metadata)))

    def agrees(self, found: "Value", *, bytes_only: bool = False) -> bool:
        """Return whether what was found is this."""
        same = (self.sha256, self.size) == (found.sha256, found.size)
        told = self.etag in {None, found.etag} and self.metadata == found.metadata
        return same and (bytes_only or told)


@dataclass(slots=True)
class Attempt:
    """One request that changes something. Times are seconds of the wall clock; `end` None: no whole answer.

    `subject` is `object:BUCKET/KEY`, `bucket:NAME`, `key:ACCESS_KEY` or `upload:BUCKET/KEY?ID`; `after` what it makes
    of it (None: nothing is there). A part is its number and ETag.
    """

    subject: str
    kind: str
    begin: float
    after: Value | None
    end: float | None = None
    ok: bool = False
    part: tuple[int, str] | None = None

    def acknowledged(self, before: float) -> bool:
        """Return whether the client had its answer before a moment."""
        return self.ok and self.end is not None and self.end < before


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be found of one subject, what it once was, and who was the last to be acknowledged."""

    values: tuple[Value | None, ...]
    earlier: tuple[Value | None, ...]
    last: str


@dataclass(slots=True)
class UploadState:
    """An upload in progress as it must be found: `required` or gone for certain (`ended`), and its parts."""

    required: bool = False
    ended: bool = False
    parts: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Expected:
    """What must be found after a cut at one moment."""

    objects: dict[str, Allowed]
    buckets: dict[str, Allowed]
    uploads: dict[str, UploadState]
    keys: dict[str, Allowed] = field(default_factory=dict)
    lossy: bool = False  # an object whose last bytes a cut may take may also answer with an error instead


def expected(history: Sequence[Attempt], before: float, window_s: float = 0.0) -> Expected:
    """Return what must be found after a cut at the moment `before`."""
    begun = [attempt for attempt in history if attempt.begin < before]
    by_subject: dict[str, list[Attempt]] = {}
    for attempt in begun:
        by_subject.setdefault(attempt.subject, []).append(attempt)
    found: dict[str, dict[str, Allowed]] = {"object": {}, "bucket": {}, "key": {}}
    uploads: dict[str, UploadState] = {}
    for subject, attempts in by_subject.items():
        kind, _, name = subject.partition(":")
        if kind == "upload":
            uploads[name] = _upload(attempts, before, window_s)
        else:
            found[kind][name] = _allowed(attempts, before, window_s)
    return Expected(found["object"], found["bucket"], uploads, found["key"], lossy=window_s > 0)


def _allowed(attempts: Sequence[Attempt], before: float, window_s: float) -> Allowed:
    values: list[Value | None] = [None]
    earlier: list[Value | None] = []
    last = "nothing"
    for attempt in attempts:
        if attempt.acknowledged(before - window_s):
            earlier += values
            values, last = [], attempt.kind
        values.append(attempt.after)
    return Allowed(tuple(values), tuple(earlier), last)


def _upload(attempts: Sequence[Attempt], before: float, window_s: float) -> UploadState:
    state = UploadState()
    for attempt in attempts:
        sure = attempt.acknowledged(before - window_s)
        if attempt.kind == "create upload":
            state.required = sure
        elif attempt.part is not None:
            if sure:
                state.parts[attempt.part[0]] = attempt.part[1]
        else:  # from here on it may be gone, and when that was acknowledged it is
            state.required, state.ended = False, sure
    return state


def dump(history: Sequence[Attempt]) -> list[dict[str, Any]]:
    """Return the history as plain values."""
    return [asdict(attempt) for attempt in history]


def load(plain: Iterable[dict[str, Any]]) -> list[Attempt]:
    """Return what `dump` wrote."""
    return [_attempt(item) for item in plain]


def _attempt(item: dict[str, Any]) -> Attempt:
    after = item["after"]
    value = after and Value(**{**after, "metadata": tuple((name, text) for name, text in after["metadata"])})
    part = tuple(item["part"]) if item["part"] else None
    return Attempt(**{**item, "after": value, "part": part})

"""Conditional requests: RFC 9110 §13 for readers, S3's own rules for writers.

A reader's conditions are judged here, against the object that was found. A writer's are only read here; they are
judged by the index, inside the transaction that commits, because a condition is a lock (design D4).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from cybous3.core.clock import parse_http_date
from cybous3.server.model.objects import ALWAYS, WriteCondition
from cybous3.server.wire.errors import S3Error

STANDARD: Final = frozenset({"if-match", "if-none-match", "if-modified-since", "if-unmodified-since"})
_NOT_IMPLEMENTED: Final = "A header you provided implies functionality that is not implemented"


@dataclass(frozen=True, slots=True)
class ReadCondition:
    """The preconditions of a read; None: not sent, or a date that is to be ignored. Dates in ms since the epoch."""

    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since_ms: int | None = None
    if_unmodified_since_ms: int | None = None


class Verdict(Enum):
    """What becomes of a read. The two failures carry the name of the condition, for the answer."""

    PROCEED = ""
    NOT_MODIFIED = "not modified"
    IF_MATCH_FAILED = "If-Match"
    IF_UNMODIFIED_SINCE_FAILED = "If-Unmodified-Since"


def judge(condition: ReadCondition, etag: str, modified_ms: int) -> Verdict:
    """Judge in the order of RFC 9110 §13.2.2. `etag` is the object's, without quotes.

    The order is also S3's rule for pairs: If-Match that holds outweighs If-Unmodified-Since, and If-None-Match that
    holds outweighs If-Modified-Since. Dates compare in whole seconds, because Last-Modified has no more.
    """
    if condition.if_match is not None:
        if not _matches(condition.if_match, etag, weak=False):
            return Verdict.IF_MATCH_FAILED
    elif _modified_after(modified_ms, condition.if_unmodified_since_ms) is True:
        return Verdict.IF_UNMODIFIED_SINCE_FAILED
    if condition.if_none_match is not None:
        return Verdict.NOT_MODIFIED if _matches(condition.if_none_match, etag, weak=True) else Verdict.PROCEED
    unmodified = _modified_after(modified_ms, condition.if_modified_since_ms) is False
    return Verdict.NOT_MODIFIED if unmodified else Verdict.PROCEED


def precondition_failed(verdict: Verdict) -> S3Error:
    """Return the 412 that names the condition of a failing verdict."""
    return S3Error("PreconditionFailed", Condition=verdict.value)


def require_source(condition: ReadCondition, etag: str, modified_ms: int) -> None:
    """Raise PreconditionFailed unless a copy's source satisfies its `x-amz-copy-source-if-*` headers.

    As `judge`, but a source that is not modified fails the copy: 304 has no meaning for a write.
    """
    verdict = judge(condition, etag, modified_ms)
    if verdict is Verdict.NOT_MODIFIED:
        name = "If-None-Match" if condition.if_none_match is not None else "If-Modified-Since"
        raise S3Error("PreconditionFailed", Condition=f"x-amz-copy-source-{name}")
    if verdict is not Verdict.PROCEED:
        raise S3Error("PreconditionFailed", Condition=f"x-amz-copy-source-{verdict.value}")


def if_range_holds(value: str | None, etag: str, modified_ms: int) -> bool:
    """Tell whether a Range may be honoured (RFC 9110 §13.1.5); if not, the whole object is the answer."""
    if value is None:
        return True
    if value.startswith(('"', "W/")):
        return not value.startswith("W/") and value.strip('"') == etag
    seconds = parse_http_date(value)
    return value == etag if seconds is None else seconds == modified_ms // 1000


def write_condition(if_match: str | None, if_none_match: str | None) -> WriteCondition:
    """Return the condition of PutObject, CopyObject or CompleteMultipartUpload.

    S3 knows two: If-Match with one entity tag, If-None-Match with `*`, and not both. All else is NotImplemented.
    """
    if if_match is None and if_none_match is None:
        return ALWAYS
    if if_match is not None and if_none_match is not None:
        raise _refused("If-Match,If-None-Match", "Multiple conditional request headers present in the request")
    if if_none_match is not None:
        if if_none_match != "*":
            raise _refused("If-None-Match")
        return WriteCondition(if_none_match="*")
    tag = _one_tag(str(if_match))
    if tag is None or tag == "*":
        raise _refused("If-Match")
    return WriteCondition(if_match=tag)


def delete_condition(
    if_match: str | None, if_match_size: int | None, if_match_modified_ms: int | None
) -> WriteCondition:
    """Return the condition of a delete: an entity tag or `*`, a size, an instant of last modification."""
    tag = None if if_match is None else _one_tag(if_match)
    if if_match is not None and tag is None:
        raise _refused("If-Match")
    return WriteCondition(if_match=tag, if_match_size=if_match_size, if_match_modified_ms=if_match_modified_ms)


def refuse_unknown(honoured: frozenset[str], sent: Iterable[str]) -> None:
    """Raise NotImplemented for a standard condition that a write would overlook: ignoring one is losing data."""
    for name in sent:
        if name in STANDARD and name not in honoured:
            raise _refused(name.title(), f"{name.title()} is not supported by this operation")


def _refused(header: str, why: str | None = None) -> S3Error:
    sentence = why or f"We don't accept the provided value of {header} header for this API"
    return S3Error("NotImplemented", _NOT_IMPLEMENTED, Header=header, additionalMessage=sentence)


def _one_tag(value: str) -> str | None:
    tags = _tags(value)
    return tags[0][1] if len(tags) == 1 and not tags[0][0] else None


def _tags(value: str) -> list[tuple[bool, str]]:
    """Return (weak, tag) for each member of a list of entity tags. S3 also takes tags without quotes."""
    tags = []
    for member in value.split(","):
        text = member.strip()
        weak = text.startswith("W/")
        tag = text.removeprefix("W/").strip('"')
        if tag:
            tags.append((weak, tag))
    return tags


def _matches(value: str, etag: str, *, weak: bool) -> bool:
    """Compare strongly (a weak tag equals nothing) or weakly, RFC 9110 §8.8.3.2."""
    return any(tag in {"*", etag} and (weak or not is_weak) for is_weak, tag in _tags(value))


def _modified_after(modified_ms: int, since_ms: int | None) -> bool | None:
    return None if since_ms is None else modified_ms // 1000 > since_ms // 1000

"""What must hold of the current object when a write or delete commits. Pure; the committing transaction asks."""

from typing import Final, NamedTuple

from cybous3.server.model.objects import WriteCondition
from cybous3.server.wire.errors import S3Error

SECOND_MS: Final = 1000


class Current(NamedTuple):
    """What a condition can be about."""

    etag: str
    size: int
    modified_ms: int


def require(condition: WriteCondition, current: Current | None, key: str) -> None:
    """Return if `condition` holds of `current` (None: no object).

    PreconditionFailed, or NoSuchKey when `if_match` speaks of an object that is absent (the S3 pages on conditional
    writes: a 404, so that the writer does not mistake it for a lost race). The two conditions that only deletes
    know hold of an absent object: there is nothing left to protect.
    """
    if current is None:
        if condition.if_match is not None:
            raise S3Error("NoSuchKey", Key=key)
        return
    for name, holds in _verdicts(condition, current):
        if not holds:
            raise S3Error("PreconditionFailed", Condition=name)


def _verdicts(condition: WriteCondition, current: Current) -> tuple[tuple[str, bool], ...]:
    match, none_match = condition.if_match, condition.if_none_match
    size, modified = condition.if_match_size, condition.if_match_modified_ms
    return (
        ("If-Match", match in (None, "*", current.etag)),
        ("If-None-Match", none_match is None or none_match not in ("*", current.etag)),
        ("x-amz-if-match-size", size in (None, current.size)),
        (
            "x-amz-if-match-last-modified-time",
            modified is None or modified // SECOND_MS == current.modified_ms // SECOND_MS,
        ),
    )

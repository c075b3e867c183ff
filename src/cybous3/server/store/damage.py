"""What a damaged object answers: the same sentence wherever it is met, and never a byte of it.

InternalError is S3's word for it: the status says that it is the server's fault. A retry finds the object in quarantine
and gets the same answer, so trying again never turns into success with other bytes.
"""

from typing import Final

from cybous3.server.meta.port import DamagedRecordError
from cybous3.server.model.objects import ObjectRecord
from cybous3.server.wire.errors import S3Error

SENTENCE: Final = (
    "The stored object is damaged and cannot be read; overwrite or delete it, or restore it from a backup."
)


def refusal(reason: str) -> S3Error:
    """Return the answer to a request that reads a damaged object."""
    return S3Error("InternalError", SENTENCE, Integrity=reason)


def require_whole(record: ObjectRecord) -> None:
    """Raise InternalError when the object is in quarantine."""
    if record.damaged is not None:
        raise refusal(record.damaged)


def of_the_index(error: DamagedRecordError) -> S3Error:
    """Return the answer when the index's own entry of the object is damaged."""
    return refusal(f"its index entry: {error.reason}")

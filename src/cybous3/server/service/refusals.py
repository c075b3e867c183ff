"""From whatever went wrong to the answer that says so in S3's words: the only place that knows all error families.

Kept true: a client always gets a code, a sentence and the request's id; what was not foreseen is an InternalError,
whose cause goes to the log under that id and never into the answer.
"""

import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from cybous3.core.chunked.errors import ChunkError
from cybous3.core.sigv4.errors import SignatureError
from cybous3.core.uri import UriError
from cybous3.server.meta.port import DamagedRecordError
from cybous3.server.store import damage
from cybous3.server.wire.errors import ERRORS, S3Error, render
from cybous3.server.wire.message import Request, Response

_log = structlog.get_logger("cybous3.server.service")

_BROKEN_OFF: Final = frozenset({"IncompleteBody", "RequestTimeout"})
# Not every platform has quotas.
_NO_SPACE: Final = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})

# The medium fails or was made read-only: nothing was promised, and later it may work again.
_OF_THE_MEDIUM: Final = frozenset({errno.EIO, errno.EROFS, errno.ENODEV, errno.ENXIO, errno.ETIMEDOUT})


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error in S3's words; `close` when the connection holds bytes that nobody can make sense of any more."""

    error: S3Error
    close: bool = False
    unforeseen: bool = False


_Translation = Callable[[Any], Refusal]

# The first row that fits counts: ConnectionError and TimeoutError are OSErrors too.
_ROWS: Final[tuple[tuple[type[Exception], _Translation], ...]] = (
    (S3Error, lambda error: Refusal(error, close=error.code in _BROKEN_OFF)),
    # A body that broke off in its framing leaves bytes that could be anything, even another request.
    (ChunkError, lambda error: Refusal(_of_the_signature(error), close=True)),
    (SignatureError, lambda error: Refusal(_of_the_signature(error))),
    (UriError, lambda _: Refusal(S3Error("InvalidURI"))),
    (ConnectionError, lambda _: Refusal(S3Error("IncompleteBody"), close=True)),
    (TimeoutError, lambda _: Refusal(S3Error("RequestTimeout"), close=True)),
    (DamagedRecordError, lambda error: Refusal(damage.of_the_index(error))),
    (OSError, lambda error: Refusal(S3Error(_of_the_system(error)), unforeseen=error.errno not in _NO_SPACE)),
    (Exception, lambda _: Refusal(S3Error("InternalError"), unforeseen=True)),
)


def _of_the_signature(error: SignatureError) -> S3Error:
    # Signatures are refused in core, which does not know the table. A code that is not in it must not end in no answer.
    code = error.code if error.code in ERRORS else "InvalidRequest"
    return S3Error(code, error.reason, **error.detail)


def _of_the_system(error: OSError) -> str:
    if error.errno in _NO_SPACE:
        return "InsufficientStorage"
    return "ServiceUnavailable" if error.errno in _OF_THE_MEDIUM else "InternalError"


def refusal_of(error: Exception) -> Refusal:
    """Translate `error`. Total: what has no row of its own is an InternalError."""
    return next(translate(error) for kind, translate in _ROWS if isinstance(error, kind))


def refuse(error: Exception, request: Request, operation: str, request_id: str, host_id: str) -> tuple[Response, str]:
    """Return the answer to a request that ended in `error`, and its S3 code."""
    refusal = refusal_of(error)
    if isinstance(error, DamagedRecordError):  # the medium's doing: where in our code it was met helps nobody
        _log.error(
            "damaged index entry",
            request_id=request_id,
            operation=operation,
            bucket=error.bucket,
            reason=error.reason,
        )
    if refusal.unforeseen:
        _log.error(
            "request failed", request_id=request_id, operation=operation, code=refusal.error.code, exc_info=error
        )
    body = b"" if request.method == "HEAD" else render(refusal.error, request.path, request_id, host_id)
    fields = [("content-type", "application/xml"), *_range_fields(refusal.error)]
    return Response(refusal.error.status, fields, body, close=refusal.close), refusal.error.code


def _range_fields(error: S3Error) -> list[tuple[str, str]]:
    # RFC 9110 §15.5.17: a client that asked for too much learns what there is.
    size = error.detail.get("ActualObjectSize") if error.code == "InvalidRange" else None
    return [] if size is None else [("content-range", f"bytes */{size}")]

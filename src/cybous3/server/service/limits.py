"""How large a request may be, decided before a byte of its body is asked for.

The limits stand in the operation's row; this file only holds a request against them. A body of bytes must say how
long it is, as S3 demands: without a length there is no telling a cut body from a whole one.
"""

from typing import Final

from cybous3.server.store.spec import SIZE_MAX
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.message import Headers
from cybous3.server.wire.operations import Operation

_FRAMING: Final = ("content-length", "transfer-encoding")


def stated_length(headers: Headers, length: int | None) -> int | None:
    """Return the body's `length` if the request states one; None where only HTTP does, which reads silence as empty.

    RFC 9112 §6.3: a request without a length has no body. A client that forgot the length meant something else.
    """
    return length if length or any(name in headers for name in _FRAMING) else None


def check_size(operation: Operation, content_length: int | None) -> None:
    """Return if the body, once unwrapped, may have this length; None: the sender does not say.

    MissingContentLength, EntityTooLarge, MaxMessageLengthExceeded.
    """
    if operation.body == "bytes":
        if content_length is None:
            raise S3Error("MissingContentLength")
        if content_length > SIZE_MAX:
            raise S3Error("EntityTooLarge", ProposedSize=str(content_length), MaxSizeAllowed=str(SIZE_MAX))
    elif content_length is not None and content_length > operation.body_max > 0:
        raise S3Error("MaxMessageLengthExceeded", MaxMessageLengthBytes=str(operation.body_max))

"""How large a request may be, decided before a byte of its body is asked for.

The limits stand in the operation's row; this file only holds a request against them. A body of bytes must say how
long it is, as S3 demands: without a length there is no telling a cut body from a whole one.
"""

from cybous3.server.store.spec import SIZE_MAX
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.operations import Operation


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

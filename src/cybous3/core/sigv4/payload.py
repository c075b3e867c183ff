"""What `x-amz-content-sha256` can say about a body."""

import re
from enum import Enum
from typing import Final

from cybous3.core.sigv4.errors import SignatureError

EMPTY_SHA256: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""The SHA-256 of no bytes."""

_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")


class PayloadMode(Enum):
    """How a body is covered by its request's signature. Values are the header's, except SIGNED's, which is a digest."""

    SIGNED = "a SHA-256 in hexadecimal digits"
    UNSIGNED = "UNSIGNED-PAYLOAD"
    STREAMING_SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    STREAMING_SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
    STREAMING_UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    STREAMING_ECDSA = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
    STREAMING_ECDSA_TRAILER = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER"

    @property
    def streaming(self) -> bool:
        """Whether the body is aws-chunked."""
        return self is not PayloadMode.SIGNED and self is not PayloadMode.UNSIGNED

    @property
    def chunks_signed(self) -> bool:
        """Whether every chunk carries a signature of ours to check."""
        return self in (PayloadMode.STREAMING_SIGNED, PayloadMode.STREAMING_SIGNED_TRAILER)

    @property
    def trailing(self) -> bool:
        """Whether trailers may follow the last chunk."""
        return self in (
            PayloadMode.STREAMING_SIGNED_TRAILER,
            PayloadMode.STREAMING_UNSIGNED_TRAILER,
            PayloadMode.STREAMING_ECDSA_TRAILER,
        )

    @property
    def asymmetric(self) -> bool:
        """Whether this is SigV4A, which we know by name only."""
        return self in (PayloadMode.STREAMING_ECDSA, PayloadMode.STREAMING_ECDSA_TRAILER)


_BY_VALUE: Final = {mode.value: mode for mode in PayloadMode if mode is not PayloadMode.SIGNED}


def payload_mode(value: str) -> PayloadMode:
    """Return what `x-amz-content-sha256: value` means; InvalidArgument for anything S3 does not define."""
    mode = _BY_VALUE.get(value)
    if mode is not None:
        return mode
    if _SHA256.fullmatch(value):
        return PayloadMode.SIGNED
    raise SignatureError(
        "InvalidArgument",
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, one of the STREAMING forms, or a valid sha256 value.",
        ArgumentName="x-amz-content-sha256",
        ArgumentValue=value,
    )

"""The small bodies: read whole, within the limit of the operation's row, and held against what was said of them."""

import hashlib
import hmac
from typing import Final

from cybous3.core.checksums import compute, from_base64
from cybous3.server.handlers.call import Call
from cybous3.server.handlers.integrity import content_md5, expected_body, trailing_value
from cybous3.server.store.spec import Expected
from cybous3.server.wire.errors import S3Error

_NO_DIGEST: Final = "Missing required header for this request: Content-MD5 OR x-amz-checksum-*"


async def read_document(call: Call, *, of_the_body: bool = True) -> bytes:
    """Return the whole body, proven. MaxMessageLengthExceeded, IncompleteBody, BadDigest, XAmzContentSHA256Mismatch.

    `of_the_body` False: the request's x-amz-checksum-* headers speak of something else (an upload being completed).
    """
    md5 = content_md5(call.target.headers)
    expected = expected_body(call) if of_the_body else Expected(call.content_length, md5, call.sha256)
    if call.target.operation.checksum_required and not _has_digest(expected):
        raise S3Error("InvalidRequest", _NO_DIGEST)
    content = await _read(call)
    _check(expected, content)
    return content


def _has_digest(expected: Expected) -> bool:
    return not (expected.content_md5 is None and expected.checksum is None and expected.checksum_algorithm is None)


async def _read(call: Call) -> bytes:
    limit = call.target.operation.body_max
    length = 0
    pieces: list[bytes] = []
    while piece := await call.body.read():
        length += len(piece)
        if length > limit:
            raise S3Error("MaxMessageLengthExceeded", MaxMessageLengthBytes=str(limit))
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _check(expected: Expected, content: bytes) -> None:
    if expected.content_length not in {None, len(content)}:
        raise S3Error("IncompleteBody")
    if expected.sha256 is not None:
        _check_sha256(expected.sha256, content)
    if expected.content_md5 is not None:
        computed = hashlib.md5(content, usedforsecurity=False).digest()
        _hold(expected.content_md5, computed, "The Content-MD5 you specified did not match what we received.")
    _check_checksum(expected, content)


def _check_sha256(signed: bytes, content: bytes) -> None:
    computed = hashlib.sha256(content).digest()
    if not hmac.compare_digest(computed, signed):
        raise S3Error(
            "XAmzContentSHA256Mismatch",
            ClientComputedContentSHA256=signed.hex(),
            S3ComputedContentSHA256=computed.hex(),
        )


def _check_checksum(expected: Expected, content: bytes) -> None:
    algorithm, value = _claimed(expected)
    if algorithm is not None:
        message = f"The {algorithm} you specified did not match the calculated checksum."
        _hold(from_base64(algorithm, value), compute(algorithm, content), message)


def _claimed(expected: Expected) -> tuple[str | None, str]:
    if expected.checksum is not None:
        return expected.checksum.algorithm, expected.checksum.value
    if expected.checksum_algorithm is not None and expected.trailer is not None:
        return expected.checksum_algorithm, trailing_value(expected.trailer(), expected.checksum_algorithm)
    return None, ""


def _hold(claimed: bytes, computed: bytes, message: str) -> None:
    if not hmac.compare_digest(claimed, computed):
        raise S3Error("BadDigest", message)

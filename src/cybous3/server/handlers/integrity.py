"""What a request says its body is: MD5, SHA-256 and one flexible checksum, in a header or in a trailer.

Everything here only reads claims; the store holds the bytes against them before anything becomes visible.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Final, cast

from cybous3.core.checksums import ALGORITHMS, HEADERS, ChecksumError, from_base64
from cybous3.server.handlers.call import Call
from cybous3.server.model.objects import Checksum, ChecksumAlgorithm, ChecksumType
from cybous3.server.store.spec import Expected
from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.message import Headers

_MD5_BYTES: Final = 16


def expected_body(call: Call) -> Expected:
    """Return the claims of the request about its body.

    InvalidDigest, InvalidRequest or NotImplemented when a claim cannot be understood.
    """
    checksum = checksum_header(call.target.headers)
    announced = _announced(call)
    if checksum is not None and announced is not None:
        raise S3Error("InvalidRequest", "Expecting a single x-amz-checksum- header")
    asked = sdk_algorithm(call.target.headers)
    if asked is not None and checksum is None and announced is None:
        raise S3Error(
            "InvalidRequest",
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer "
            "headers were found.",
        )
    given = announced or (checksum.algorithm if checksum is not None else None)
    if asked is not None and given != asked:
        raise S3Error("InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid.")
    return Expected(
        content_length=call.content_length,
        content_md5=content_md5(call.target.headers),
        sha256=call.sha256,
        checksum=checksum,
        checksum_algorithm=announced,
        trailer=call.trailer if announced is not None else None,
    )


def content_md5(headers: Headers) -> bytes | None:
    """Return the digest in Content-MD5, None when there is none. InvalidDigest unless it is base64 of 16 bytes."""
    value = headers.get("content-md5")
    if value is None:
        return None
    try:
        digest = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != _MD5_BYTES:
        raise S3Error("InvalidDigest", "The Content-MD5 you specified is not valid.", **{"Content-MD5": value})
    return digest


def checksum_header(headers: Headers) -> Checksum | None:
    """Return the one x-amz-checksum-* header, None when there is none. InvalidRequest for two, or a bad value."""
    found: Checksum | None = None
    for name, value in headers.items_in_order:
        known = HEADERS.get(name) if name.startswith("x-amz-checksum-") else None
        if known is None:
            continue
        if found is not None:
            raise S3Error(
                "InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
            )
        _check_value(name, known, value)
        found = Checksum(cast("ChecksumAlgorithm", known), value)
    return found


def object_checksum(headers: Headers, kind: ChecksumType | None) -> Checksum | None:
    """Return what a request that completes an upload says of the whole object's checksum. InvalidRequest.

    Without a type the value's own form tells: composite ones end in the number of parts.
    """
    for name, value in headers.items_in_order:
        known = HEADERS.get(name) if name.startswith("x-amz-checksum-") else None
        if known is not None:
            digest, dash, count = value.partition("-")
            if dash and not count.isdecimal():
                raise S3Error("InvalidRequest", f"Value for {name} header is invalid.")
            _check_value(name, known, digest)
            return Checksum(cast("ChecksumAlgorithm", known), value, kind or ("COMPOSITE" if dash else "FULL_OBJECT"))
    return None


def trailing_value(trailers: Mapping[str, str], algorithm: str) -> str:
    """Return the checksum that stands in the trailers. InvalidRequest unless it can be one; absent is such a case."""
    header = ALGORITHMS[algorithm].header
    value = trailers.get(header, "")
    _check_value(header, algorithm, value)
    return value


def _check_value(header: str, algorithm: str, value: str) -> None:
    try:
        from_base64(algorithm, value)
    except ChecksumError as error:
        raise S3Error("InvalidRequest", f"Value for {header} header is invalid.") from error


def sdk_algorithm(headers: Headers) -> ChecksumAlgorithm | None:
    """Return what x-amz-sdk-checksum-algorithm names. InvalidRequest for a word S3 does not know."""
    value = headers.get("x-amz-sdk-checksum-algorithm")
    return None if value is None else known_algorithm(value, "x-amz-sdk-checksum-algorithm")


def known_algorithm(value: str, header: str) -> ChecksumAlgorithm:
    """Return the algorithm of that name, in any case. NotImplemented for S3's younger ones, else InvalidRequest."""
    name = value.upper()
    if name in ALGORITHMS:
        return cast("ChecksumAlgorithm", name)
    if name in {"SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128"}:
        raise S3Error("NotImplemented", f"The checksum algorithm {name} is not implemented.", Header=header)
    raise S3Error("InvalidRequest", f"Value for {header} header is invalid.")


def _announced(call: Call) -> ChecksumAlgorithm | None:
    """Return the algorithm of the checksum that x-amz-trailer announces."""
    value = call.target.headers.get("x-amz-trailer")
    if value is None:
        return None
    names = [name.strip().lower() for name in value.split(",") if name.strip()]
    algorithms = [HEADERS[name] for name in names if name in HEADERS]
    if call.trailer is None or len(names) != 1 or len(algorithms) != 1:
        raise S3Error("InvalidRequest", "The value specified in the x-amz-trailer header is not supported")
    return cast("ChecksumAlgorithm", algorithms[0])

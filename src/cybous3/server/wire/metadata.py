"""What travels with an object: system headers and user metadata, in and out, and what a reader may override.

User metadata is stored as text and comes back as the very bytes it came in. Clients write non-ASCII either as raw
UTF-8 (s3cmd, rclone, minio) or as RFC 2047 encoded words (SDKs following AWS's advice), and each reads what it wrote;
turning one into the other, as AWS does, would break the first kind. Bytes that are not UTF-8 are refused.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from cybous3.core.http_values import without_aws_chunked
from cybous3.server.wire.errors import S3Error, invalid_argument
from cybous3.server.wire.message import Headers

USER_PREFIX: Final = "x-amz-meta-"
USER_BYTES_MAX: Final = 2048  # S3 user guide, "User-defined object metadata": UTF-8 bytes of names and values
DEFAULT_CONTENT_TYPE: Final = "binary/octet-stream"

SYSTEM_HEADERS: Final = (
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
    "x-amz-website-redirect-location",
)
# Query parameters that replace a header of the answer, on GET and HEAD that are signed.
OVERRIDES: Final = {
    "response-cache-control": "cache-control",
    "response-content-disposition": "content-disposition",
    "response-content-encoding": "content-encoding",
    "response-content-language": "content-language",
    "response-content-type": "content-type",
    "response-expires": "expires",
}
# RFC 9110 §5.5: what no field value may hold. A value that came percent-encoded has passed no HTTP parser (C2a).
_NOT_FIELD: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def text_from_wire(name: str, value: str) -> str:
    """Return a header value as text; InvalidArgument unless its bytes are UTF-8."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode()
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise invalid_argument(name, value, f"The value of {name} is not UTF-8.") from error


def text_to_wire(value: str) -> str:
    """Return text as a header value; the inverse of `text_from_wire`."""
    return value if value.isascii() else value.encode().decode("latin-1")


def user_metadata(headers: Headers) -> Mapping[str, str]:
    """Return the user metadata of a request, by name without the prefix, in the order sent.

    A name sent twice keeps both values, joined by a comma as RFC 9110 §5.3 has it. MetadataTooLarge above 2 KB.
    """
    found: dict[str, str] = {}
    for header, value in headers.items_in_order:
        if header.startswith(USER_PREFIX):
            name = header[len(USER_PREFIX) :]
            text = text_from_wire(header, value)
            found[name] = f"{found[name]},{text}" if name in found else text
    if found:
        _check_size(found)
    return found


def _check_size(metadata: Mapping[str, str]) -> None:
    if "" in metadata:
        raise invalid_argument(USER_PREFIX, metadata[""], "A metadata header needs a name.")
    size = sum(len(name) + len(value.encode()) for name, value in metadata.items())
    if size > USER_BYTES_MAX:
        raise S3Error("MetadataTooLarge", Size=str(size), MaxSizeAllowed=str(USER_BYTES_MAX))


def system_metadata(headers: Headers) -> Mapping[str, str]:
    """Return the system headers of a request that are stored with the object; empty ones are not.

    `aws-chunked` describes the request's body and never enters Content-Encoding.
    """
    first = headers.first
    found = {name: text_from_wire(name, value) for name in SYSTEM_HEADERS if (value := first.get(name))}
    if "content-encoding" in found:
        kept = without_aws_chunked(found.pop("content-encoding"))
        if kept is not None:
            found["content-encoding"] = kept
    return found


def object_headers(system: Mapping[str, str], user: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the headers with which an answer gives an object's metadata back."""
    headers = [("content-type", DEFAULT_CONTENT_TYPE)] if "content-type" not in system else []
    headers += [(name, text_to_wire(value)) for name, value in system.items()]
    headers += [(f"{USER_PREFIX}{name}", text_to_wire(value)) for name, value in user.items()]
    return headers


def overridden(headers: Iterable[tuple[str, str]], query: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return `headers` with what the `response-*` parameters of `query` replace or add.

    The caller has made sure that the request is signed: for anonymous ones S3 answers InvalidRequest (attacks C2c).
    InvalidArgument for a value that no header field may hold.
    """
    wanted = {header: _field_value(name, query[name]) for name, header in OVERRIDES.items() if query.get(name)}
    if not wanted:
        return list(headers)
    return [(name, value) for name, value in headers if name not in wanted] + list(wanted.items())


def _field_value(name: str, value: str) -> str:
    if _NOT_FIELD.search(value):
        raise invalid_argument(name, value, "A header value cannot hold control characters.")
    return text_to_wire(value)


def has_overrides(query: Mapping[str, str]) -> bool:
    """Tell whether any `response-*` parameter asks for a change; S3 allows that only to signed requests."""
    return not OVERRIDES.keys().isdisjoint(query)

"""What every adapter checks before it acts, and the values they make alike."""

import hashlib
import zlib
from base64 import b64encode
from collections.abc import Mapping, Sequence

from cybous3.client.stores.errors import PreconditionFailed, Refused
from cybous3.client.stores.port import Buffer, Capabilities, Part

_KEY_BYTES_MAX = 1024
_METADATA_BYTES_MAX = 2048


def content_etag(data: bytes, parts: int = 0) -> str:
    """Return an ETag that differs for different bytes."""
    digest = hashlib.sha256(data).hexdigest()[:32]
    return f"{digest}-{parts}" if parts else digest


def checked_number(number: int, capabilities: Capabilities) -> int:
    """Return a part's number. Raises Refused for one that cannot be."""
    if not 1 <= number <= capabilities.parts_max:
        raise Refused(f"no part has the number {number}", code="InvalidArgument")
    return number


def check_parts(key: str, wanted: Sequence[Part], held: Mapping[int, Part], capabilities: Capabilities) -> None:
    """Raise Refused unless `wanted` can make an object: at least one, ascending, all held, none but the last small."""
    numbers = [part.number for part in wanted]
    if not numbers or numbers != sorted(set(numbers)):
        raise Refused(f"{key!r}: the parts are not in ascending order", code="InvalidPartOrder")
    for part in wanted:
        if part.number not in held or held[part.number].etag != part.etag:
            raise Refused(f"{key!r}: part {part.number} is not there", code="InvalidPart")
    if any(held[number].size < capabilities.part_bytes_min for number in numbers[:-1]):
        raise Refused(f"{key!r}: a part is too small", code="EntityTooSmall")


def check_condition(key: str, etag_there: str | None, *, absent: bool, if_match: str | None) -> None:
    """Raise PreconditionFailed unless the state of `key` is the one the writer named."""
    if absent and etag_there is not None:
        raise PreconditionFailed(f"{key!r}: there already", code="PreconditionFailed")
    if if_match is not None and if_match != etag_there:
        raise PreconditionFailed(f"{key!r}: changed by somebody else", code="PreconditionFailed")


def checked_key(key: str) -> str:
    """Return the key. Raises Refused for one that no store takes."""
    if not 1 <= len(key.encode("utf-8", "surrogatepass")) <= _KEY_BYTES_MAX:
        raise Refused(f"a key has 1 to {_KEY_BYTES_MAX} bytes: {key[:40]!r}", code="KeyTooLongError")
    return key


def checked_batch(keys: Sequence[str], capabilities: Capabilities) -> None:
    """Raise Refused when these are too many keys for one call."""
    if len(keys) > capabilities.delete_many_max:
        raise Refused(f"at most {capabilities.delete_many_max} keys at once, not {len(keys)}")


def checked_metadata(metadata: Mapping[str, str]) -> Mapping[str, str]:
    """Return user metadata. Raises Refused for what a header cannot carry, or more than 2 KiB."""
    for name, value in metadata.items():
        if not (name.isascii() and name.replace("-", "").replace("_", "").isalnum() and name == name.lower()):
            raise Refused(f"not a metadata name: {name!r}")
        if not (value.isascii() and value.isprintable()) or value != value.strip():
            raise Refused(f"metadata {name!r} holds what a header cannot carry")
    if sum(len(name) + len(value) for name, value in metadata.items()) > _METADATA_BYTES_MAX:
        raise Refused(f"more than {_METADATA_BYTES_MAX} bytes of metadata", code="MetadataTooLarge")
    return metadata


def crc32_base64(body: Sequence[Buffer]) -> str:
    """Return the CRC32 of the buffers as S3 writes it: big-endian, base64."""
    crc = 0
    for piece in body:
        crc = zlib.crc32(piece, crc)
    return b64encode(crc.to_bytes(4, "big")).decode()

"""The five checksums S3 calls flexible: computed in pieces, and joined for multipart objects.

A digest is bytes, CRCs in big-endian order, as S3 base64-encodes them. CRC32C and CRC64NVME come from awscrt
(compiled, hardware-assisted), imported on first use: a command that needs none does not wait for it.
"""

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Final, Protocol

from cybous3.core.errors import CybousError

Buffer = bytes | bytearray | memoryview
_Crc = Callable[[Buffer, int], int]
_Combine = Callable[[int, int, int], int]


class ChecksumError(CybousError):
    """A checksum that cannot be: unknown algorithm, wrong length, not base64, a way of joining it does not have."""


class Hasher(Protocol):
    """A checksum in the making."""

    def update(self, data: Buffer, /) -> None:
        """Take in more bytes."""
        ...

    def digest(self) -> bytes:
        """Return the checksum of the bytes so far."""
        ...


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One row: what S3 says about an algorithm."""

    name: str
    digest_size: int
    composite: bool  # a multipart object's checksum may be the checksum of its parts' checksums
    full_object: bool  # ... or that of all its bytes, computable from the parts' without reading them
    new: Callable[[], Hasher]

    @property
    def header(self) -> str:
        """The field that carries it, lower case, also as a trailer."""
        return f"x-amz-checksum-{self.name.lower()}"


class _CrcHasher:
    """A CRC over pieces. `crc(data, previous)` is awscrt's and zlib's common form."""

    __slots__ = ("_crc", "_size", "_value")

    def __init__(self, crc: _Crc, size: int) -> None:
        self._crc = crc
        self._size = size
        self._value = 0

    def update(self, data: Buffer, /) -> None:
        self._value = self._crc(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size)


def _new_crc32() -> Hasher:
    return _CrcHasher(zlib.crc32, 4)


def _new_crc32c() -> Hasher:
    from awscrt.checksums import crc32c  # noqa: PLC0415  (on first use: see the module's docstring)

    return _CrcHasher(crc32c, 4)


def _new_crc64nvme() -> Hasher:
    from awscrt.checksums import crc64nvme  # noqa: PLC0415  (on first use)

    return _CrcHasher(crc64nvme, 8)


def _new_sha1() -> Hasher:
    return hashlib.sha1(usedforsecurity=False)


ALGORITHMS: Final[dict[str, Algorithm]] = {
    row.name: row
    for row in (
        Algorithm("CRC32", 4, composite=True, full_object=True, new=_new_crc32),
        Algorithm("CRC32C", 4, composite=True, full_object=True, new=_new_crc32c),
        Algorithm("CRC64NVME", 8, composite=False, full_object=True, new=_new_crc64nvme),
        Algorithm("SHA1", 20, composite=True, full_object=False, new=_new_sha1),
        Algorithm("SHA256", 32, composite=True, full_object=False, new=hashlib.sha256),
    )
}

HEADERS: Final[dict[str, str]] = {row.header: row.name for row in ALGORITHMS.values()}
"""From the field (`x-amz-checksum-crc32`) to the algorithm's name."""


def algorithm(name: str) -> Algorithm:
    """Return the row of `name` (exact, upper case); ChecksumError for one we do not compute."""
    row = ALGORITHMS.get(name)
    if row is None:
        raise ChecksumError(f"unknown checksum algorithm {name!r}", hint=f"known are {', '.join(ALGORITHMS)}")
    return row


def new(name: str) -> Hasher:
    """Start a checksum."""
    return algorithm(name).new()


def compute(name: str, data: Buffer) -> bytes:
    """Return the checksum of `data`."""
    hasher = new(name)
    hasher.update(data)
    return hasher.digest()


def to_base64(digest: bytes) -> str:
    """Return a digest as fields and XML carry it."""
    return base64.b64encode(digest).decode()


def from_base64(name: str, text: str) -> bytes:
    """Return the digest that `text` carries; ChecksumError unless it is base64 of exactly the algorithm's length."""
    size = algorithm(name).digest_size
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ChecksumError(f"not base64: {text!r}") from error
    if len(digest) != size or to_base64(digest) != text:
        raise ChecksumError(f"not the base64 of {size} bytes: {text!r}")
    return digest


def composite(name: str, digests: Iterable[bytes]) -> str:
    """Return a multipart object's composite checksum: base64 of the checksum of the parts' digests, `-`, the count."""
    if not algorithm(name).composite:
        raise ChecksumError(f"{name} has no composite form")
    parts = list(digests)
    return f"{to_base64(compute(name, b''.join(parts)))}-{len(parts)}"


def combine_full_object(name: str, parts: Iterable[tuple[bytes, int]]) -> bytes:
    """Return the digest of all bytes from (digest, length in bytes) of consecutive parts, without reading a byte."""
    row = algorithm(name)
    if not row.full_object:
        raise ChecksumError(f"{name} cannot be joined over parts")
    join = _combiner(name)

    def step(crc: int, part: tuple[bytes, int]) -> int:
        digest, length = part
        return join(crc, int.from_bytes(digest), length)

    return reduce(step, parts, 0).to_bytes(row.digest_size)


def _combiner(name: str) -> _Combine:
    from awscrt import checksums as crt  # noqa: PLC0415  (on first use)

    table: dict[str, _Combine] = {
        "CRC32": crt.combine_crc32,
        "CRC32C": crt.combine_crc32c,
        "CRC64NVME": crt.combine_crc64nvme,
    }
    return table[name]

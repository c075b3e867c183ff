"""What a request addresses: bucket names, keys, hosts, copy sources. Each is decoded exactly once, here.

A key is opaque: `..`, `//`, control characters and NUL are parts of it and mean nothing (attacks B2). A bucket name
that comes out of here keeps S3's rules, a key is well-formed UTF-8 of 1 to 1,024 bytes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cybous3.core.uri import UriError, uri_decode
from cybous3.server.wire.errors import S3Error, invalid_argument

KEY_BYTES_MAX: Final = 1024

# S3 user guide, "General purpose bucket naming rules". Labels of lower-case letters, digits and hyphens, joined by
# single dots, each label beginning and ending with a letter or digit.
_BUCKET: Final = re.compile(r"(?=.{3,63}\Z)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
_IPV4: Final = re.compile(r"[0-9]+(?:\.[0-9]+){3}")
_RESERVED_PREFIXES: Final = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES: Final = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")

_PORT: Final = re.compile(r":[0-9]*\Z")


@lru_cache(maxsize=1024)
def valid_bucket_name(name: str) -> bool:
    """Tell whether S3's rules allow a bucket of this name."""
    return (
        _BUCKET.fullmatch(name) is not None
        and _IPV4.fullmatch(name) is None
        and not name.startswith(_RESERVED_PREFIXES)
        and not name.endswith(_RESERVED_SUFFIXES)
    )


def check_bucket_name(name: str) -> str:
    """Return `name`; InvalidBucketName if no bucket can have it."""
    if not valid_bucket_name(name):
        raise S3Error("InvalidBucketName", BucketName=name)
    return name


def check_key(key: str) -> str:
    """Return `key`; KeyTooLongError above 1,024 bytes of UTF-8, InvalidURI if it is empty or not UTF-8."""
    if key.isascii() and 0 < len(key) <= KEY_BYTES_MAX:
        return key
    try:
        size = len(key.encode())
    except UnicodeEncodeError as error:
        raise S3Error("InvalidURI", "The key is not well-formed UTF-8.") from error
    if size > KEY_BYTES_MAX:
        raise S3Error("KeyTooLongError", Size=str(size), MaxSizeAllowed=str(KEY_BYTES_MAX))
    if not key:
        raise S3Error("InvalidURI", "The key is empty.")
    return key


def decode(text: str) -> str:
    """Percent-decode wire text into UTF-8, once; InvalidURI."""
    try:
        return uri_decode(text)
    except UriError as error:
        raise S3Error("InvalidURI", URI=text) from error


def virtual_bucket(host: str | None, hosts: Sequence[str]) -> str | None:
    """Return the bucket that a Host field names in front of one of our base `hosts`, or None for path-style.

    A port does not count, case does not count, an IP address (which has no subdomains) is always path-style. The
    longest base host wins, so that `s3.example.com` beside `example.com` is no bucket called `s3`.
    """
    if not host or host.startswith("["):
        return None
    name = _PORT.sub("", host).lower().removesuffix(".")
    if _IPV4.fullmatch(name):
        return None
    best = max((base for base in _base_hosts(tuple(hosts)) if _below(name, base)), key=len, default=None)
    return None if best is None or best == name else name[: -len(best) - 1]


def _below(name: str, base: str) -> bool:
    return name == base or name.endswith(f".{base}")


@lru_cache(maxsize=8)
def _base_hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    """Return configured host names as `virtual_bucket` compares them: lower case, without port or trailing dot."""
    names = (_PORT.sub("", host).lower().strip(".") for host in hosts if not host.startswith("["))
    return tuple(name for name in names if name)


def split_path(path: str, bucket: str | None) -> tuple[str | None, str | None]:
    """Return bucket and key of a raw path; `bucket` is the one the host named, if any. None: not addressed.

    The first slash behind the bucket ends its name and is part of nothing; every later one is part of the key.
    """
    if not path.startswith("/"):
        raise S3Error("InvalidURI", URI=path)
    rest = path[1:]
    if bucket is None:
        name, _, rest = rest.partition("/")
        if not name:
            if rest:  # "//key": no bucket has an empty name
                raise S3Error("InvalidBucketName", BucketName="")
            return None, None
        bucket = decode(name)
    return check_bucket_name(bucket), check_key(decode(rest)) if rest else None


@dataclass(frozen=True, slots=True)
class CopySource:
    """The object that a copy or rename reads; `version_id` None is the current version."""

    bucket: str
    key: str
    version_id: str | None = None


# A copy is looked at twice, for its permissions and by its handler: both must see the same value (attacks B2b).
@lru_cache(maxsize=256)
def parse_copy_source(name: str, text: str) -> CopySource:
    """Return what `[/]bucket/key[?versionId=id]` names; `name` is the header's, for the refusal.

    The version is split off before anything is decoded, so `%3FversionId=` is part of a key. Then the rest is decoded,
    once, and split: the slash behind the bucket may be written %2F. A `+` is a space, as in S3, which is why clients
    write %2B.
    """
    path, query, version = text.partition("?versionId=")
    try:
        place, version_id = _decode_source(path), _decode_source(version) if query else None
    except UriError as error:
        raise invalid_argument(name, text, "Invalid copy source encoding.") from error
    bucket, _, key = place.removeprefix("/").partition("/")
    if not bucket or not key or (query and not version):
        raise invalid_argument(name, text, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
    return CopySource(check_bucket_name(bucket), check_key(key), version_id)


def _decode_source(text: str) -> str:
    return uri_decode(text.replace("+", " "))

"""S3's percent-encoding, read strictly and written in one way only.

Written: every byte but A-Z a-z 0-9 - . _ ~ becomes %XX in upper case (SigV4's UriEncode). Read: a per cent sign needs
two hexadecimal digits after it, and text is UTF-8. In a query, and only there, `+` reads as a space, as S3 and every
form decoder read it; it is written %20.

A path or query held as text stands for bytes by latin-1, as the wire gave them.
"""

import re
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from cybous3.core.errors import CybousError

_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")

# What is already written in the one spelling: bytes that stay, and upper-case escapes of bytes that do not.
# Possessive (`++`, `*+`), so that a text that does not match costs one pass and not an exponential number.
_ESCAPED: Final = "[0189A-F][0-9A-F]|2[0-9A-C]|3[A-F]|40|5[B-E]|60|7[B-DF]"
_CANONICAL_PATH: Final = re.compile(rf"(?:[A-Za-z0-9\-._~/]++|%(?:{_ESCAPED}))*+")
# Values of parts may hold a bare `=`, which is not its one spelling: so at most one in each part.
_CANONICAL_TEXT: Final = rf"(?:[A-Za-z0-9\-._~]++|%(?:2F|{_ESCAPED}))*+"
_CANONICAL_QUERY: Final = re.compile(
    rf"{_CANONICAL_TEXT}(?:={_CANONICAL_TEXT})?+(?:&{_CANONICAL_TEXT}(?:={_CANONICAL_TEXT})?+)*+"
)
_CANONICAL_VALUE: Final = re.compile(_CANONICAL_TEXT)

Pairs = tuple[tuple[str, str | None], ...]
"""The parts of a query in order; the value is None where there was no `=`."""


class UriError(CybousError):
    """A path or query that is not properly percent-encoded, or does not hold UTF-8."""


def uri_encode(text: str | bytes, *, safe_slash: bool = False) -> str:
    """Return `text` (as UTF-8) percent-encoded; `/` stays if `safe_slash`. UriError for lone surrogates."""
    try:
        return quote(text, safe="/" if safe_slash else "")
    except UnicodeEncodeError as error:
        raise UriError(f"not a text that UTF-8 can hold: {text!r}") from error


def uri_decode_bytes(text: str) -> bytes:
    """Return the bytes that `text` stands for. UriError for a stray `%` or a character no wire byte stands for."""
    if _BAD_ESCAPE.search(text):
        raise UriError(f"a per cent sign without two hexadecimal digits in {text!r}")
    try:
        return unquote_to_bytes(text.encode("latin-1"))
    except UnicodeEncodeError as error:
        raise UriError(f"not bytes as the wire gave them: {text!r}") from error


def uri_decode(text: str) -> str:
    """Return the text that `text` stands for; `+` stays `+`. UriError unless well-formed UTF-8."""
    if "%" not in text and text.isascii():
        return text
    try:
        return uri_decode_bytes(text).decode()
    except UnicodeDecodeError as error:
        raise UriError(f"not UTF-8: {text!r}") from error


# A query is read where the request is routed, where its signature is parsed and where it is checked.
@lru_cache(maxsize=64)
def parse_query(raw: str) -> Pairs:
    """Return the decoded parts of a raw query, in order, repeated keys kept; `?acl` differs from `?acl=`.

    Empty parts (`a&&b`) are skipped. UriError as `uri_decode`.
    """
    return tuple([_parse_part(part) for part in raw.split("&") if part]) if raw else ()


def _parse_part(part: str) -> tuple[str, str | None]:
    key, equals, value = part.replace("+", " ").partition("=")
    if "%" in part or not part.isascii():
        key, value = uri_decode(key), uri_decode(value)
    return key, value if equals else None


def encode_query(pairs: Pairs) -> str:
    """Write what `parse_query` reads back to the same pairs; the order is kept."""
    return "&".join(
        uri_encode(key) if value is None else f"{uri_encode(key)}={uri_encode(value)}" for key, value in pairs
    )


def canonical_path(raw: str) -> str:
    """Return the one spelling of a raw path that a signature covers: decoded, then encoded, nothing normalised.

    `//`, `.` and `..` stay as they are: in S3 they are parts of a key.
    """
    if _CANONICAL_PATH.fullmatch(raw):
        return raw
    return uri_encode(uri_decode_bytes(raw), safe_slash=True)


def canonical_parts(raw: str) -> list[tuple[str, str]]:
    """Return the parts of a raw query as a signature covers them: encoded in one spelling, sorted by key, then value.

    A key without a value counts as one with the empty value.
    """
    parts = [part.partition("=") for part in raw.split("&") if part]
    if _CANONICAL_QUERY.fullmatch(raw):
        return sorted([(key, value) for key, _, value in parts])
    return sorted([(_canonical_value(key), _canonical_value(value)) for key, _, value in parts])


def _canonical_value(raw: str) -> str:
    if _CANONICAL_VALUE.fullmatch(raw):
        return raw
    return uri_encode(uri_decode_bytes(raw.replace("+", " ")))

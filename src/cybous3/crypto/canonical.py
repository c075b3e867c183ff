"""Canonical JSON and base64url: one value has one spelling, and every other spelling is refused.

Canonical JSON (format-v1 §1.3): UTF-8, object keys sorted by code point, no blanks, only the escapes that JSON needs,
integers only. It is what gets sealed and MAC'd, so that two writers who mean the same write the same bytes.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

from cybous3.crypto.errors import Malformed

Json: TypeAlias = "bool | int | str | Sequence[Json] | Mapping[str, Json] | None"

INTEGER_MAX = 2**53 - 1
"""The largest number in our JSON; 64-bit values are written as strings, so that every language reads them whole."""


def encode_json(value: Json) -> bytes:
    """Return the canonical spelling of `value`; raises `Malformed` for what has none (floats, lone surrogates)."""
    try:
        return _ENCODE(value).encode("utf-8")
    except (UnicodeEncodeError, TypeError) as error:
        raise Malformed("this value cannot be written as canonical JSON") from error


def decode_json(data: bytes, what: str) -> dict[str, Json]:
    """Parse a canonical JSON object; any other spelling, or anything that is no object, is `Malformed`."""
    try:
        value = _DECODE(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{what} is not JSON") from error
    if not isinstance(value, dict) or encode_json(value) != data:
        raise Malformed(f"{what} is not canonical JSON")
    return value


def encode_b64(data: bytes) -> str:
    """base64url (RFC 4648 §5) without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode_b64(text: str, what: str, length: int | None = None) -> bytes:
    """Return the bytes, if `text` is their one spelling (no padding, unused bits zero) and the length fits."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(f"{what} is not base64url") from error
    if encode_b64(data) != text or length not in {None, len(data)}:
        raise Malformed(f"{what} is not canonical base64url of the right length")
    return data


class Fields:
    """Typed access to a parsed JSON object: a missing or mistyped field is `Malformed`, and names the field."""

    def __init__(self, value: Json, what: str) -> None:
        if not isinstance(value, Mapping):
            raise Malformed(f"{what} is not an object")
        self._value = value
        self._what = what

    @property
    def names(self) -> Sequence[str]:
        """The names of all fields."""
        return list(self._value)

    def text(self, name: str) -> str:
        """Return the string under `name`."""
        value = self._value.get(name)
        if not isinstance(value, str):
            raise Malformed(f"{self._what} has no string {name!r}")
        return value

    def integer(self, name: str, low: int, high: int = INTEGER_MAX) -> int:
        """Return the number under `name`, within [low, high]."""
        value = self._value.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise Malformed(f"{self._what} has no number {name!r} between {low} and {high}")
        return value

    def long(self, name: str, low: int, high: int) -> int:
        """Return the 64-bit integer under `name`: a string holding its shortest decimal spelling."""
        text = self.text(name)
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 20 or str(int(text)) != text:  # noqa: PLR2004 - a u64 has at most 20 digits
            raise Malformed(f"{self._what}: {name!r} is not a decimal integer")
        value = int(text)
        if not low <= value <= high:
            raise Malformed(f"{self._what}: {name!r} is out of range")
        return value

    def binary(self, name: str, length: int | None = None) -> bytes:
        """Return the bytes under `name`, written as base64url."""
        return decode_b64(self.text(name), f"{self._what}: {name!r}", length)

    def items(self, name: str) -> Sequence[Json]:
        """Return the array under `name`."""
        value = self._value.get(name)
        if not isinstance(value, list):
            raise Malformed(f"{self._what} has no array {name!r}")
        return cast("Sequence[Json]", value)

    def object(self, name: str) -> Mapping[str, Json]:
        """Return the object under `name`."""
        value = self._value.get(name)
        if not isinstance(value, Mapping):
            raise Malformed(f"{self._what} has no object {name!r}")
        return value

    def has(self, name: str) -> bool:
        """Whether the field is there at all."""
        return name in self._value


def _integer(text: str) -> int:
    value = int(text)
    if abs(value) > INTEGER_MAX:
        msg = f"{text} is too large"
        raise ValueError(msg)
    return value


def _refuse(text: str) -> Json:
    msg = f"{text} is not an integer"
    raise ValueError(msg)


def _unknown(value: object) -> Json:
    msg = f"{type(value).__name__} has no canonical JSON"
    raise TypeError(msg)


# Made once: json.dumps and json.loads would make their machinery anew for every call with these options.
_ENCODE = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_unknown).encode
_DECODE = json.JSONDecoder(parse_int=_integer, parse_float=_refuse, parse_constant=_refuse).decode

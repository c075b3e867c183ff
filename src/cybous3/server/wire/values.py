"""Text from headers and queries into values. What does not hold is refused by name, never guessed.

The generated decoders are made of these. Instants come out in milliseconds since the epoch, UTC.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final, TypeVar

from cybous3.core.clock import parse_http_date
from cybous3.server.wire.errors import S3Error, invalid_argument

T = TypeVar("T")

_NUMBER: Final = re.compile(r"[0-9]{1,19}")
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_BOOLEANS: Final = {"true": True, "false": False}
# Where AWS's sentence for a value is one that people search for.
_SENTENCES: Final = {
    "encoding-type": "Invalid Encoding Method specified in Request",
    "partNumber": "Part number must be an integer between 1 and 10000, inclusive",
    "x-amz-object-attributes": "Invalid attribute name specified.",
    "x-amz-metadata-directive": "Unknown metadata directive.",
    "x-amz-checksum-algorithm": "Checksum algorithm provided is unsupported.",
    "x-amz-sdk-checksum-algorithm": "Checksum algorithm provided is unsupported.",
}


def required(name: str, text: str | None) -> str:
    """Return `text`; InvalidArgument when it is absent or empty."""
    if not text:
        raise invalid_argument(name, "", f"Missing or empty: {name}")
    return text


def integer(name: str, text: str, low: int, high: int) -> int:
    """Return a number written in ASCII digits, `low` to `high` inclusive; InvalidArgument otherwise."""
    number = int(text) if _NUMBER.fullmatch(text) else -1
    if not low <= number <= high:
        sentence = _SENTENCES.get(name, f"Argument {name} must be an integer between {low} and {high}")
        raise invalid_argument(name, text, sentence)
    return number


def boolean(name: str, text: str) -> bool:
    """Return true or false, written in any case; InvalidArgument otherwise."""
    value = _BOOLEANS.get(text.lower())
    if value is None:
        raise invalid_argument(name, text, f"{name} must be true or false")
    return value


def one_of(table: Mapping[str, T], name: str, text: str, code: str = "InvalidArgument") -> T:
    """Return the table's value for `text`; a refusal with `code`, naming the argument, if it has none."""
    value = table.get(text)
    if value is None:
        raise S3Error(code, _SENTENCES.get(name), ArgumentName=name, ArgumentValue=text)
    return value


def words(table: Mapping[str, T], lines: Iterable[str], name: str, *, required: bool) -> tuple[T, ...]:
    """Return the members of a comma-separated list, which may be spread over several lines of one header."""
    found = tuple(one_of(table, name, word.strip()) for line in lines for word in line.split(",") if word.strip())
    if required and not found:
        raise S3Error("InvalidRequest", f"The {name} header is either missing or empty")
    return found


def lenient_date(text: str) -> int | None:
    """Return the instant of an HTTP date; None for what is not one, as RFC 9110 §13.1.3 wants it."""
    seconds = parse_http_date(text)
    return None if seconds is None else seconds * 1000


def date(name: str, text: str) -> int:
    """Return the instant of an HTTP or ISO 8601 date; InvalidArgument for anything else.

    Both forms everywhere: the model names one a header, clients send either.
    """
    instant = _iso_date(text) if _ISO.fullmatch(text) else lenient_date(text)
    if instant is None:
        raise invalid_argument(name, text, f"{name} is not a date")
    return instant


def _iso_date(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):  # of the form, but no day of the calendar, or none once it is in UTC
        return None
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)

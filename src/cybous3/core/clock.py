"""Time and chance as arguments, and the four spellings of a moment that S3 uses.

Nothing here reads a clock: whoever needs the time is handed a `Clock`. Moments are UTC, in seconds or milliseconds
since 1970-01-01T00:00:00Z as the argument's name says; leap seconds do not exist.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

Clock = Callable[[], float]
"""Seconds since the epoch, UTC."""

Entropy = Callable[[int], bytes]
"""`entropy(n)` returns n bytes nobody can guess, fresh on every call."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_PER_DAY: Final = 86_400
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_IMF_FIXDATE: Final = re.compile(
    r"[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([1-9][0-9]{3}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)
_AMZ_DATE: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z")


def http_date(ms: int) -> str:
    """Spell a moment as RFC 9110 §5.6.7 IMF-fixdate, as in Last-Modified; the milliseconds are cut, not rounded."""
    days, seconds = divmod(ms // 1000, _SECONDS_PER_DAY)
    return f"{_imf_day(days)} {_clock_time(seconds)} GMT"


def iso8601(ms: int) -> str:
    """Spell a moment as S3 does in XML: `2026-11-05T12:34:56.789Z`, always three digits after the point."""
    seconds, millis = divmod(ms, 1000)
    days, seconds = divmod(seconds, _SECONDS_PER_DAY)
    return f"{_iso_day(days)}T{_clock_time(seconds)}.{millis:03}Z"


def amz_date(now: float) -> str:
    """Spell seconds since the epoch as `x-amz-date` wants them: `20261105T123456Z`."""
    return _amz_second(int(now))


@lru_cache(maxsize=64)
def _amz_second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y%m%dT%H%M%SZ")


# Requests of one second share their date; only dates that could be read are kept.
@lru_cache(maxsize=4096)
def parse_amz_date(text: str) -> int:
    """Return the seconds since the epoch of `20261105T123456Z`; ValueError for anything else."""
    match = _AMZ_DATE.fullmatch(text)
    if match is None:
        msg = f"not of the form 20261105T123456Z: {text!r}"
        raise ValueError(msg)
    year, month, day, hour, minute, second = map(int, match.groups())
    return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())


# The objects of one run, and the requests of one second, share few dates.
@lru_cache(maxsize=1024)
def parse_http_date(text: str) -> int | None:
    """Return the seconds since the epoch of an HTTP date in any of the three forms of RFC 9110 §5.6.7, or None.

    None rather than an error: a condition whose date cannot be read is to be ignored (RFC 9110 §13.1.3).
    """
    match = _IMF_FIXDATE.fullmatch(text)
    if match is None:
        return _old_http_date(text)
    day, month, year, hour, minute, second = match.groups()
    try:
        moment = datetime(
            int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second), tzinfo=UTC
        )
    except ValueError:
        return None
    return (moment - _EPOCH) // timedelta(seconds=1)


def _old_http_date(text: str) -> int | None:
    """Read the two forms that nobody writes any more, and whatever mail would take for a date."""
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  # 12 ms of a start that needs none of it

    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:  # asctime-date names no zone; HTTP says it is UTC
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(seconds=1)


def _clock_time(seconds: int) -> str:
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02}"


# A listing spells a thousand moments; most fall on a handful of days.
@lru_cache(maxsize=4096)
def _iso_day(days: int) -> str:
    return (_EPOCH + timedelta(days=days)).strftime("%Y-%m-%d")


@lru_cache(maxsize=4096)
def _imf_day(days: int) -> str:
    day = _EPOCH + timedelta(days=days)
    return f"{_WEEKDAYS[day.weekday()]}, {day.day:02} {_MONTHS[day.month - 1]} {day.year:04}"

"""What a row says of itself: a checksum over its table's name and all its columns.

CRC-64/NVME over UTF-8 text: the table's name and then each value in the order of the table's columns, up to the column
`sum`, with 0x1F behind each. A value is written as Python writes it: digits, the text as it is, `None` for NULL, bytes
as `b'...'`. The integer is stored signed. What stands behind `sum` in a table is no part of it.

What an object has in tables of its own goes into the row by the column `body`: the same CRC over the bytes in
`contents`, carried on over the extents and the text of the parts in `layouts`.

It finds damage, not intent: who can write the file can write the sums.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

_SIGN: Final = 1 << 63
_WHOLE: Final = 1 << 64

COVERED: Final[Mapping[str, int]] = {
    "users": 5,
    "access_keys": 5,
    "buckets": 7,
    "objects": 18,
    "uploads": 13,
    "parts": 10,
}
"""How many columns of a table stand before its sum."""

_TEXTS: Final = {table: table + "\x1f" + "%s\x1f" * count for table, count in COVERED.items()}


@cache
def _crc64() -> Any:  # noqa: ANN401  # a function of bytes and the value before; its package has no types
    from awscrt.checksums import crc64nvme  # noqa: PLC0415  # on first use: a command that reads no row does not wait

    return crc64nvme


def row_sum(table: str, values: tuple[Any, ...]) -> int:
    """Return the sum of a row of the table; `values` are the columns before it."""
    crc: int = _crc64()((_TEXTS[table] % values).encode(), 0)
    return crc - _WHOLE if crc & _SIGN else crc


def body_sum(data: bytes | None, extents: bytes | None, parts: str | None) -> int | None:
    """Return what stands in `body`; None when the row is all there is."""
    if data is None and parts is None:
        return None
    crc64 = _crc64()
    crc: int = crc64(data or b"", 0)
    if parts is not None:
        crc = crc64(parts.encode(), crc64(extents or b"", crc))
    return crc - _WHOLE if crc & _SIGN else crc


def sql_sum(table: str, *values: object) -> int:
    """Return the sum as SQL asks for it: `row_sum('users', id, name, ...)`."""
    return row_sum(table, values)

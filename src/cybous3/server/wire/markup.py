"""Text into XML: escaping, percent-encoding for `encoding-type=url`, timestamps.

Two ways of escaping, because two readers want different things. A listing must say exactly which key it means, so
`escape` writes what XML 1.0 cannot hold as numeric character references, as AWS does: not well-formed by the letter,
lossless in practice, and why SDKs ask for `encoding-type=url`. An error, or an answer that only repeats the client's
key, must be readable above all, so `text_element` replaces such characters by U+FFFD.

The `_all` forms do the same to a page of keys. They look at all of it at once, then replace one kind of character
after the other in one long text: a page whose keys need nothing costs a few microseconds.
"""

import re
from collections.abc import Sequence
from datetime import date
from typing import Final

XMLNS: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'

# XML 1.0 §2.2 Char, negated. A lone surrogate is not here: it is no text, and `encode` will say so.
_NOT_XML: Final = "\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff"
# CR is legal, but a parser reads a bare one as LF (§2.11); only a reference survives.
_SPECIAL: Final = re.compile(f'[&<>"\r{_NOT_XML}]')
_UNREPRESENTABLE: Final = re.compile(f"[{_NOT_XML}\ud800-\udfff]")
_NAMED: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
_PLAIN_BYTES: Final = bytes(byte for byte in range(256) if not _SPECIAL.match(chr(byte)))

# RFC 3986 §2.3 unreserved, and "/", which S3 leaves alone in keys.
_RESERVED: Final = re.compile(r"[^A-Za-z0-9_.~/-]")
_PERCENT: Final = tuple(f"%{byte:02X}".encode() for byte in range(256))
_UNRESERVED_BYTES: Final = bytes(byte for byte in range(256) if not _RESERVED.match(chr(byte)))
_SEPARATOR: Final = b"\xff"  # in no UTF-8 text

_HOUR_MS: Final = 3_600_000
_SECONDS: Final = tuple(f"{second // 60:02d}:{second % 60:02d}.000Z" for second in range(3600))
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_HOURS_KEPT: Final = 16_384


def _reference(match: re.Match[str]) -> str:
    character = match[0]
    return _NAMED.get(character) or f"&#x{ord(character):x};"


def escape(text: str) -> str:
    """Return `text` as XML character data; what XML 1.0 cannot hold becomes a numeric reference, as AWS writes it."""
    return _SPECIAL.sub(_reference, text) if _SPECIAL.search(text) else text


def escape_all(texts: Sequence[str]) -> Sequence[str]:
    """Return `escape` of each text."""
    together = _SEPARATOR.join([text.encode() for text in texts])
    special = set(together.translate(None, _PLAIN_BYTES))
    if b"\xef\xbf\xbe" in together or b"\xef\xbf\xbf" in together:  # U+FFFE, U+FFFF: too rare to be quick about
        return [escape(text) for text in texts]
    if not special:
        return texts
    for byte in sorted(special, key=lambda byte: byte != ord("&")):  # "&" first: what follows writes it
        together = together.replace(bytes([byte]), escape(chr(byte)).encode())
    return [text.decode() for text in together.split(_SEPARATOR)]


def url_encode(text: str) -> str:
    """Return `text` percent-encoded byte by byte as UTF-8, "/" kept: what `encoding-type=url` asks for.

    A space becomes %20, never "+": every decoder in use reads the former alike, and some take "+" literally.
    """
    return text if _RESERVED.search(text) is None else url_encode_all((text,))[0]


def url_encode_all(texts: Sequence[str]) -> Sequence[str]:
    """Return `url_encode` of each text."""
    together = _SEPARATOR.join([text.encode() for text in texts])
    reserved = set(together.translate(None, _UNRESERVED_BYTES + _SEPARATOR))
    if not reserved:
        return texts
    for byte in sorted(reserved, key=lambda byte: byte != ord("%")):  # "%" first: what follows writes it
        together = together.replace(bytes([byte]), _PERCENT[byte])
    return together.decode("latin-1").split("\xff")


def text_element(name: str, value: str) -> str:
    """Return `<name>value</name>` that any XML 1.0 parser accepts."""
    return f"<{name}>{escape(_UNREPRESENTABLE.sub(chr(0xFFFD), value))}</{name}>"


class _Hours(dict[int, str]):
    """Hours since the epoch as text, remembered; a dictionary of its own because a lookup is cheaper than a call."""

    def __missing__(self, hour: int) -> str:
        if len(self) >= _HOURS_KEPT:
            self.clear()
        day = date.fromordinal(_EPOCH_DAY + hour // 24)
        text = self[hour] = f"{day.isoformat()}T{hour % 24:02d}:"
        return text


_hours: Final = _Hours()


def timestamp(at_ms: int) -> str:
    """Return the instant as S3 writes it in XML, 2009-10-12T17:50:30.000Z.

    Whole seconds: a listing must name the same instant as the Last-Modified header, which has no fractions.
    """
    return _hours[at_ms // _HOUR_MS] + _SECONDS[at_ms // 1000 % 3600]


def split_timestamps(instants_ms: Sequence[int]) -> tuple[list[str], list[str]]:
    """Return `timestamp` of each instant as two columns, the date with the hour and the rest."""
    hours = [_hours[at_ms // _HOUR_MS] for at_ms in instants_ms]
    return hours, [_SECONDS[at_ms // 1000 % 3600] for at_ms in instants_ms]

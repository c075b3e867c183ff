"""Text into XML: escaping, percent-encoding for `encoding-type=url`, timestamps.

Two ways of escaping, because two readers want different things. A listing must say exactly which key it means, so
`escape` writes what XML 1.0 cannot hold as numeric character references, as AWS does: not well-formed by the letter,
lossless in practice, and why SDKs ask for `encoding-type=url`. An error must be readable above all, so
`text_element` replaces such characters by U+FFFD.
"""

import re
from datetime import date
from functools import lru_cache
from typing import Final

XMLNS: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'

# XML 1.0 §2.2 Char, negated. U+D800..DFFF: a lone surrogate in text is not UTF-8 and would fail much later.
_NOT_XML: Final = "\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff"
# CR is legal, but a parser reads a bare one as LF (§2.11); only a reference survives.
_SPECIAL: Final = re.compile(f'[&<>"\r{_NOT_XML}]')
_UNREPRESENTABLE: Final = re.compile(f"[{_NOT_XML}]")
_NAMED: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}

# RFC 3986 §2.3 unreserved, and "/", which S3 leaves alone in keys.
_RESERVED: Final = re.compile(r"[^A-Za-z0-9_.~/-]")
_PERCENT: Final = {chr(byte): f"%{byte:02X}" for byte in range(256)}

_MINUTES: Final = tuple(f"{minute // 60:02d}:{minute % 60:02d}:" for minute in range(1440))
_SECONDS: Final = tuple(f"{second:02d}.000Z" for second in range(60))
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


def _reference(match: re.Match[str]) -> str:
    character = match[0]
    return _NAMED.get(character) or f"&#x{ord(character):x};"


def escape(text: str) -> str:
    """Return `text` as XML character data; what XML 1.0 cannot hold becomes a numeric reference, as AWS writes it."""
    return _SPECIAL.sub(_reference, text) if _SPECIAL.search(text) else text


def needs_escape(text: str) -> bool:
    """Tell whether `escape` would change `text`."""
    return _SPECIAL.search(text) is not None


def url_encode(text: str) -> str:
    """Return `text` percent-encoded byte by byte as UTF-8, "/" kept: what `encoding-type=url` asks for.

    A space becomes %20, never "+": every decoder in use reads the former alike, and some take "+" literally.
    """
    if _RESERVED.search(text) is None:
        return text
    return _RESERVED.sub(lambda match: _PERCENT[match[0]], text.encode().decode("latin-1"))


def needs_url_encode(text: str) -> bool:
    """Tell whether `url_encode` would change `text`."""
    return _RESERVED.search(text) is not None


def text_element(name: str, value: str) -> str:
    """Return `<name>value</name>` that any XML 1.0 parser accepts."""
    return f"<{name}>{escape(_UNREPRESENTABLE.sub(chr(0xFFFD), value))}</{name}>"


@lru_cache(maxsize=4096)
def _day(day: int) -> str:
    return f"{date.fromordinal(_EPOCH_DAY + day).isoformat()}T"


def timestamp(at_ms: int) -> str:
    """Return the instant as S3 writes it in XML, 2009-10-12T17:50:30.000Z.

    Whole seconds: a listing must name the same instant as the Last-Modified header, which has no fractions.
    """
    minutes, second = divmod(at_ms // 1000, 60)
    day, minute = divmod(minutes, 1440)
    return f"{_day(day)}{_MINUTES[minute]}{_SECONDS[second]}"

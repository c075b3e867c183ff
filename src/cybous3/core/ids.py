"""Names that are drawn, not chosen. Every function takes the entropy it spends; none repeats while entropy does not.

Each kind has one alphabet and one length, so that a name can be told from anything else before it is looked up.
"""

import base64
import re
from typing import Final

from cybous3.core.clock import Entropy

ACCESS_KEY_PREFIX: Final = "CYBS"
"""Tells our access keys from those of other issuers at a glance."""

_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_KEY_LENGTH: Final = 40
_HEX_ID: Final = re.compile(r"[0-9a-f]{32}")


def request_id(entropy: Entropy) -> str:
    """Return 16 characters of A-Z and 2-7 (80 bits) for `x-amz-request-id`."""
    return base64.b32encode(entropy(10)).decode()


def host_id(entropy: Entropy) -> str:
    """Return 64 characters of base64 for `x-amz-id-2`."""
    return base64.b64encode(entropy(48)).decode()


def canonical_user_id(entropy: Entropy) -> str:
    """Return 64 lower-case hexadecimal digits (256 bits): the owner id S3 shows in listings."""
    return entropy(32).hex()


def access_key_id(entropy: Entropy) -> str:
    """Return 20 characters of A-Z and 2-7 (80 bits drawn), as S3 clients expect them."""
    return ACCESS_KEY_PREFIX + base64.b32encode(entropy(10)).decode()


def secret_key(entropy: Entropy) -> str:
    """Return 40 letters and digits (238 bits).

    No sign but letters and digits, so that it never starts like an option and needs no quoting anywhere.
    Drawn from 320 bits: the modulus' bias is below 2^-80.
    """
    number = int.from_bytes(entropy(40))
    digits = []
    for _ in range(_SECRET_KEY_LENGTH):
        number, digit = divmod(number, 62)
        digits.append(_BASE62[digit])
    return "".join(digits)


def upload_id(entropy: Entropy) -> str:
    """Return 32 lower-case hexadecimal digits (128 bits): a multipart upload."""
    return entropy(16).hex()


def blob_id(entropy: Entropy) -> str:
    """Return 32 lower-case hexadecimal digits (128 bits): a file of bytes."""
    return entropy(16).hex()


def is_hex_id(text: str) -> bool:
    """Tell whether `text` has the form of an upload or blob id; nothing else may reach an index or a path (B3)."""
    return _HEX_ID.fullmatch(text) is not None

"""Continuation tokens: where a listing goes on, opaque to clients and refused when it was not made here.

A token is base64url of a version byte, a CRC32 and the key after which to go on. It proves and protects nothing
(start-after may name any key as well); the check value only turns a mangled token into an error, not a wrong page.
"""

import base64
import binascii
import zlib
from typing import Final

from cybous3.server.wire.errors import S3Error

_VERSION: Final = b"\x01"
_HEAD: Final = 5  # the version and four bytes of check value


def make_token(after: str) -> str:
    """Return the token that continues behind `after`."""
    raw = after.encode()
    return base64.urlsafe_b64encode(_VERSION + zlib.crc32(raw).to_bytes(4, "big") + raw).decode("ascii")


def read_token(token: str) -> str:
    """Return the key that `token` continues behind. InvalidArgument when it is not a token of ours."""
    try:
        raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        if raw[:1] == _VERSION and zlib.crc32(raw[_HEAD:]).to_bytes(4, "big") == raw[1:_HEAD]:
            return raw[_HEAD:].decode()
    except (UnicodeError, binascii.Error):
        pass
    raise S3Error(
        "InvalidArgument",
        "The continuation token provided is incorrect",
        ArgumentName="continuation-token",
        ArgumentValue=token,
    )

"""The same bytes again: what was answered to a request head, kept for when it comes back byte for byte.

A link that is embedded in a page is asked for in the same words by every reader, and a signed request is repeated in
the same words within its second. To such a head the whole way from parsing to encoding would give the same answer, as
long as what the answer rests on is unchanged. Whether it is, the one who answered says (`Again.renew`): nothing here
trusts time.

An answer that is kept holds its body, so the bodies that are kept are bounded.
"""

from typing import Final

from cybous3.server.edge.answer import date_line, encode_fields
from cybous3.server.edge.limits import KIB, MIB
from cybous3.server.wire.message import Again, Response

BYTES_MAX: Final = 32 * MIB
BODY_BYTES_MAX: Final = 64 * KIB
_ENTRY_BYTES: Final = KIB  # about what an entry takes beside its head, fields and body
_FIELD_BYTES: Final = 96  # about what a field takes beside its value, which is kept as text and encoded


class _Kept:
    """One answer. What stays the same of it is encoded when it is first repeated: most never are."""

    __slots__ = ("again", "body", "method", "size", "status", "stays")

    def __init__(self, head: bytes, method: str, response: Response, again: Again, body: bytes) -> None:
        self.method = method
        self.status = response.status
        self.again = again
        self.body = body
        fields = sum(_FIELD_BYTES + 2 * len(value) for _, value in again.fields)
        self.size = _ENTRY_BYTES + len(head) + len(body) + fields
        self.stays: bytes | None = None

    def encode(self) -> bytes:
        """Return status line and fields but for those that change."""
        return encode_fields(Response(self.status, self.again.fields, self.body), method=self.method)


class Repeats:
    """Answers by head, bounded by BYTES_MAX; the oldest go first."""

    def __init__(self) -> None:
        self._kept: dict[bytes, _Kept] = {}
        self._bytes = 0

    def keep(self, head: bytes, method: str, response: Response, body: bytes) -> None:
        """Keep `response`, sent for `head` with `body`; nothing is kept of one that nobody says may be repeated."""
        again = response.again
        if again is None or len(body) > BODY_BYTES_MAX:
            return
        self._forget(head)
        kept = self._kept[head] = _Kept(head, method, response, again, body)
        self._bytes += kept.size
        while self._bytes > BYTES_MAX:
            self._forget(next(iter(self._kept)))

    def answer(self, head: bytes) -> bytes | None:
        """Return the whole answer to `head`, or None: then it must be made."""
        kept = self._kept.get(head)
        if kept is None:
            return None
        fresh = kept.again.renew()
        if fresh is None:
            self._forget(head)
            return None
        stays = kept.stays
        if stays is None:
            stays = kept.stays = kept.encode()
        return b"%s%s%s: %s\r\n\r\n%s" % (stays, date_line(), kept.again.name, fresh, kept.body)

    def _forget(self, head: bytes) -> None:
        kept = self._kept.pop(head, None)
        if kept is not None:
            self._bytes -= kept.size

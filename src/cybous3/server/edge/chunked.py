"""The chunked transfer coding, as a state machine without I/O (RFC 9112 §7.1).

Stricter than the RFC on purpose: chunk extensions are refused, since nobody sends them and implementations that
disagree on where they end have been used for smuggling; so are bare LF and a size of more digits than a size has.
Trailer fields are read, bounded and dropped: what S3 sends behind a body lies inside the aws-chunked coding.
"""

import re

from cybous3.server.edge.refusal import Refusal, bad_request

_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")
_FIELD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*")
_LINE_BYTES_MAX = 4096
_TRAILER_BYTES_MAX = 16 * 1024


class ChunkDecoder:
    """Takes the bytes behind the head and gives the body's pieces, until `ended`; `rest` then holds what follows."""

    __slots__ = ("_body_left", "_chunk_left", "_line", "_state", "_trailer_left")

    def __init__(self, body_bytes_max: int) -> None:
        self._body_left = body_bytes_max
        self._trailer_left = _TRAILER_BYTES_MAX
        self._line = b""  # of an unfinished line; behind the end: what was not ours
        self._chunk_left = 0
        self._state = self._size

    @property
    def ended(self) -> bool:
        """Whether the last chunk and the trailer section have been read."""
        return self._state == self._after

    @property
    def rest(self) -> bytes:
        """The bytes behind the body; meaningful once `ended`."""
        return self._line

    def feed(self, data: bytes) -> list[bytes]:
        """Return the pieces of the body in `data`. Refusal at the first byte that is out of order, and ever after."""
        pieces: list[bytes] = []
        at = 0
        if self._line:
            data, self._line = self._line + data, b""
        while at < len(data) and not self.ended:
            if self._chunk_left:
                piece = data[at : at + self._chunk_left]
                self._chunk_left -= len(piece)
                pieces.append(piece)
                at += len(piece)
                continue
            line, at = self._next_line(data, at)
            if line is None:
                return pieces
            self._state(line)
        self._line = data[at:]
        return pieces

    def _next_line(self, data: bytes, at: int) -> tuple[bytes | None, int]:
        end = data.find(b"\n", at)
        if end < 0:
            self._line = data[at:]
            if len(self._line) > _LINE_BYTES_MAX:
                raise bad_request("A line of the chunked body is too long.")
            return None, len(data)
        if data[at:end][-1:] != b"\r":
            raise bad_request("A line of the chunked body does not end in CRLF.")
        return data[at : end - 1], end + 1

    def _size(self, line: bytes) -> None:
        if not _SIZE.fullmatch(line):
            raise bad_request("A chunk size is malformed.")
        size = int(line, 16)
        self._body_left -= size
        if self._body_left < 0:
            raise Refusal(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.")
        self._chunk_left = size
        self._state = self._chunk_end if size else self._trailer

    def _chunk_end(self, line: bytes) -> None:
        if line:
            raise bad_request("A chunk is longer than its size.")
        self._state = self._size

    def _trailer(self, line: bytes) -> None:
        if not line:
            self._state = self._after
            return
        self._trailer_left -= len(line)
        if self._trailer_left < 0 or not _FIELD.fullmatch(line):
            raise bad_request("The trailer section is malformed.")

    def _after(self, line: bytes) -> None:  # pragma: no cover - a name for the end; `feed` stops before calling it
        raise AssertionError(line)

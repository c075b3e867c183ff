"""Reading an aws-chunked body: bytes of the wire in, bytes of the object out. No I/O, no waiting.

    chunk   = size-in-hex [";chunk-signature=" 64-hex] CRLF  data CRLF
    body    = *chunk  "0" [";chunk-signature=" 64-hex] CRLF  *(name ":" value CRLF)  CRLF

What the decoder keeps true when `finish` returns: every chunk's signature (in the signed forms) followed from the seed,
in order; the last chunk, of no bytes, came; the trailers are exactly the announced ones, and signed where the form says
so; the object has exactly the announced length; nothing followed.

What it does not keep: pieces of a signed chunk are handed on before the chunk's signature is known, so that a chunk of
5 GiB needs no memory. **Nothing that was fed may become visible before `finish` has returned.** The trailers' values
are the caller's to hold against the bytes.

Deviation: AWS wants chunks of at least 8 KiB, except the last. We take any size: it protects nothing here, and SDKs
flush short chunks. Memory: one header line or trailer block (4 KiB) at most, whatever the sizes announced.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Final

from cybous3.core.chunked import trailers as trailing
from cybous3.core.chunked.errors import ChunkError
from cybous3.core.sigv4.chunks import TRAILER_SIGNATURE, ChunkSigner
from cybous3.core.sigv4.payload import PayloadMode

HEADER_BYTES_MAX: Final = 128
"""A chunk's header line; the longest legal one has 98 bytes."""

_CRLF: Final = b"\r\n"
_SIGNED_HEADER: Final = re.compile(rb"([0-9A-Fa-f]{1,16});chunk-signature=([0-9a-f]{64})")
_UNSIGNED_HEADER: Final = re.compile(rb"([0-9A-Fa-f]{1,16})")


class _State(Enum):
    HEADER = auto()
    DATA = auto()
    DATA_END = auto()  # the CRLF behind a chunk's data
    TRAILERS = auto()  # until the empty line; in the forms without trailers only the empty line may come
    END = auto()


class Decoder:
    """One body's decoder. After an error it is of no further use.

    `signer` is the chain from the verified request (`Verified.chunk_signer()`), needed by the signed forms and refused
    by the unsigned one. `decoded_length` is x-amz-decoded-content-length, None where the sender could not know it.
    `announced` are the names from x-amz-trailer, as `trailers.announced` returns them.
    """

    def __init__(
        self,
        form: PayloadMode,
        *,
        decoded_length: int | None,
        announced: Sequence[str] = (),
        signer: ChunkSigner | None = None,
    ) -> None:
        check_form(form, signer, announced)
        self._form = form
        self._signer = signer
        self._announced = tuple(announced)
        self._missing = decoded_length  # bytes of the object still to come, where announced
        self._state = _State.HEADER
        self._line = b""  # the beginning of a line whose end has not come yet
        self._chunk_left = 0
        self._chunk_signature = ""
        self._chunk_hash = hashlib.sha256()
        self._trailer_bytes = 0
        self._found: list[tuple[str, str]] = []

    @property
    def complete(self) -> bool:
        """Whether the body's end has been read and everything in it held."""
        return self._state is _State.END

    @property
    def trailers(self) -> dict[str, str]:
        """The announced trailers by lower-case name; empty until `complete`."""
        return dict(self._found) if self.complete else {}

    def feed(self, data: bytes) -> list[bytes]:
        """Take in bytes, cut anywhere; return the object's bytes among them, in order. Raises ChunkError.

        A piece that is all data is returned as it is, not copied.
        """
        pieces: list[bytes] = []
        at = 0
        while at < len(data):
            at = _STEPS[self._state](self, data, at, pieces)
        return pieces

    def finish(self) -> None:
        """Say that nothing more comes. Raises IncompleteBody unless the body is complete, and nothing half-begun."""
        if not self.complete or self._line == b"\r":
            raise ChunkError("IncompleteBody", "The request body terminated unexpectedly")

    # --- one step each: read from `data` at `at`, return where the next step goes on

    def _read_header(self, data: bytes, at: int, _pieces: list[bytes]) -> int:
        line, at = self._take_line(data, at, HEADER_BYTES_MAX)
        if line is None:
            return at
        if not line.endswith(b"\r"):
            raise _bad_framing("a chunk's header does not end in CRLF")
        match = (_SIGNED_HEADER if self._form.chunks_signed else _UNSIGNED_HEADER).fullmatch(line[:-1])
        if match is None:
            raise _bad_framing("a chunk's header is not a size and, if signed, a signature")
        self._begin_chunk(int(match[1], 16), match[2].decode() if self._form.chunks_signed else "")
        return at

    def _begin_chunk(self, size: int, signature: str) -> None:
        self._chunk_left = size
        self._chunk_signature = signature
        if self._missing is not None:
            if size > self._missing:  # refused before a byte of it is handed on
                raise _wrong_length()
            self._missing -= size
        if size:
            self._state = _State.DATA
            return
        self._check_chunk_signature()
        if self._missing:
            raise _wrong_length()
        self._state = _State.TRAILERS

    def _read_data(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        piece = data[at : at + self._chunk_left]  # all of `data` is itself, not a copy
        pieces.append(piece)
        self._chunk_left -= len(piece)
        if self._signer is not None:
            self._chunk_hash.update(piece)
        if not self._chunk_left:
            self._check_chunk_signature()
            self._state = _State.DATA_END
        return at + len(piece)

    def _read_data_end(self, data: bytes, at: int, _pieces: list[bytes]) -> int:
        taken = data[at : at + len(_CRLF) - len(self._line)]
        self._line += taken
        if not _CRLF.startswith(self._line):
            raise _bad_framing("a chunk's data is not followed by CRLF")
        if self._line == _CRLF:
            self._line, self._state = b"", _State.HEADER
        return at + len(taken)

    def _read_trailer(self, data: bytes, at: int, _pieces: list[bytes]) -> int:
        line, at = self._take_line(data, at, trailing.BLOCK_BYTES_MAX - self._trailer_bytes)
        if line is None:
            return at
        self._trailer_bytes += len(line) + 1
        # AWS's own example, and the senders made after it, end a trailer in LF and the block in CRLF.
        line = line.removesuffix(b"\r")
        if line:
            self._found.append(trailing.parse_line(line))
        elif not self._awaits_trailer_signature():
            self._end()
        return at

    def _read_end(self, data: bytes, at: int, _pieces: list[bytes]) -> int:
        # The same senders close the block with one more CRLF.
        self._line += data[at : at + len(_CRLF) + 1]
        if not self._form.trailing or not _CRLF.startswith(self._line):
            raise _bad_framing("something follows the end of the body")
        return len(data)

    # --- helpers

    def _take_line(self, data: bytes, at: int, limit: int) -> tuple[bytes | None, int]:
        """Return the line up to LF (without it) and where it ends; None while LF has not come."""
        end = data.find(b"\n", at, at + limit + 1)
        stop = len(data) if end < 0 else end
        line = self._line + data[at : min(stop, at + limit + 1)]
        if len(line) > limit:
            raise _bad_framing(f"a line or a block of trailers is longer than {limit} bytes")
        if end < 0:
            self._line = line
            return None, stop
        self._line = b""
        return line, end + 1

    def _check_chunk_signature(self) -> None:
        if self._signer is None:
            return
        expected = self._signer.sign_chunk(self._chunk_hash.hexdigest())
        self._chunk_hash = hashlib.sha256()
        if not hmac.compare_digest(expected, self._chunk_signature):
            raise _bad_signature("a chunk")

    def _awaits_trailer_signature(self) -> bool:
        """Whether an empty line stands before the signature, where those senders put one, instead of at the end."""
        return (
            self._form is PayloadMode.STREAMING_SIGNED_TRAILER
            and bool(self._found)
            and all(name != TRAILER_SIGNATURE for name, _ in self._found)
        )

    def _end(self) -> None:
        signed = self._form is PayloadMode.STREAMING_SIGNED_TRAILER
        trailing.check_complete(self._found, self._announced, signed=signed)
        if signed and self._signer is not None:
            _, given = self._found.pop()
            expected = self._signer.sign_trailers(self._found)
            if not hmac.compare_digest(expected.encode(), given.encode()):
                raise _bad_signature("the trailers")
        self._state = _State.END


_Step = Callable[[Decoder, bytes, int, list[bytes]], int]
_STEPS: Final[dict[_State, _Step]] = {
    _State.HEADER: Decoder._read_header,  # noqa: SLF001  (the class's own table, written below it)
    _State.DATA: Decoder._read_data,  # noqa: SLF001
    _State.DATA_END: Decoder._read_data_end,  # noqa: SLF001
    _State.TRAILERS: Decoder._read_trailer,  # noqa: SLF001
    _State.END: Decoder._read_end,  # noqa: SLF001
}


def check_form(form: PayloadMode, signer: ChunkSigner | None, announced: Sequence[str]) -> None:
    """Refuse what cannot be: SigV4A by name, trailers in a form without them, a body that is not aws-chunked.

    ValueError where the caller gave a signer to a form that has no use for it, or none to one that needs it.
    """
    if form.asymmetric:
        raise ChunkError("NotImplemented", f"{form.value} (SigV4A) is not supported. Please use AWS4-HMAC-SHA256.")
    if not form.streaming or form.chunks_signed != (signer is not None):
        msg = f"{form.name}: not aws-chunked, or a signer where none belongs, or none where one does"
        raise ValueError(msg)
    if announced and not form.trailing:
        raise ChunkError("InvalidRequest", f"x-amz-trailer needs a payload form with trailers, not {form.value}")


def _bad_framing(reason: str) -> ChunkError:
    return ChunkError("InvalidRequest", f"The request body is not valid aws-chunked: {reason}.")


def _wrong_length() -> ChunkError:
    return ChunkError(
        "IncompleteBody", "The request body does not have the length that x-amz-decoded-content-length announces."
    )


def _bad_signature(what: str) -> ChunkError:
    return ChunkError(
        "SignatureDoesNotMatch",
        f"The signature of {what} does not match the signature we calculated. Check your key and signing method.",
    )

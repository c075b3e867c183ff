"""The body as its request's signature covers it: a SHA-256 to hold it against, aws-chunked to unwrap, or nothing said.

Kept true: what comes out of `read` are the object's bytes, never their framing; the end (b"") comes only after every
chunk signature, the announced length and the announced trailers held. So whoever publishes after the end publishes
what was signed, and whoever reads a piece must not show it to anyone before.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from cybous3.core.chunked.decoder import Decoder
from cybous3.core.chunked.trailers import announced
from cybous3.core.sigv4.chunks import ChunkSigner
from cybous3.core.sigv4.payload import PayloadMode, payload_mode
from cybous3.core.sigv4.verify import Verified
from cybous3.server.authn.identity import Authenticated, Identity
from cybous3.server.wire.errors import S3Error, invalid_argument
from cybous3.server.wire.message import Body, Request

_DECODED_LENGTH: Final = "x-amz-decoded-content-length"
_DIGITS_MAX: Final = 19  # what an int64 can mean


class Opened(NamedTuple):
    """A body ready to be read by whoever is authorised; nothing was read yet."""

    body: Body
    content_length: int | None  # of what `body` yields; None: chunked transfer coding, known at the end
    sha256: bytes | None = None  # of what `body` yields, as signed; None: not signed, or signed chunk by chunk
    trailer: Callable[[], Mapping[str, str]] | None = None


class UnwrappedBody:
    """An aws-chunked body without its framing."""

    __slots__ = ("_decoder", "_ended", "_pieces", "_wire")

    def __init__(self, wire: Body, decoder: Decoder) -> None:
        self._wire = wire
        self._decoder = decoder
        self._pieces: deque[bytes] = deque()
        self._ended = False

    async def read(self) -> bytes:
        """Return the next piece; b"" once everything held. SignatureError when something did not."""
        while not self._pieces and not self._ended:
            raw = await self._wire.read()
            if raw:
                self._pieces.extend(piece for piece in self._decoder.feed(raw) if piece)
            else:
                self._decoder.finish()
                self._ended = True
        return self._pieces.popleft() if self._pieces else b""

    def trailers(self) -> Mapping[str, str]:
        """Return the announced trailers; empty before the end."""
        return self._decoder.trailers


def open_body(request: Request, identity: Identity) -> Opened:
    """Return the body of `request`, made by `identity`, as its payload mode says.

    MissingContentLength or InvalidArgument for x-amz-decoded-content-length; SignatureError for a mode we do not have.
    """
    mode, digest = _mode(request, identity)
    if not mode.streaming:
        signed = bytes.fromhex(digest) if mode is PayloadMode.SIGNED else None
        return Opened(request.body, request.content_length, signed)
    length = _decoded_length(request)
    signer = _chunk_signer(identity) if mode.chunks_signed else None
    names = announced(request.headers.get("x-amz-trailer"))
    body = UnwrappedBody(request.body, Decoder(mode, decoded_length=length, announced=names, signer=signer))
    return Opened(body, length, trailer=body.trailers if mode.trailing else None)


def _chunk_signer(identity: Identity) -> ChunkSigner | None:
    # None for nobody and for a link of version 2; the decoder refuses signed chunks without one.
    verified = identity.verified if isinstance(identity, Authenticated) else None
    return verified.chunk_signer() if isinstance(verified, Verified) else None


def _mode(request: Request, identity: Identity) -> tuple[PayloadMode, str]:
    if isinstance(identity, Authenticated):
        return identity.verified.payload, identity.verified.payload_hash
    digest = request.headers.get("x-amz-content-sha256") or PayloadMode.UNSIGNED.value
    mode = payload_mode(digest)
    if mode.chunks_signed:
        # There is no signature for the chunks to go on from.
        raise S3Error("AccessDenied")
    return mode, digest


def _decoded_length(request: Request) -> int:
    value = request.headers.get(_DECODED_LENGTH)
    if value is None:
        raise S3Error("MissingContentLength", f"You must provide the {_DECODED_LENGTH} HTTP header.")
    if not (value.isascii() and value.isdigit() and len(value) <= _DIGITS_MAX):
        raise invalid_argument(_DECODED_LENGTH, value)
    return int(value)

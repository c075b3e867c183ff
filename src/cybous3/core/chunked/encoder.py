"""Writing an aws-chunked body: the mirror of the decoder, and as free of I/O."""

import hashlib
from collections.abc import Mapping, Sequence

from cybous3.core.chunked.decoder import check_form
from cybous3.core.sigv4.chunks import TRAILER_SIGNATURE, ChunkSigner
from cybous3.core.sigv4.payload import PayloadMode

_SIGNATURE_LENGTH = 64


class Encoder:
    """One body's encoder: any number of `chunk`, then `end` once.

    `signer` is the chain from the signed request (`Signed.chunk_signer()`), for the signed forms only. `announced` are
    the names in x-amz-trailer, lower case; their values are given at the end.
    """

    def __init__(self, form: PayloadMode, *, signer: ChunkSigner | None = None, announced: Sequence[str] = ()) -> None:
        check_form(form, signer, announced)
        self._form = form
        self._signer = signer
        self._announced = tuple(announced)

    def chunk(self, data: bytes) -> list[bytes]:
        """Return the pieces to send for `data`, which is not copied. ValueError if empty: that would mean the end."""
        if not data:
            msg = "an empty chunk is the last one: call end()"
            raise ValueError(msg)
        return [self._header(data), data, b"\r\n"]

    def end(self, trailers: Mapping[str, str] | None = None) -> bytes:
        """Return what closes the body. `trailers` must be exactly the announced ones."""
        values = dict(trailers or {})
        if values.keys() != set(self._announced):
            msg = f"announced were {sorted(self._announced)}, not {sorted(values)}"
            raise ValueError(msg)
        lines = [(name, values[name]) for name in self._announced]
        closing = self._header(b"")
        if self._form is PayloadMode.STREAMING_SIGNED_TRAILER and self._signer is not None:
            lines.append((TRAILER_SIGNATURE, self._signer.sign_trailers(lines)))
        block = "".join(f"{name}:{value}\r\n" for name, value in lines)
        return closing + block.encode("latin-1") + b"\r\n"

    def _header(self, data: bytes) -> bytes:
        if self._signer is None:
            return f"{len(data):x}\r\n".encode()
        signature = self._signer.sign_chunk(hashlib.sha256(data).hexdigest())
        return f"{len(data):x};chunk-signature={signature}\r\n".encode()


def encoded_length(
    form: PayloadMode, decoded_length: int, chunk_size: int, trailers: Mapping[str, int] | None = None
) -> int:
    """Return the Content-Length of a body sent in chunks of `chunk_size` bytes, the last one as short as it must be.

    `trailers` maps the announced names to the lengths of their values, in bytes.
    """
    whole, rest = divmod(decoded_length, chunk_size)
    extra = len(";chunk-signature=") + _SIGNATURE_LENGTH if form.chunks_signed else 0
    sizes = ((chunk_size, whole), (rest, 1 if rest else 0))
    chunks = sum(count * (len(f"{size:x}") + extra + 2 + size + 2) for size, count in sizes)
    lengths = dict(trailers or {})
    if form is PayloadMode.STREAMING_SIGNED_TRAILER:
        lengths[TRAILER_SIGNATURE] = _SIGNATURE_LENGTH
    block = sum(len(name) + 1 + length + 2 for name, length in lengths.items())
    return chunks + len("0") + extra + 2 + block + 2

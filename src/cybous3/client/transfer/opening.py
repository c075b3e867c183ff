"""Open a stored file: fetch its front and its end, unwrap its key, verify both, and notice what is older than it was.

Everything later (ranges, downloads, checks) works on an `Opened`: its length and its segments' places come from the
authenticated footer, never from what the server says of sizes.
"""

from collections.abc import Generator, Sequence
from contextlib import closing
from typing import NamedTuple

from cybous3.client.keys.errors import Rollback
from cybous3.client.keys.state import Seen
from cybous3.client.stores.errors import ConnectionLost, NotFound, PreconditionFailed, RangeOutside
from cybous3.client.stores.port import ObjectInfo, Store
from cybous3.client.transfer.errors import Conflict, Foreign, NotFoundHere
from cybous3.client.transfer.port import Stored, Surroundings
from cybous3.crypto.errors import Truncated
from cybous3.crypto.layout import FOOTER_LEN, HEADER_FETCH_LEN, IMMUTABLE_LEN
from cybous3.crypto.metadata import DIRECTORY
from cybous3.crypto.objects import OpenObject, prologue_len

ENTRY = "cybs3"
"""The metadata entry that holds the wrapped key (format-v1 §7)."""


class Opened(NamedTuple):
    """A verified object, and as much of its stored bytes as came with the first request."""

    stored: Stored
    object: OpenObject
    front: memoryview  # stored bytes from offset 0
    size: int  # stored bytes in all


class Opener:
    """Opens files of one vault. Safe to call from many threads."""

    def __init__(self, store: Store, around: Surroundings) -> None:
        self._store = store
        self._around = around
        self._vault = around.vault

    def open(self, path: str, *, expect: int = HEADER_FETCH_LEN, key: str | None = None) -> Opened:
        """Open the file `path`, fetching its first `expect` stored bytes with the same request.

        Raises NotFoundHere, Foreign, CryptoError, Rollback, StoreError.
        """
        key = self._vault.object_key(path) if key is None else key
        info, front = self._front(path, key, max(expect, HEADER_FETCH_LEN))
        if ENTRY not in info.metadata:
            raise Foreign(
                f"{path!r} was not written by this vault, or lost its wrapped key",
                hint="a tool that copies objects must keep their user metadata",
            )
        if len(front) < IMMUTABLE_LEN:
            raise Truncated("the object is cut off inside its header")
        front = self._around.sealing.front(front)
        dek = self._vault.data_key(path, bytes(front[:IMMUTABLE_LEN]), info.metadata)
        front = self._whole_prologue(key, info, front)
        reader = self._around.sealing.open(front, vault_id=self._vault.vault_id, dek=dek)
        opened = reader.open_footer(self._end(key, info, front), info.size)
        self._check_age(path, key, reader.object_id, opened.footer.generation)
        return Opened(self._describe(path, key, info, opened), opened, front, info.size)

    def note(self, opened: Opened) -> Seen:
        """Remember what was seen, and return it: the memory of a helper process shows it only to its parent."""
        stored = opened.stored
        seen = Seen(stored.object_id, stored.generation, stored.etag, opened.size, stored.digest)
        self._around.memory.note_objects(self._vault.vault_id, [(stored.key, seen)])
        return seen

    def fetch(self, opened: Opened, start: int, buffer: memoryview) -> None:
        """Fill `buffer` with the object's stored bytes from `start`, of the very state that was opened."""
        with closing(self.pieces(opened, start, (len(buffer),), buffer)) as pieces:
            for piece in pieces:
                if piece.obj is not buffer.obj:
                    buffer[:] = piece

    def pieces(
        self, opened: Opened, start: int, lengths: Sequence[int], buffer: bytearray | memoryview
    ) -> Generator[memoryview, None, None]:
        """Yield the stored bytes from `start`, of the state that was opened, cut into `lengths`, with one request.

        A piece is there until the next is asked for: it stands in `buffer`, or in what was fetched at the start. Close
        it when leaving early.
        """
        stop = start + sum(lengths)
        if stop > len(opened.front):
            stored = opened.stored
            yield from self._cut(stored.path, stored.key, stored.etag, start, lengths, memoryview(buffer))
            return
        for length in lengths:
            yield opened.front[start : start + length]
            start += length

    def _exactly(self, path: str, key: str, etag: str, start: int, buffer: memoryview) -> None:
        for _ in self._cut(path, key, etag, start, (len(buffer),), buffer):
            pass

    def _cut(
        self, path: str, key: str, etag: str, start: int, lengths: Sequence[int], buffer: memoryview
    ) -> Generator[memoryview, None, None]:
        try:
            download = self._store.get(key, start=start, length=sum(lengths), if_match=etag)
        except (PreconditionFailed, NotFound) as error:
            raise Conflict(f"{path!r} changed while it was being read", hint="run the command again") from error
        except RangeOutside as error:
            raise Truncated("the object is shorter than it says") from error
        with download:
            for length in lengths:
                piece = buffer[:length]
                if download.readinto(piece) != length:
                    raise Truncated("the object is shorter than it says")
                yield piece

    def _check_age(self, path: str, key: str, object_id: bytes, generation: int) -> None:
        accept = self._around.accept_rollback
        try:
            self._around.memory.check_object(self._vault.vault_id, key, object_id, generation, accept_rollback=accept)
        except Rollback as error:
            raise Rollback(f"{path!r} is an older state than this machine has seen", hint=error.hint) from error

    def _front(self, path: str, key: str, length: int) -> tuple[ObjectInfo, memoryview]:
        try:
            with self._store.get(key, length=length) as download:
                buffer = memoryview(bytearray(download.length))
                if download.readinto(buffer) != len(buffer):
                    raise ConnectionLost("the answer ended early")
                return download.info, buffer
        except NotFound as error:
            if type(error) is not NotFound:
                raise
            raise NotFoundHere(
                f"the vault holds no file {path!r}", hint="cybs3 files list shows what is there"
            ) from error
        except RangeOutside as error:
            raise Truncated("the object is empty") from error

    def _whole_prologue(self, key: str, info: ObjectInfo, front: memoryview) -> memoryview:
        """Fetch the rest of an unusually long prologue."""
        needed = prologue_len(front)
        if needed <= len(front) or len(front) >= info.size:
            return front
        longer = memoryview(bytearray(min(needed, info.size)))
        longer[: len(front)] = front
        self._exactly("the object", key, info.etag, len(front), longer[len(front) :])
        return longer

    def _end(self, key: str, info: ObjectInfo, front: memoryview) -> bytes:
        start = info.size - FOOTER_LEN
        if start < 0:
            raise Truncated("the object ends before its footer")
        if info.size <= len(front):
            return bytes(front[start:])
        footer = memoryview(bytearray(FOOTER_LEN))
        self._exactly("the object", key, info.etag, start, footer)
        return bytes(footer)

    def _describe(self, path: str, key: str, info: ObjectInfo, opened: OpenObject) -> Stored:
        metadata = opened.metadata
        return Stored(
            path=path,
            key=key,
            size=opened.plaintext_len,
            etag=info.etag,
            object_id=opened.object_id,
            generation=opened.footer.generation,
            digest=opened.footer.digest,
            content_type=metadata.content_type,
            mtime_ns=metadata.mtime_ns,
            mode=metadata.mode,
            folder=metadata.kind == DIRECTORY,
            user=metadata.user,
        )

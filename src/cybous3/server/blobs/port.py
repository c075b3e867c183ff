"""The bytes as a port: immutable blobs, named by ids that say nothing about keys.

Publishing and indexing are two steps on two media, so a crash may fall between them. `publish` therefore leaves a
mark (an intent) that `settle` removes once the index has committed; `recover` looks at the marks left behind, and at
nothing else, so that a start costs what was under way and not what is stored.

Bytes that differ from those that were written never come out: a store keeps checks beside the data and compares them
before it gives a byte away. It finds damage; it does not repair it, and it does not look for it unasked (`check`).
A blob carries a label of its owner's, opaque here, so that an index can be made again from blobs alone.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from cybous3.server.wire.message import FileSpan

LABEL_BYTES_MAX: Final = 4 * 1024 * 1024


class DamagedBlobError(OSError):
    """A blob is not what was written: cut, changed, or of bytes that the medium cannot give back.

    It has no errno: nothing that a retry or more room could mend.
    """

    def __init__(self, blob: str, reason: str) -> None:
        super().__init__(f"the blob {blob} is damaged: {reason}")
        self.blob = blob
        self.reason = reason  # for a person: "block 3 differs", "missing tail", ...


@dataclass(frozen=True, slots=True)
class Labelled:
    """What a blob says of itself, verified."""

    length: int  # bytes of data
    label: bytes  # as it was given to `publish`


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a start found and cleaned."""

    unfinished: int = 0  # writes that were never published: removed
    orphans: int = 0  # published, never indexed: removed
    settled: int = 0  # published and indexed: only the mark was left


class BlobWriter(Protocol):
    """One blob being written. Pieces arrive in order; nothing is visible before `publish`."""

    @property
    def id(self) -> str:
        """The blob's name; 32 lower-case hexadecimal digits."""
        ...

    async def write(self, *pieces: bytes) -> None:
        """Append the pieces, in order; does not return before others may be given (back-pressure)."""
        ...

    async def publish(self, label: bytes = b"", *, sync: bool = True) -> None:
        """Make the blob durable under its id: data synced, then named, then the directory synced.

        Without `sync` it is named and whole for every process, and outlives them all, but a power cut may take or
        damage it until `Blobs.sync` has returned. OSError: it does not exist, and this writer can only `discard`; a
        sync that failed is never repeated. ValueError for a label of more than LABEL_BYTES_MAX bytes.
        """
        ...

    async def discard(self) -> None:
        """Forget everything written. May be called at any time, also after `publish`, and twice."""
        ...


class BlobReader(Protocol):
    """An open blob; stays readable although it is deleted meanwhile.

    No way to its bytes ever gives a wrong one: DamagedBlobError instead, also where the medium cannot read.
    """

    @property
    def length(self) -> int:
        """Number of bytes of data."""
        ...

    @property
    def damage(self) -> DamagedBlobError | None:
        """What was found wrong so far, by whichever way the bytes were asked for; for whoever has to remember it."""
        ...

    async def prove(self, offset: int, length: int) -> None:
        """Read and verify the beginning of the range, at most 256 KiB of it. DamagedBlobError, OSError.

        What was read is kept for the first `read` or span that begins at `offset`, so it is not read again.
        """
        ...

    def span(self, offset: int, length: int) -> FileSpan | None:
        """Return the range as a file span, if this store keeps files. OSError for a range beyond the end."""
        ...

    def read(self, offset: int, length: int) -> AsyncIterator[bytes]:
        """Yield the range in pieces of at most 1 MiB, each verified. DamagedBlobError; OSError beyond the end."""
        ...

    async def aclose(self) -> None:
        """Close; spans are no longer good. May be called twice."""
        ...


class ReadableBlobs(Protocol):
    """The half of a place for blobs that reads: who has it writes nothing there, not even that it is here."""

    async def open(self, blob: str) -> BlobReader:
        """Open for reading. FileNotFoundError; DamagedBlobError when its end or its length is not what was written."""
        ...

    async def check(self, blob: str) -> Labelled:
        """Read and verify all of a blob. FileNotFoundError, DamagedBlobError, OSError (nothing is known then)."""
        ...

    async def label(self, blob: str) -> Labelled:
        """Read and verify what a blob says of itself, none of its data. Errors as of `check`."""
        ...

    def walk(self, after: str = "") -> AsyncIterator[str]:
        """Yield the ids of published blobs above `after`, ascending; holds a small share of them at a time.

        One that is published or deleted meanwhile may or may not come. OSError.
        """
        ...


class Blobs(ReadableBlobs, Protocol):
    """A place for blobs."""

    async def create(self, size_hint: int | None = None) -> BlobWriter:
        """Begin a blob under a fresh id. OSError (ENOSPC, ...)."""
        ...

    async def settle(self, blobs: Sequence[str]) -> None:
        """Drop the marks of published blobs, because the index refers to them now. Idempotent.

        Losing it costs only work at the next start.
        """
        ...

    async def sync(self, blobs: Sequence[str]) -> None:
        """Make durable what was published without sync. FileNotFoundError when one is missing.

        OSError: none of them may be called durable; a sync that failed is not repeated, their bytes may be lost.
        """
        ...

    async def delete(self, blobs: Sequence[str]) -> Sequence[str]:
        """Delete durably and return those that are gone; absent counts as gone.

        Left out are those that cannot be deleted now.
        """
        ...

    async def recover(self, referenced: Callable[[Sequence[str]], Awaitable[frozenset[str]]]) -> Recovered:
        """Clean what writers that no longer live left behind. Call before this slot's first `create`."""
        ...

    async def probe(self) -> None:
        """Write, sync, read back and delete a small file. OSError."""
        ...

    async def aclose(self) -> None:
        """Finish what is under way and close. May be called twice."""
        ...

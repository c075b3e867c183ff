"""The bytes as a port: immutable blobs, named by ids that say nothing about keys.

Publishing and indexing are two steps on two media, so a crash may fall between them. `publish` therefore leaves a
mark (an intent) that `settle` removes once the index has committed; `recover` looks at the marks left behind, and at
nothing else, so that a start costs what was under way and not what is stored.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cybous3.server.wire.message import FileSpan


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

    async def publish(self) -> None:
        """Make the blob durable under its id: data synced, then named, then the directory synced. OSError.

        It does not exist.
        """
        ...

    async def discard(self) -> None:
        """Forget everything written. May be called at any time, also after `publish`, and twice."""
        ...


class BlobReader(Protocol):
    """An open blob; stays readable although it is deleted meanwhile."""

    @property
    def length(self) -> int:
        """Number of bytes."""
        ...

    def span(self, offset: int, length: int) -> FileSpan | None:
        """Return the range as a file span, if this store keeps plain files."""
        ...

    def read(self, offset: int, length: int) -> AsyncIterator[bytes]:
        """Yield the range in pieces of at most 1 MiB. OSError when the blob is shorter than it says."""
        ...

    async def aclose(self) -> None:
        """Close; spans are no longer good. May be called twice."""
        ...


class Blobs(Protocol):
    """A place for blobs."""

    async def create(self, size_hint: int | None = None) -> BlobWriter:
        """Begin a blob under a fresh id. OSError (ENOSPC, ...)."""
        ...

    async def settle(self, blobs: Sequence[str]) -> None:
        """Drop the marks of published blobs, because the index refers to them now. Idempotent.

        Losing it costs only work at the next start.
        """
        ...

    async def open(self, blob: str) -> BlobReader:
        """Open for reading. FileNotFoundError."""
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

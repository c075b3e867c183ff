"""A data directory opened for looking after it: index and blobs, beside a running server or without one.

Both have locks of their own, which every process takes for each change, so nothing here needs the server to stand
still. Commands that must not run twice at once take turns by a lock file of their own.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cybous3.core.errors import CybousError
from cybous3.disk.files import SYSTEM
from cybous3.disk.locks import locked
from cybous3.server.app.accounts import ensure_index
from cybous3.server.app.places import DataDirectory
from cybous3.server.app.problems import local
from cybous3.server.blobs.local.published import PublishedBlobs
from cybous3.server.blobs.local.store import LocalBlobs, SlotTakenError
from cybous3.server.meta.sqlite.index import SqliteIndex, open_sqlite


class BusyError(CybousError):
    """The same command works on this data directory already."""

    exit_code: ClassVar[int] = 31


@dataclass(frozen=True, slots=True)
class LookedInto:
    """What a command works with that writes no blobs."""

    place: DataDirectory
    index: SqliteIndex
    blobs: PublishedBlobs

    def under_way(self, blob: str) -> bool:
        """Return whether some process has published the blob and not finished its commit, or died there."""
        incoming = self.place.blobs / "incoming"
        return any((incoming / slot / blob).exists() for slot in SYSTEM.names(incoming))


@dataclass(frozen=True, slots=True)
class Opened(LookedInto):
    """What a command works with that does."""

    blobs: LocalBlobs


@contextmanager
def taking_turns(place: DataDirectory, what: str) -> Iterator[None]:
    """Hold the lock of the command `what` on this directory. BusyError, LocalError."""
    try:
        with locked(SYSTEM, place.root / f"{what}.lock", 0):
            yield
    except TimeoutError:
        raise BusyError(f"another {what} works on the data directory {str(place.root)!r}") from None


@asynccontextmanager
async def opened(data: Path, what: str) -> AsyncIterator[Opened]:
    """Open a data directory that exists, for the command `what`.

    NoDataDirectoryError, BusyError, UnfinishedError, LocalError; and what the index says of itself when it is damaged.
    """
    async with _indexed(data) as (place, index):
        blobs = open_blobs(place, what)
        try:
            yield Opened(place, index, blobs)
        finally:
            await blobs.aclose()


@asynccontextmanager
async def looked_into(data: Path) -> AsyncIterator[LookedInto]:
    """Open a data directory that exists without making a single file there: its disk may have no room for one.

    NoDataDirectoryError, UnfinishedError, LocalError; and what the index says of itself when it is damaged.
    """
    async with _indexed(data) as (place, index):
        blobs = PublishedBlobs(place.blobs)
        try:
            yield LookedInto(place, index, blobs)
        finally:
            await blobs.aclose()


@asynccontextmanager
async def _indexed(data: Path) -> AsyncIterator[tuple[DataDirectory, SqliteIndex]]:
    ensure_index(data)
    place = DataDirectory.at(data)
    place.ensure_finished()
    try:
        index = await open_sqlite(place.index)
    except OSError as error:
        raise local("cannot open the index", error) from error
    try:
        yield place, index
    finally:
        await index.aclose()


def open_blobs(place: DataDirectory, what: str) -> LocalBlobs:
    """Open the blobs of a data directory in a slot named for the command `what`. BusyError, LocalError."""
    try:
        return LocalBlobs(place.blobs, what, os.urandom)
    except SlotTakenError:
        raise BusyError(f"another {what} works on the data directory {str(place.root)!r}") from None
    except OSError as error:
        raise local("cannot open the blobs", error) from error

"""One blob into another place for blobs, under its own id, every byte of it verified on the way.

What is written is what was compared with its checks, and the end of the file is made anew from it: a copy is the same
file, or there is none. It gets its name when it is whole and synced; the names become durable together, by
`Copier.sync_names`, before whoever asked calls anything complete.
"""

import asyncio
import errno
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from cybous3.core.errors import CybousError
from cybous3.disk.files import NO_HARD_LINKS, Files
from cybous3.server.app.problems import LocalError, local
from cybous3.server.blobs.local.format import Checks
from cybous3.server.blobs.local.layout import FAN_OUT, Layout
from cybous3.server.blobs.port import DamagedBlobError, ReadableBlobs
from cybous3.server.meta.space import NO_SPACE

_OTHER_DISK: Final = NO_HARD_LINKS | {errno.EXDEV}

PathOf = Callable[[str], Path]


class FullError(LocalError):
    """There is no room at the target."""


class Copier:
    """Copies blobs to one place. `path_of` gives where a blob of the source lies, for hard links instead of copies."""

    def __init__(
        self, source: ReadableBlobs, root: Path, slot: str, files: Files, path_of: PathOf | None = None
    ) -> None:
        self._source = source
        self._layout = Layout(root, slot)
        self._files = files
        self._path_of = path_of
        self._touched: set[Path] = set()

    def has(self, blob: str) -> bool:
        """Return whether the blob is at the target; then it is whole, for it was named last."""
        return self._files.exists(self._layout.published(blob))

    async def copy(self, blob: str) -> int:
        """Copy the blob and return the length of its data.

        DamagedBlobError or FileNotFoundError of the source: there is no copy. FullError, LocalError of the target.
        """
        if self._path_of is not None:
            return await self._linked(blob, self._path_of(blob))
        labelled = await self._source.label(blob)
        aside = self._layout.writing(blob)
        try:
            await self._written(blob, aside, labelled.label)
            await asyncio.to_thread(self._named, aside, blob)
        finally:
            with suppress(OSError):  # what went wrong, if anything, is on its way already
                self._files.unlink(aside)
        return labelled.length

    async def sync_names(self) -> None:
        """Make durable the names of all copies made since the last time. LocalError."""
        touched, self._touched = self._touched, set()

        def work() -> None:
            for directory in sorted(touched):
                self._files.sync_directory(directory)

        try:
            await asyncio.to_thread(work)
        except OSError as error:
            raise _of_the_target(error) from error

    async def _linked(self, blob: str, path: Path) -> int:
        labelled = await self._source.check(blob)
        try:
            self._files.link(path, self._layout.published(blob))
        except FileExistsError:
            return labelled.length
        except OSError as error:
            if error.errno in _OTHER_DISK:
                raise LocalError(
                    f"the blob {str(path)!r} cannot be linked: {(error.strerror or str(error)).lower()}",
                    hint="hard links need one disk; leave --link out to copy",
                ) from error
            raise _of_the_target(error) from error
        self._touched.add(self._layout.directory(blob))
        return labelled.length

    async def _written(self, blob: str, aside: Path, label: bytes) -> None:
        """Write the whole file aside and sync it."""
        checks = Checks(blob)
        reader = await self._source.open(blob)
        try:
            fd = self._create(aside)
            try:
                async for piece in reader.read(0, reader.length):
                    await self._append(fd, piece)
                    checks.add(piece)
                await self._append(fd, checks.end(label), sync=True)
            finally:
                self._files.close(fd)
        finally:
            await reader.aclose()

    def _create(self, aside: Path) -> int:
        try:
            self._files.unlink(aside)  # of a copy that was interrupted here
            return self._files.create(aside)
        except OSError as error:
            raise _of_the_target(error) from error

    async def _append(self, fd: int, piece: bytes, *, sync: bool = False) -> None:
        def work() -> None:
            self._files.write(fd, piece)
            if sync:
                self._files.sync(fd)

        try:
            await asyncio.to_thread(work)
        except OSError as error:
            raise _of_the_target(error) from error

    def _named(self, aside: Path, blob: str) -> None:
        published = self._layout.published(blob)
        try:
            self._files.rename(aside, published)
        except OSError as error:
            raise _of_the_target(error) from error
        self._touched.add(published.parent)


def prepare(files: Files, root: Path, slot: str) -> None:
    """Make the directories that blobs lie in. LocalError."""
    layout = Layout(root, slot)
    try:
        for directory in (layout.incoming / slot, *(layout.blobs / name for name in FAN_OUT)):
            files.make_directory(directory)
        for directory in (layout.incoming, layout.blobs, root, root.parent):
            files.sync_directory(directory)
    except OSError as error:
        raise _of_the_target(error) from error


def _of_the_target(error: OSError) -> CybousError:
    """Return the error for a target that refused, told from a source that did: DamagedBlobError and its like."""
    if isinstance(error, DamagedBlobError):
        raise error
    if error.errno in NO_SPACE:
        return FullError("there is no room left at the target", hint="make room and run it again: it goes on from here")
    return local("the target cannot be written", error)

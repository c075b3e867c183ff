"""Every blob that an index names, brought to another place: what a backup and a restore have in common."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cybous3.server.app.maintenance.copying import Copier
from cybous3.server.app.maintenance.manifest import Damaged
from cybous3.server.blobs.port import Blobs, DamagedBlobError, ReadableBlobs
from cybous3.server.meta.port import DamagedRecord, Index, UploadedPart
from cybous3.server.model.objects import Extent, ObjectRecord
from cybous3.server.workers.verify import Pace, verdict_on

PAGE: Final = 100
TOGETHER: Final = 4  # copies under way at once

Entry = ObjectRecord | UploadedPart | DamagedRecord


@dataclass(slots=True)
class Progress:
    """What was done so far."""

    objects: int = 0  # entries of the index, parts of unfinished uploads among them
    copied: int = 0  # blobs
    present: int = 0  # blobs that were there already
    data_bytes: int = 0  # in the blobs that are there now
    pruned: int = 0  # blobs of older backups that nothing names any more
    damaged: list[Damaged] = field(default_factory=list)


OnProgress = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Mover:
    """Brings blobs through `copier` to `target`; with `verify` what is there already is read again."""

    copier: Copier
    target: Blobs
    verify: bool
    done: Progress
    on_progress: OnProgress

    async def move_all(self, index: Index) -> list[tuple[Entry, str]]:
        """Bring every blob that `index` names, and return the entries that are damaged, each with its reason.

        FullError, LocalError when the target refuses.
        """
        damaged: list[tuple[Entry, str]] = []
        async for page in entries_of(index):
            reasons = await self._page(page)
            damaged += [(entry, reason) for entry, reason in zip(page, reasons, strict=True) if reason]
            self.done.objects += len(page)
            self.done.damaged += [
                Damaged(entry.bucket, entry.key, _told(entry, reason))
                for entry, reason in zip(page, reasons, strict=True)
                if reason
            ]
            self.on_progress(self.done)
        return damaged

    async def _page(self, page: Sequence[Entry]) -> list[str]:
        gate = asyncio.Semaphore(TOGETHER)

        async def one(entry: Entry) -> str:
            async with gate:
                return await self._entry(entry)

        tasks = [asyncio.ensure_future(one(entry)) for entry in page]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _entry(self, entry: Entry) -> str:
        """Return why the entry's bytes are not at the target, "" when they are."""
        if isinstance(entry, DamagedRecord):
            return entry.reason
        for extent in entry.extents if isinstance(entry, ObjectRecord) else entry.part.extents:
            reason = await self._blob(extent)
            if reason:
                return reason
        return ""

    async def _blob(self, extent: Extent) -> str:
        if self.copier.has(extent.blob) and await self._good(extent):
            self.done.present += 1
            self.done.data_bytes += extent.length
            return ""
        try:
            length = await self.copier.copy(extent.blob)
        except DamagedBlobError as error:
            return error.reason
        except FileNotFoundError:
            return "missing"
        if length != extent.length:
            return f"{length} bytes instead of {extent.length}"
        self.done.copied += 1
        self.done.data_bytes += length
        return ""

    async def _good(self, extent: Extent) -> bool:
        if not self.verify:
            return True
        verdict = await verdict_on(self.target, extent.blob, Pace(None), extent.length)
        if verdict.labelled is None:
            await self.target.delete([extent.blob])
        return verdict.labelled is not None


def _told(entry: Entry, reason: str) -> str:
    if isinstance(entry, UploadedPart):
        return f"part {entry.part.number} of the upload {entry.upload_id}: {reason}"
    return f"the index entry: {reason}" if isinstance(entry, DamagedRecord) else reason


async def entries_of(index: Index) -> AsyncIterator[Sequence[Entry]]:
    """Yield all objects and all parts of unfinished uploads, a page at a time."""
    after: tuple[str, str] | None = None
    while page := await index.objects.walk(after, PAGE):
        yield page
        after = (page[-1].bucket, page[-1].key)
    behind: tuple[str, int] | None = None
    while parts := await index.uploads.walk(behind, PAGE):
        yield parts
        last = parts[-1]
        behind = (last.upload_id, last.part.number if isinstance(last, UploadedPart) else last.number)


async def unreferenced(blobs: ReadableBlobs, index: Index) -> list[str]:
    """Return the blobs that the index does not name."""
    found: list[str] = []
    page: list[str] = []
    async for blob in blobs.walk():
        page.append(blob)
        if len(page) >= PAGE:
            found += await _unknown(index, page)
            page = []
    return found + await _unknown(index, page)


async def _unknown(index: Index, page: Sequence[str]) -> list[str]:
    known = await index.garbage.referenced(page) if page else frozenset()
    return [blob for blob in page if blob not in known]

"""Index against bytes: is everything that the index says on the medium, and is anything there besides.

It only looks. Beside a running server nothing stands still, so what it finds is looked at again before it counts: an
object that was replaced or deleted meanwhile is no finding, and a blob whose write is under way is no orphan.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from cybous3.server.app.maintenance.moving import PAGE, Entry, entries_of, unreferenced
from cybous3.server.app.maintenance.opening import LookedInto, looked_into, opened
from cybous3.server.blobs.port import DamagedBlobError, Labelled, ReadableBlobs
from cybous3.server.meta.port import DamagedRecord, Index, UploadedPart
from cybous3.server.meta.sqlite.check import check
from cybous3.server.model.objects import Extent, ObjectRecord
from cybous3.server.store import labels
from cybous3.server.wire.errors import S3Error
from cybous3.server.workers.verify import Pace, verdict_on

Kind = Literal["index", "entry", "missing", "damaged", "mislabelled", "orphan"]

KINDS: Final[Mapping[Kind, str]] = {
    "index": "the index does not agree with itself",
    "entry": "the index entry of an object or part is not what was written",
    "missing": "the index refers to a blob that is not there",
    "damaged": "a blob is cut or changed",
    "mislabelled": "a blob is whole, and says that it belongs to something else",
    "orphan": "a blob that nothing refers to: it takes room, and nothing is lost",
}
HARMLESS: Final = frozenset({"orphan"})


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding. `blob` is "" where none is concerned, bucket and key where no object is."""

    kind: Kind
    reason: str
    bucket: str = ""
    key: str = ""
    blob: str = ""
    upload_id: str = ""
    part: int = 0


@dataclass(slots=True)
class Report:
    """What a check came to."""

    objects: int = 0
    parts: int = 0  # of unfinished uploads
    data_bytes: int = 0  # in blobs that were looked at
    problems: list[Problem] = field(default_factory=list)
    removed: int = 0  # orphans

    @property
    def damaged(self) -> bool:
        """Whether anything that was stored is not as it should be."""
        return any(problem.kind not in HARMLESS for problem in self.problems)


OnProgress = Callable[[Report], None]
Look = Callable[[ReadableBlobs, Extent], Awaitable[Labelled | str]]


def _silent(_: Report) -> None:
    """Tell nobody."""


async def fsck(
    data: Path, *, quick: bool = False, remove_orphans: bool = False, on_progress: OnProgress = _silent
) -> Report:
    """Check the data directory, with its server running or not. `quick` reads labels and lengths, and no data.

    `remove_orphans` deletes the blobs that nothing refers to. What `opened` raises; OSError when the medium fails.
    """
    report = Report()
    if remove_orphans:
        async with opened(data, "fsck") as found:
            orphans = await _compared(found, report, on_progress, quick=quick)
            report.removed = len(await found.blobs.delete(orphans))
    else:
        async with looked_into(data) as seen:
            orphans = await _compared(seen, report, on_progress, quick=quick)
            report.problems += [Problem("orphan", KINDS["orphan"], blob=blob) for blob in orphans]
    return report


async def _compared(found: LookedInto, report: Report, on_progress: OnProgress, *, quick: bool) -> list[str]:
    """Report what index and bytes disagree about, and return the orphans."""
    report.problems += [
        Problem("index", f"{problem.kind} {problem.name}: {problem.reason}")
        for problem in await asyncio.to_thread(check, found.place.index)
    ]
    look = _label_of if quick else _all_of
    async for page in entries_of(found.index):
        for entry in page:
            await _check_entry(found, look, entry, report)
        on_progress(report)
    return await _orphans(found)


async def _all_of(blobs: ReadableBlobs, extent: Extent) -> Labelled | str:
    """Read everything: return what the blob says of itself, or why it is not whole."""
    verdict = await verdict_on(blobs, extent.blob, Pace(None), extent.length)
    return verdict.labelled or verdict.reason


async def _label_of(blobs: ReadableBlobs, extent: Extent) -> Labelled | str:
    """Read the end of the blob only."""
    try:
        labelled = await blobs.label(extent.blob)
    except FileNotFoundError:
        return "missing"
    except DamagedBlobError as error:
        return error.reason
    if labelled.length != extent.length:
        return f"{labelled.length} bytes instead of {extent.length}"
    return labelled


async def _check_entry(found: LookedInto, look: Look, entry: Entry, report: Report) -> None:
    if isinstance(entry, DamagedRecord):
        report.problems.append(
            Problem("entry", entry.reason, entry.bucket, entry.key, upload_id=entry.upload_id, part=entry.number)
        )
        return
    if isinstance(entry, UploadedPart):
        report.parts += 1
        extents: Sequence[Extent] = entry.part.extents
    else:
        report.objects += 1
        extents = entry.extents
    problems = [problem async for problem in _of_blobs(found.blobs, look, entry, extents)]
    report.data_bytes += sum(extent.length for extent in extents)
    if problems and await is_current(found.index, entry):
        report.problems += problems


async def _of_blobs(
    blobs: ReadableBlobs, look: Look, entry: ObjectRecord | UploadedPart, extents: Sequence[Extent]
) -> AsyncIterator[Problem]:
    for extent in extents:
        seen = await look(blobs, extent)
        if isinstance(seen, str):
            yield _problem("missing" if seen == "missing" else "damaged", seen, entry, extent.blob)
            continue
        reason = mislabelled(entry, extent, seen.label)
        if reason:
            yield _problem("mislabelled", reason, entry, extent.blob)


def _problem(kind: Kind, reason: str, entry: ObjectRecord | UploadedPart, blob: str) -> Problem:
    if isinstance(entry, ObjectRecord):
        return Problem(kind, reason, entry.bucket, entry.key, blob)
    return Problem(kind, reason, entry.bucket, entry.key, blob, entry.upload_id, entry.part.number)


def mislabelled(entry: ObjectRecord | UploadedPart, extent: Extent, label: bytes) -> str:
    """Return what the blob's label says that the index does not, "" when they agree. Pure."""
    try:
        said = labels.read(label, extent.blob)
    except labels.LabelError as error:
        return str(error)
    if said.place != (entry.bucket, entry.key):
        return f"it says that it belongs to {'/'.join(said.place)!r}"
    if isinstance(entry, UploadedPart):
        same = said.upload is not None and said.upload.id == entry.upload_id and said.part == entry.part
        return "" if same else "it says that it is another part"
    manifested = any(not one.length for one in entry.extents)
    if manifested and extent.length:
        return ""  # what the object is since then, its manifest says
    if said.record != replace(entry, damaged=None):
        return f"its {said.kind} label does not say what the index says of the object"
    return ""


async def is_current(index: Index, entry: ObjectRecord | UploadedPart) -> bool:
    """Return whether the index still says of the object or part what was looked at."""
    try:
        if isinstance(entry, ObjectRecord):
            return (await index.objects.get(entry.bucket, entry.key)).extents == entry.extents
        number = entry.part.number
        parts = await index.uploads.parts(entry.bucket, entry.key, entry.upload_id, after=number - 1, limit=1)
        return any(part.extents == entry.part.extents for part in parts)
    except S3Error:
        return False


async def _orphans(found: LookedInto) -> list[str]:
    """Return the blobs that nothing refers to and nobody is about to.

    The order is what makes it safe beside a server: a write refers to its blob before its mark goes, so of a blob that
    has no mark the index knows if anybody does.
    """
    suspects = [blob for blob in await unreferenced(found.blobs, found.index) if not found.under_way(blob)]
    certain: list[str] = []
    for at in range(0, len(suspects), PAGE):
        page = suspects[at : at + PAGE]
        known = await found.index.garbage.referenced(page)
        certain += [blob for blob in page if blob not in known and await _is_there(found.blobs, blob)]
    return certain


async def _is_there(blobs: ReadableBlobs, blob: str) -> bool:
    try:
        await blobs.label(blob)
    except FileNotFoundError:
        return False  # a write that failed took it back
    except DamagedBlobError:
        return True
    return True

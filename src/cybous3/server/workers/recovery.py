"""What a start does with relaxed writes that were acknowledged and perhaps not durable when the server ended.

A power cut may have taken their bytes while the index still refers to them. Each such blob is read from the medium: one
that is whole is synced and kept; an object or an unfinished upload whose blob is not whole is forgotten, so that it is
absent and not in pieces. It costs what was written in the last moments, and a walk through the index only if something
was lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cybous3.server.blobs.port import Blobs
from cybous3.server.meta.port import Index, UploadedPart
from cybous3.server.model.objects import Extent, ObjectRecord
from cybous3.server.wire.errors import S3Error
from cybous3.server.workers.verify import Pace, verdict_on

PENDING_MAX: Final = 1_000_000
PAGE: Final = 500
BATCH: Final = 256


@dataclass(frozen=True, slots=True)
class Unsynced:
    """What became of writes that were acknowledged and not durable."""

    kept: int = 0  # blobs
    objects_lost: int = 0
    uploads_lost: int = 0  # unfinished ones, given up because a part of them was lost


async def recover_unsynced(index: Index, blobs: Blobs) -> Unsynced:
    """Judge all that is listed as unsynced and empty the list. OSError: the list stays, the next start goes on."""
    pending = await index.unsynced.pending(PENDING_MAX)
    if not pending:
        return Unsynced()
    verdicts = [(blob, await verdict_on(blobs, blob, Pace(None))) for blob in pending]
    whole = [blob for blob, verdict in verdicts if verdict.labelled is not None]
    gone = frozenset(blob for blob, verdict in verdicts if verdict.labelled is None)
    for at in range(0, len(whole), BATCH):
        await blobs.sync(whole[at : at + BATCH])
    objects = await _forget_objects(index, gone) if gone else 0
    uploads = await _give_up_uploads(index, gone) if gone else 0
    await index.unsynced.done(pending)
    return Unsynced(len(whole), objects, uploads)


async def _forget_objects(index: Index, gone: frozenset[str]) -> int:
    count, after = 0, None
    while page := await index.objects.walk(after, PAGE):
        after = (page[-1].bucket, page[-1].key)
        for record in page:
            if isinstance(record, ObjectRecord) and _among(record.extents, gone):
                count += await index.objects.forget(record.bucket, record.key, record.extents)
    return count


async def _give_up_uploads(index: Index, gone: frozenset[str]) -> int:
    doomed: set[tuple[str, str, str]] = set()
    after: tuple[str, int] | None = None
    while page := await index.uploads.walk(after, PAGE):
        last = page[-1]
        after = (last.upload_id, last.part.number if isinstance(last, UploadedPart) else last.number)
        doomed |= {
            (entry.bucket, entry.key, entry.upload_id)
            for entry in page
            if isinstance(entry, UploadedPart) and _among(entry.part.extents, gone)
        }
    for place in doomed:
        try:
            await index.uploads.abort(*place)
        except S3Error as error:  # nobody else works on the index yet, so it can only have gone with its bucket
            if error.code != "NoSuchUpload":
                raise
    return len(doomed)


def _among(extents: Sequence[Extent], gone: frozenset[str]) -> bool:
    return any(extent.blob in gone for extent in extents)

"""The durability of one bucket, for the command line: with the server running or not.

A bucket becomes strict in this order: what is written from now on is noted until it is synced (`relaxed`); all that the
bucket held before, in whatever mode it was written, is synced; only then is it strict. So a bucket whose mode is
`strict` has nothing that is neither durable nor noted, also if the command is stopped half way.
"""

import errno
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, cast

from cybous3.server.app.accounts import NoSuchAccountError
from cybous3.server.app.maintenance.opening import opened
from cybous3.server.meta.port import Index, UploadedPart
from cybous3.server.model.buckets import Durability
from cybous3.server.model.objects import ObjectRecord
from cybous3.server.store.commits import Commits
from cybous3.server.wire.errors import S3Error
from cybous3.server.workers.syncer import Syncer

_PAGE: Final = 256


class NoSuchBucketError(NoSuchAccountError):
    """There is no bucket of that name."""


async def mode_of(data: Path, bucket: str) -> Durability:
    """Return the mode of a bucket. NoSuchBucketError, and what `opened` raises."""
    async with opened(data, "durability") as found:
        try:
            return (await found.index.buckets.get(bucket)).durability
        except S3Error as error:
            raise NoSuchBucketError(f"there is no bucket {bucket!r}") from error


async def change(data: Path, bucket: str, mode: str) -> Durability:
    """Set the mode of what is written from now on, and make durable what relaxed buckets still wait with.

    To `strict`: all that the bucket holds is durable before this returns, which takes a sync for each of its blobs.
    What was written in `none` stays as it is under `relaxed`. A running server goes by the mode with its next request.
    NoSuchBucketError, and what `opened` raises; OSError: the bucket is not strict, and may be relaxed.
    """
    wanted = cast("Durability", mode)
    async with opened(data, "durability") as found:
        syncer = Syncer(found.index.unsynced, found.blobs, Commits(found.index, found.blobs))
        try:
            before = (await found.index.buckets.get(bucket)).durability
            if wanted == "strict" != before:
                await found.index.buckets.set_durability(bucket, "relaxed")
                await _make_durable(found.index, syncer, bucket)
            await found.index.buckets.set_durability(bucket, wanted)
        except S3Error as error:
            raise NoSuchBucketError(f"there is no bucket {bucket!r}") from error
        await syncer.run_once()
    return wanted


async def _make_durable(index: Index, syncer: Syncer, bucket: str) -> None:
    """Sync all blobs of a bucket. Parts first: one that becomes an object meanwhile is then met there."""
    async for blobs in _blobs_of(index, bucket):
        if len(await syncer.sync(blobs)) < len(blobs):
            raise OSError(errno.EIO, "not all bytes of the bucket could be made durable; see the log")


async def _blobs_of(index: Index, bucket: str) -> AsyncIterator[list[str]]:
    place: tuple[str, int] | None = None
    while parts := await index.uploads.walk(place, _PAGE):
        last = parts[-1]
        place = last.upload_id, last.part.number if isinstance(last, UploadedPart) else last.number
        whole = [one.part for one in parts if isinstance(one, UploadedPart) and one.bucket == bucket]
        yield [extent.blob for part in whole for extent in part.extents]
    after = (bucket, "")
    while objects := [one for one in await index.objects.walk(after, _PAGE) if one.bucket == bucket]:
        after = bucket, objects[-1].key
        whole_ones = [one for one in objects if isinstance(one, ObjectRecord)]
        yield [extent.blob for record in whole_ones for extent in record.extents]

"""The durability of one bucket, for the command line: with the server running or not."""

from pathlib import Path
from typing import cast

from cybous3.server.app.accounts import NoSuchAccountError
from cybous3.server.app.maintenance.opening import opened
from cybous3.server.model.buckets import Durability
from cybous3.server.store.commits import Commits
from cybous3.server.wire.errors import S3Error
from cybous3.server.workers.syncer import Syncer


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

    A running server goes by it with its next request. NoSuchBucketError, and what `opened` raises; OSError.
    """
    wanted = cast("Durability", mode)
    async with opened(data, "durability") as found:
        try:
            await found.index.buckets.set_durability(bucket, wanted)
        except S3Error as error:
            raise NoSuchBucketError(f"there is no bucket {bucket!r}") from error
        await Syncer(found.index.unsynced, found.blobs, Commits(found.index, found.blobs)).run_once()
    return wanted

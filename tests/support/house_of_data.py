"""A data directory filled in this process, and damaged by hand: for tests of what looks after it."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from cybous3.server.app.accounts import open_book
from cybous3.server.app.places import DataDirectory
from cybous3.server.blobs.local.store import LocalBlobs
from cybous3.server.meta.sqlite.index import open_sqlite
from cybous3.server.model.buckets import Bucket
from cybous3.server.model.objects import ObjectRecord
from cybous3.server.model.uploads import CompletedPart
from cybous3.server.store.spec import PART_SIZE_MIN, ObjectSpec
from cybous3.server.store.store import Store

T = TypeVar("T")
BUCKET = "bucket"
BIG = bytes(range(256)) * 1000
PART = b"p" * PART_SIZE_MIN


class Whole:
    """A body that is at hand."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def read(self) -> bytes:
        """See Body."""
        data, self._data = self._data, b""
        return data


class House:
    """One data directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.place = DataDirectory(root)

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        """Open it as a server does."""
        self.place.prepare()
        index = await open_sqlite(self.place.index)
        blobs = LocalBlobs(self.place.blobs, "w0", os.urandom)
        store = Store(index, blobs, clock=time.time, entropy=os.urandom, region="us-east-1")
        try:
            await blobs.recover(index.garbage.referenced)
            yield store
        finally:
            await store.aclose()
            await blobs.aclose()
            await index.aclose()

    def run(self, work: Callable[[Store], Awaitable[T]]) -> T:
        """Do `work` on the open store."""

        async def main() -> T:
            async with self.store() as store:
                return await work(store)

        return asyncio.run(main())

    def fill(self, *keys: str, small: int = 2) -> dict[str, ObjectRecord]:
        """Make the bucket, a root key, small objects and one large object for each key."""

        async def work(store: Store) -> dict[str, ObjectRecord]:
            book = await open_book(store.index, self.place)
            root, _ = await book.ensure_root(None, None)
            await store.index.buckets.create(Bucket(BUCKET, root.user.id, "us-east-1", 1))
            for number in range(small):
                await put(store, f"small{number}", b"small")
            return {key: await put(store, key, BIG) for key in keys}

        return self.run(work)

    def read_all(self) -> dict[str, bytes | None]:
        """Return every object with its bytes; None for one that answers an error."""
        return self.run(contents)

    def blob_file(self, blob: str) -> Path:
        """Return where a blob lies."""
        return self.place.blobs / "blobs" / blob[:2] / blob

    def flip(self, blob: str, offset: int = 5) -> None:
        """Change one byte of a blob's file."""
        flip(self.blob_file(blob), offset)


def flip(path: Path, offset: int) -> None:
    """Change one byte of a file."""
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


async def owner_of(store: Store) -> str:
    """Return who owns the bucket."""
    return (await store.index.buckets.get(BUCKET)).owner


async def put(store: Store, key: str, data: bytes, **user: str) -> ObjectRecord:
    """Store an object."""
    return await store.put(ObjectSpec(BUCKET, key, await owner_of(store), user=user), Whole(data))


async def put_parts(store: Store, key: str, *bodies: bytes, complete: bool = True) -> str:
    """Upload parts, complete them unless told otherwise, and return the upload's id."""
    upload = await store.create_upload(ObjectSpec(BUCKET, key, await owner_of(store)), initiator="x")
    parts = [await store.put_part(BUCKET, key, upload.id, number, Whole(body)) for number, body in enumerate(bodies, 1)]
    if complete:
        await store.complete(BUCKET, key, upload.id, [CompletedPart(part.number, part.etag) for part in parts])
    return upload.id


async def contents(store: Store) -> dict[str, bytes | None]:
    """Return every object with its bytes; None for one that answers an error."""
    found: dict[str, bytes | None] = {}
    for entry in await store.index.objects.walk(None, 1000):
        try:
            record = await store.head(entry.bucket, entry.key)
            payload = await store.open(record)
        except Exception:  # noqa: BLE001  # whatever it is, it is no bytes
            found[entry.key] = None
            continue
        found[entry.key] = b"".join([chunk async for chunk in payload.chunks()])
        await payload.aclose()
    return found

"""A start keeps relaxed writes that are whole and forgets, whole, those whose bytes a power cut took."""

from dataclasses import replace

import pytest

from cybous3.server.blobs.memory.store import MemoryBlobs
from cybous3.server.meta.memory.index import MemoryIndex
from cybous3.server.store.store import Store
from cybous3.server.workers.recovery import Unsynced, recover_unsynced
from tests.contracts.index_contract import refused
from tests.contracts.values import BUCKET, entropy
from tests.server.store.conftest import Pieces, Ticking
from tests.server.store.test_store import BIG, PART, bytes_of, spec, upload_of

pytestmark = pytest.mark.anyio


async def test_what_is_whole_is_kept_and_what_is_not_is_forgotten() -> None:
    index, blobs = MemoryIndex(), MemoryBlobs(entropy)
    await index.buckets.create(replace(BUCKET, durability="relaxed"))
    store = Store(index, blobs, clock=Ticking(), entropy=entropy, region="us-east-1")
    assert await recover_unsynced(index, blobs) == Unsynced()
    kept = await store.put(spec("kept"), Pieces(BIG))
    for key in ("cut", "gone"):
        stored = await store.put(spec(key), Pieces(BIG))
        blob = stored.extents[0].blob
        await (blobs.delete([blob]) if key == "gone" else cut(blobs, blob))
    upload_id, parts = await upload_of(store, PART, key="many")
    await blobs.delete([parts[0].extents[0].blob])
    assert await recover_unsynced(index, blobs) == Unsynced(kept=1, objects_lost=2, uploads_lost=1)
    assert await bytes_of(store, await store.head(BUCKET.name, "kept")) == BIG
    assert kept.extents[0].blob not in blobs.unsynced
    for key in ("cut", "gone"):
        await refused("NoSuchKey", store.head(BUCKET.name, key))
    await refused("NoSuchUpload", index.uploads.get(BUCKET.name, "many", upload_id))
    assert await recover_unsynced(index, blobs) == Unsynced()
    await store.aclose()


async def cut(blobs: MemoryBlobs, blob: str) -> None:
    """Leave the first bytes of a blob."""
    blobs.cut(blob, 10)
